/* Generated from ffikit_testing.h by scripts/abigen; DO NOT EDIT.
 *
 * What the Go exports are compiled against: a prototype that differs from the
 * one that cgo writes for an //export is an error of the C compiler. */
/* clang-format off */
#ifndef FFIKITGO_TESTING_H
#define FFIKITGO_TESTING_H

#include "ffikit_testing.h"

typedef const char ffikitgo_const_char;

#pragma GCC visibility push(hidden)
ffikit_status ffikitgo_testing_panic(const char *message, size_t message_len_bytes, ffikit_error **err_out);
ffikit_status ffikitgo_testing_counter_inc(uint64_t *count_out, ffikit_error **err_out);
ffikit_status ffikitgo_testing_runtime_id(uint64_t *runtime_id_out, ffikit_error **err_out);
ffikit_status ffikitgo_testing_goroutines(size_t goroutines_count, uint64_t *sum_out, ffikit_error **err_out);
#pragma GCC visibility pop

#endif /* FFIKITGO_TESTING_H */
