/* ffikit_rs.h - the C ABI of ffikit's Rust layer, libffikit_rs.
 *
 * Made by cbindgen from rust/ffikit-capi (scripts/bindgen); DO NOT EDIT.
 *
 * The rules are those of ffikit.h. Every function may be called from any
 * thread. Symbolizers and reports are handles: a stale or foreign one gives
 * FFIKIT_RS_ERR_HANDLE. Results and errors belong to who received them and are
 * freed by their own functions, which take NULL. A function that can fail
 * writes its outputs only on FFIKIT_RS_OK and otherwise, where err_out is not
 * NULL, hands out an error. A Rust panic inside is FFIKIT_RS_ERR_PANIC. In a
 * forked child the functions that need libffikit give FFIKIT_RS_ERR_FORKED.
 */

#ifndef FFIKIT_RS_H
#define FFIKIT_RS_H

#include <stddef.h>
#include <stdint.h>

/**
 * The version of this header: a library serves a program when
 * ffikit_rs_abi_version() gives the same number.
 */
#define FFIKIT_RS_ABI_VERSION 0

/**
 * Bit of ffikit_rs_frame.flags: inlined into the next frame of the same address.
 */
#define FFIKIT_RS_FRAME_INLINED 1

/**
 * Bit of ffikit_rs_frame.flags: a language's own machinery.
 */
#define FFIKIT_RS_FRAME_RUNTIME 2

/**
 * An error, owned by who received it.
 */
typedef struct ffikit_rs_error ffikit_rs_error;

/**
 * Frames of a number of addresses, owned by who received it.
 */
typedef struct ffikit_rs_frames ffikit_rs_frames;

/**
 * A text, owned by who received it.
 */
typedef struct ffikit_rs_string ffikit_rs_string;

/**
 * What became of a call: 0 is success, errors are negative. The numbers are
 * those of ffikit_status.
 */
typedef int32_t ffikit_rs_status;

/**
 * Is given each Rust panic, on the thread that panics and before it unwinds:
 * the report as JSON of the schema ffikit.report/1 and as text for people,
 * both UTF-8 and NUL-terminated, and alive during the call only. It must not
 * unwind (no longjmp, no C++ exception), and may be called by several
 * threads at once.
 */
typedef void (*ffikit_rs_panic_callback)(void *context,
                                         const char *json,
                                         size_t json_len_bytes,
                                         const char *text,
                                         size_t text_len_bytes);

/**
 * How a log is read. Zero everywhere but struct_size is the default.
 */
typedef struct ffikit_rs_report_options {
  /**
   * sizeof the structure.
   */
  size_t struct_size;
  /**
   * Stands in locations and errors.
   */
  const char *log_name;
  /**
   * Its length.
   */
  size_t log_name_len_bytes;
  /**
   * Folder of the user's own sources, for blame.
   */
  const char *source_root;
  /**
   * Its length.
   */
  size_t source_root_len_bytes;
  /**
   * FROM=TO path prefixes, one a line.
   */
  const char *path_map;
  /**
   * Its length.
   */
  size_t path_map_len_bytes;
  /**
   * Not 0: open a module for which the log names no build ID.
   */
  int32_t trust_paths;
} ffikit_rs_report_options;

/**
 * The reports that were read from one log. All zero is none.
 */
typedef struct ffikit_rs_report {
  /**
   * Which one it is; the same number as ffikit.h's ffikit_report has.
   */
  uint64_t bits;
} ffikit_rs_report;

/**
 * What ffikit_rs_report_render writes.
 */
typedef int32_t ffikit_rs_format;

/**
 * How a symbolizer works. Zero everywhere but struct_size is the default.
 */
typedef struct ffikit_rs_symbolizer_options {
  /**
   * sizeof the structure.
   */
  size_t struct_size;
  /**
   * Folders of separate debug files, joined by ':'.
   */
  const char *debug_dirs;
  /**
   * 0 means /usr/lib/debug.
   */
  size_t debug_dirs_len_bytes;
} ffikit_rs_symbolizer_options;

/**
 * A live symbolizer. All zero is no symbolizer: freeing it does nothing.
 */
typedef struct ffikit_rs_symbolizer {
  /**
   * Which one it is; the same number as ffikit.h's ffikit_symbolizer has.
   */
  uint64_t bits;
} ffikit_rs_symbolizer;

/**
 * One frame. Its strings live as long as the ffikit_rs_frames and end in a
 * NUL byte; an unknown one is "".
 */
typedef struct ffikit_rs_frame {
  /**
   * Size of this structure in the library: which fields there are.
   */
  size_t struct_size;
  /**
   * Which of the asked addresses it belongs to.
   */
  size_t address_index;
  /**
   * That address.
   */
  uint64_t virt_addr;
  /**
   * Readable name.
   */
  const char *function;
  /**
   * Name in the object file, where it differs.
   */
  const char *linkage_name;
  /**
   * "c", "c++", "rust", "go", "cython", "asm" or "".
   */
  const char *language;
  /**
   * Source path.
   */
  const char *file;
  /**
   * From 1; 0 is unknown.
   */
  uint32_t line;
  /**
   * From 1; 0 is unknown.
   */
  uint32_t column;
  /**
   * FFIKIT_RS_FRAME_ bits.
   */
  uint32_t flags;
} ffikit_rs_frame;

/**
 * For people, without colours.
 */
#define FFIKIT_RS_FORMAT_TEXT 0

/**
 * Schema ffikit.report/1, all reports.
 */
#define FFIKIT_RS_FORMAT_JSON 1

/**
 * For people, with ANSI colours.
 */
#define FFIKIT_RS_FORMAT_COLOR 2

/**
 * Success.
 */
#define FFIKIT_RS_OK 0

/**
 * A NULL, a size or a value that is not allowed.
 */
#define FFIKIT_RS_ERR_ARGUMENT -1

/**
 * The handle is stale, freed, foreign or of another type.
 */
#define FFIKIT_RS_ERR_HANDLE -2

/**
 * A file does not exist or may not be opened.
 */
#define FFIKIT_RS_ERR_NOT_FOUND -3

/**
 * The input is not what it should be.
 */
#define FFIKIT_RS_ERR_FORMAT -4

/**
 * The input asks for more than is allowed.
 */
#define FFIKIT_RS_ERR_LIMIT -5

/**
 * Reading failed.
 */
#define FFIKIT_RS_ERR_IO -6

/**
 * Called in a forked child, where libffikit's Go runtime is dead.
 */
#define FFIKIT_RS_ERR_FORKED -7

/**
 * A bug in ffikit: a panic in Rust or Go. The library stays usable.
 */
#define FFIKIT_RS_ERR_PANIC -8

/**
 * No memory for the result.
 */
#define FFIKIT_RS_ERR_MEMORY -9

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The readable form of a Rust linkage name (legacy and v0), without its
 * hash; any other name comes back unchanged. Never enters Go: also works in
 * a forked child. The string is the caller's.
 *
 * # Safety
 * `name` is NULL or has `name_len_bytes` bytes; `readable_out` and `err_out`
 * are NULL or writable.
 */
ffikit_rs_status ffikit_rs_demangle(const char *name,
                                    size_t name_len_bytes,
                                    struct ffikit_rs_string **readable_out,
                                    struct ffikit_rs_error **err_out);

/**
 * Hands each Rust panic from now on to callback, in place of one that was
 * installed before. A panic hook that the program had still runs, first.
 * With a NULL callback the reports wait for ffikit_rs_panic_report_take.
 *
 * Rust's standard library is part of each library that is written in Rust:
 * the panics are those of libffikit_rs and of the Rust code that is linked
 * into the same shared library or program, and no others.
 *
 * # Safety
 * `callback` is NULL or such a function, and works with `context` until it is
 * removed or replaced and every thread that was in it has left it; `err_out`
 * is NULL or writable.
 */
ffikit_rs_status ffikit_rs_panic_hook_install(ffikit_rs_panic_callback callback,
                                              void *context,
                                              struct ffikit_rs_error **err_out);

/**
 * Hands no more panics over. Reports that wait can still be taken.
 */
void ffikit_rs_panic_hook_remove(void);

/**
 * Takes the oldest report that waits, as JSON of the schema ffikit.report/1:
 * writes NULL to json_out where there is none. 64 reports wait at most; then
 * the oldest makes room. The string is the caller's. Never enters Go.
 *
 * # Safety
 * `json_out` and `err_out` are NULL or writable.
 */
ffikit_rs_status ffikit_rs_panic_report_take(struct ffikit_rs_string **json_out,
                                             struct ffikit_rs_error **err_out);

/**
 * Reads all sanitizer reports of a log, symbolizes them and joins equal
 * ones. A log without any report is no error: its count is 0. options may be
 * NULL.
 *
 * # Safety
 * `log` is NULL or has `log_len_bytes` bytes; `options` is NULL or a
 * structure with its size in struct_size; `report_out` and `err_out` are NULL
 * or writable.
 */
ffikit_rs_status ffikit_rs_report_parse(const uint8_t *log,
                                        size_t log_len_bytes,
                                        const struct ffikit_rs_report_options *options,
                                        struct ffikit_rs_report *report_out,
                                        struct ffikit_rs_error **err_out);

/**
 * Frees reports; the zero handle and one that was freed are ignored.
 */
void ffikit_rs_report_free(struct ffikit_rs_report self_);

/**
 * How many different reports there are.
 *
 * # Safety
 * `count_out` and `err_out` are NULL or writable.
 */
ffikit_rs_status ffikit_rs_report_count(struct ffikit_rs_report self_,
                                        size_t *count_out,
                                        struct ffikit_rs_error **err_out);

/**
 * Writes the reports in a format. The string is the caller's.
 *
 * # Safety
 * `rendered_out` and `err_out` are NULL or writable.
 */
ffikit_rs_status ffikit_rs_report_render(struct ffikit_rs_report self_,
                                         ffikit_rs_format format,
                                         struct ffikit_rs_string **rendered_out,
                                         struct ffikit_rs_error **err_out);

/**
 * The status that came with an error; FFIKIT_RS_OK for NULL.
 *
 * # Safety
 * `error` is NULL or an error that was not freed.
 */
ffikit_rs_status ffikit_rs_error_status(const struct ffikit_rs_error *error);

/**
 * What went wrong, where, and what to do: UTF-8, NUL-terminated; "" for
 * NULL. It lives as long as the error.
 *
 * # Safety
 * `error` is NULL or an error that was not freed.
 */
const char *ffikit_rs_error_message(const struct ffikit_rs_error *error);

/**
 * Frees an error; NULL is ignored.
 *
 * # Safety
 * `error` is NULL or an error that was not freed.
 */
void ffikit_rs_error_free(struct ffikit_rs_error *error);

/**
 * The bytes of a string, NUL-terminated; "" for NULL.
 *
 * # Safety
 * `string` is NULL or a string that was not freed.
 */
const char *ffikit_rs_string_data(const struct ffikit_rs_string *string);

/**
 * The length of a string in bytes, its NUL not counted; 0 for NULL.
 *
 * # Safety
 * `string` is NULL or a string that was not freed.
 */
size_t ffikit_rs_string_len(const struct ffikit_rs_string *string);

/**
 * Frees a string; NULL is ignored.
 *
 * # Safety
 * `string` is NULL or a string that was not freed.
 */
void ffikit_rs_string_free(struct ffikit_rs_string *string);

/**
 * The ABI version of the loaded library.
 */
uint32_t ffikit_rs_abi_version(void);

/**
 * The version of the loaded library, as "0.1.0": static, NUL-terminated.
 */
const char *ffikit_rs_version(void);

/**
 * Makes a symbolizer. options may be NULL.
 *
 * # Safety
 * `options` is NULL or a structure with its size in struct_size;
 * `symbolizer_out` and `err_out` are NULL or writable.
 */
ffikit_rs_status ffikit_rs_symbolizer_new(const struct ffikit_rs_symbolizer_options *options,
                                          struct ffikit_rs_symbolizer *symbolizer_out,
                                          struct ffikit_rs_error **err_out);

/**
 * Frees a symbolizer; the zero handle and one that was freed are ignored.
 * Frames that it gave stay valid.
 */
void ffikit_rs_symbolizer_free(struct ffikit_rs_symbolizer self_);

/**
 * Turns file-virtual addresses of the ELF file at path into frames: for each
 * address, in order, its frames leaf first, inlined calls included. The
 * frames are the caller's.
 *
 * # Safety
 * `path` and `virt_addrs` are NULL or have as many bytes and numbers as is
 * said; `frames_out` and `err_out` are NULL or writable.
 */
ffikit_rs_status ffikit_rs_symbolizer_resolve(struct ffikit_rs_symbolizer self_,
                                              const char *path,
                                              size_t path_len_bytes,
                                              const uint64_t *virt_addrs,
                                              size_t virt_addrs_count,
                                              struct ffikit_rs_frames **frames_out,
                                              struct ffikit_rs_error **err_out);

/**
 * How many frames there are for all addresses together. NULL has none.
 *
 * # Safety
 * `frames` is NULL or frames that were not freed.
 */
size_t ffikit_rs_frames_len(const struct ffikit_rs_frames *frames);

/**
 * The frame at index, ordered by address_index, leaf first within one
 * address; NULL where index is out of range. It lives as long as frames.
 *
 * # Safety
 * `frames` is NULL or frames that were not freed.
 */
const struct ffikit_rs_frame *ffikit_rs_frames_at(const struct ffikit_rs_frames *frames, size_t index);

/**
 * Frees frames; NULL is ignored.
 *
 * # Safety
 * `frames` is NULL or frames that were not freed.
 */
void ffikit_rs_frames_free(struct ffikit_rs_frames *frames);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FFIKIT_RS_H */
