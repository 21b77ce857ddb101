/* ffikit_testing.h - what only tests need of libffikit.
 *
 * These functions exist in builds with the Go tag ffikit_testing (scripts/
 * build-lib --testing) and never in what is shipped. They obey the same rules
 * as ffikit.h.
 */
#ifndef FFIKIT_TESTING_H
#define FFIKIT_TESTING_H

#include "ffikit/ffikit.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Panics in Go with the given message, on purpose; an empty message
 *  dereferences a nil pointer instead.
 *  @thread any  @since 0.1
 *  @borrow message  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _FORKED, _PANIC. */
FFIKIT_API ffikit_status ffikit_testing_panic(const char *message, size_t message_len_bytes, ffikit_error **err_out);

/** Adds one to a counter that all users of this library share, and gives its
 *  new value: two extensions that see each other's counts have one libffikit.
 *  @thread any  @since 0.1
 *  @own count_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _FORKED, _PANIC. */
FFIKIT_API ffikit_status ffikit_testing_counter_inc(uint64_t *count_out, ffikit_error **err_out);

/** A number that differs between two Go runtimes of a process: an address
 *  within this one's data.
 *  @thread any  @since 0.1
 *  @own runtime_id_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _FORKED, _PANIC. */
FFIKIT_API ffikit_status ffikit_testing_runtime_id(uint64_t *runtime_id_out, ffikit_error **err_out);

/** Starts goroutines that allocate, waits for them and collects the garbage:
 *  it needs a live scheduler. sum_out is 1 + 2 + ... + goroutines_count.
 *  @thread any  @since 0.1
 *  @own sum_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _LIMIT, _FORKED, _PANIC. */
FFIKIT_API ffikit_status ffikit_testing_goroutines(size_t goroutines_count, uint64_t *sum_out, ffikit_error **err_out);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FFIKIT_TESTING_H */
