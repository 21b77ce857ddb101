/* guard.h - what a shim can judge without entering Go. */
#ifndef FFIKIT_GUARD_H
#define FFIKIT_GUARD_H

#include <stdbool.h>

#include "ffikit/ffikit.h"

#pragma GCC visibility push(hidden)

/** Whether this process is a forked child of the one whose Go runtime we are.
 *  Costs one load. */
bool ffikit_guard_forked(void);

/** Hands out an error with a message and returns its status. err_out may be
 *  NULL. */
ffikit_status ffikit_guard_refuse(ffikit_status status, const char *message, ffikit_error **err_out);

/** Refuses a call in a forked child, naming the function and the remedy. */
ffikit_status ffikit_guard_refuse_fork(const char *function, ffikit_error **err_out);

/** Copies a caller's growing structure into ours of known_size bytes: fields
 *  that the caller does not have are zero. False where its struct_size is
 *  smaller than that field, or larger than ours with anything but zero in the
 *  part that we do not know. caller may be NULL: all zero. */
bool ffikit_guard_known(void *known, size_t known_size, const void *caller);

#pragma GCC visibility pop

#endif /* FFIKIT_GUARD_H */
