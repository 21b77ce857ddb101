/* Results, errors, and what else of the ABI needs no Go. */
#include "result.h"

#include <stdlib.h>
#include <string.h>

/* Stands in for an error that there is no memory for; never freed. */
static struct {
  ffikit_status status;
  char message[32];
} no_memory = {FFIKIT_ERR_MEMORY, "no memory for the error message"};

uint32_t ffikit_abi_version(void) { return FFIKIT_ABI_VERSION; }

const char *ffikit_version(void) { return FFIKIT_VERSION; }

const char *ffikit_status_name(ffikit_status status) {
  switch (status) {
  case FFIKIT_OK:
    return "FFIKIT_OK";
  case FFIKIT_ERR_ARGUMENT:
    return "FFIKIT_ERR_ARGUMENT";
  case FFIKIT_ERR_HANDLE:
    return "FFIKIT_ERR_HANDLE";
  case FFIKIT_ERR_NOT_FOUND:
    return "FFIKIT_ERR_NOT_FOUND";
  case FFIKIT_ERR_FORMAT:
    return "FFIKIT_ERR_FORMAT";
  case FFIKIT_ERR_LIMIT:
    return "FFIKIT_ERR_LIMIT";
  case FFIKIT_ERR_IO:
    return "FFIKIT_ERR_IO";
  case FFIKIT_ERR_FORKED:
    return "FFIKIT_ERR_FORKED";
  case FFIKIT_ERR_PANIC:
    return "FFIKIT_ERR_PANIC";
  case FFIKIT_ERR_MEMORY:
    return "FFIKIT_ERR_MEMORY";
  default:
    return "unknown";
  }
}

ffikit_frames *ffikit_result_frames(size_t frames_count, size_t text_bytes, char **text_out) {
  size_t table_bytes;
  size_t all_bytes;
  if (__builtin_mul_overflow(frames_count, sizeof(ffikit_frame), &table_bytes) ||
      __builtin_add_overflow(table_bytes, sizeof(ffikit_frames), &table_bytes) ||
      __builtin_add_overflow(table_bytes, text_bytes, &all_bytes))
    return NULL;
  ffikit_frames *frames = calloc(1, all_bytes); /* owner: the caller of resolve */
  if (frames == NULL)
    return NULL;
  frames->len = frames_count;
  *text_out = (char *)frames + table_bytes;
  return frames;
}

size_t ffikit_frames_len(const ffikit_frames *frames) { return frames == NULL ? 0 : frames->len; }

const ffikit_frame *ffikit_frames_at(const ffikit_frames *frames, size_t index) {
  return index < ffikit_frames_len(frames) ? &frames->frames[index] : NULL;
}

void ffikit_frames_free(ffikit_frames *frames) { free(frames); }

ffikit_string *ffikit_result_string(const char *bytes, size_t len_bytes) {
  if (len_bytes > PTRDIFF_MAX - sizeof(ffikit_string) - 1)
    return NULL;
  ffikit_string *string = malloc(sizeof *string + len_bytes + 1); /* owner: the caller of the ABI */
  if (string == NULL)
    return NULL;
  string->len_bytes = len_bytes;
  if (len_bytes != 0)
    memcpy(string->data, bytes, len_bytes);
  string->data[len_bytes] = '\0';
  return string;
}

const char *ffikit_string_data(const ffikit_string *string) { return string == NULL ? "" : string->data; }

size_t ffikit_string_len(const ffikit_string *string) { return string == NULL ? 0 : string->len_bytes; }

void ffikit_string_free(ffikit_string *string) { free(string); }

void ffikit_result_error(ffikit_status status, const char *message, size_t len_bytes, ffikit_error **err_out) {
  if (err_out == NULL)
    return;
  ffikit_error *error = malloc(sizeof *error + len_bytes + 1); /* owner: the caller of the ABI */
  if (error == NULL) {
    *err_out = (ffikit_error *)&no_memory;
    return;
  }
  error->status = status;
  if (len_bytes != 0)
    memcpy(error->message, message, len_bytes);
  error->message[len_bytes] = '\0';
  *err_out = error;
}

ffikit_status ffikit_error_status(const ffikit_error *error) { return error == NULL ? FFIKIT_OK : error->status; }

const char *ffikit_error_message(const ffikit_error *error) { return error == NULL ? "" : error->message; }

void ffikit_error_free(ffikit_error *error) {
  if ((void *)error != (void *)&no_memory)
    free(error);
}
