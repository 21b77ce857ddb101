/* result.h - results and errors: one block of C memory each.
 *
 * They are made here and filled in by Go; reading and freeing them never
 * enters Go, so both work in a forked child. */
#ifndef FFIKIT_RESULT_H
#define FFIKIT_RESULT_H

#include "ffikit/ffikit.h"

struct ffikit_frames {
  size_t len;
  ffikit_frame frames[]; /* followed by their texts, in the same block */
};

struct ffikit_string {
  size_t len_bytes;
  char data[]; /* with a NUL after len_bytes */
};

struct ffikit_error {
  ffikit_status status;
  char message[]; /* with a NUL at its end */
};

#pragma GCC visibility push(hidden)

/** A block for frames_count frames and text_bytes of text, zeroed, its len set
 *  and *text_out at the start of the text. NULL where there is no memory. */
ffikit_frames *ffikit_result_frames(size_t frames_count, size_t text_bytes, char **text_out);

/** A string with a copy of the bytes; NULL where there is no memory. */
ffikit_string *ffikit_result_string(const char *bytes, size_t len_bytes);

/** Hands out an error with a copy of the message; where there is no memory,
 *  a static one that says so. err_out may be NULL. */
void ffikit_result_error(ffikit_status status, const char *message, size_t len_bytes, ffikit_error **err_out);

#pragma GCC visibility pop

#endif /* FFIKIT_RESULT_H */
