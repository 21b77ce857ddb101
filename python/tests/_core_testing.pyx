# cython: language_level=3, binding=True
"""ffikit._core as it ships, and what only tests need, over a testing libffikit."""

include "../src/ffikit/_core.pyx"

cdef extern from "ffikit_testing.h" nogil:
    ffikit_status ffikit_testing_panic(const char *message, size_t message_len_bytes, ffikit_error **err_out)
    ffikit_status ffikit_testing_counter_inc(uint64_t *count_out, ffikit_error **err_out)
    ffikit_status ffikit_testing_runtime_id(uint64_t *runtime_id_out, ffikit_error **err_out)
    ffikit_status ffikit_testing_goroutines(size_t goroutines_count, uint64_t *sum_out, ffikit_error **err_out)


def testing_panic(bytes message):
    cdef const char *data = message
    cdef size_t length = len(message)
    cdef ffikit_error *error = NULL
    cdef ffikit_status status
    with nogil:
        status = ffikit_testing_panic(data, length, &error)
    if status != FFIKIT_OK:
        fail(status, error)


def testing_counter_inc():
    cdef uint64_t count = 0
    cdef ffikit_error *error = NULL
    cdef ffikit_status status = ffikit_testing_counter_inc(&count, &error)
    if status != FFIKIT_OK:
        fail(status, error)
    return count


def testing_runtime_id():
    cdef uint64_t identity = 0
    cdef ffikit_error *error = NULL
    cdef ffikit_status status = ffikit_testing_runtime_id(&identity, &error)
    if status != FFIKIT_OK:
        fail(status, error)
    return identity


def testing_goroutines(size_t count):
    cdef uint64_t total = 0
    cdef ffikit_error *error = NULL
    cdef ffikit_status status
    with nogil:
        status = ffikit_testing_goroutines(count, &total, &error)
    if status != FFIKIT_OK:
        fail(status, error)
    return total
