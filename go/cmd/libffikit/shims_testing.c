//go:build ffikit_testing

/* Generated from ffikit_testing.h by scripts/abigen; DO NOT EDIT.
 *
 * The public names of what enters Go: refuse in a forked child, judge pointers
 * and lengths, call the Go export. */
/* clang-format off */
#include "ffikitgo_testing.h"
#include "guard.h"

ffikit_status ffikit_testing_panic(const char *message, size_t message_len_bytes, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_testing_panic", err_out);
  if (message == NULL && message_len_bytes != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_testing_panic: message is NULL but message_len_bytes is not 0", err_out);
  if (message_len_bytes > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_testing_panic: message_len_bytes is larger than any object", err_out);
  return ffikitgo_testing_panic(message, message_len_bytes, err_out);
}

ffikit_status ffikit_testing_counter_inc(uint64_t *count_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_testing_counter_inc", err_out);
  if (count_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_testing_counter_inc: count_out is NULL", err_out);
  return ffikitgo_testing_counter_inc(count_out, err_out);
}

ffikit_status ffikit_testing_runtime_id(uint64_t *runtime_id_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_testing_runtime_id", err_out);
  if (runtime_id_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_testing_runtime_id: runtime_id_out is NULL", err_out);
  return ffikitgo_testing_runtime_id(runtime_id_out, err_out);
}

ffikit_status ffikit_testing_goroutines(size_t goroutines_count, uint64_t *sum_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_testing_goroutines", err_out);
  if (sum_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_testing_goroutines: sum_out is NULL", err_out);
  return ffikitgo_testing_goroutines(goroutines_count, sum_out, err_out);
}
