/* ffikit.h - the C ABI of libffikit.
 *
 * This file is the one source of the ABI: scripts/abigen derives from it the
 * export map, the ABI lock, the shims, the Cython declarations and the header
 * that the Go side is compiled against.
 *
 * Threads: every function may be called from any thread. A handle may be used
 * by several threads at once, and freed by any of them; who comes after the
 * free gets FFIKIT_ERR_HANDLE. Results (ffikit_frames, ffikit_string,
 * ffikit_error) are plain memory: reading them from several threads is fine,
 * freeing them is for one.
 *
 * fork: libffikit holds a Go runtime, which is dead in a forked child. There
 * every fallible function returns FFIKIT_ERR_FORKED at once, freeing a handle
 * does nothing, and results can still be read and freed. Use exec, or
 * Python's "spawn" and "forkserver", where a child needs ffikit.
 *
 * Errors: a function that can fail returns ffikit_status, writes its outputs
 * only on FFIKIT_OK, and otherwise, where err_out is not NULL, hands out an
 * ffikit_error that says what went wrong and what to do; the caller frees it.
 * A panic inside ffikit is such an error, FFIKIT_ERR_PANIC. What Go calls a
 * fatal error (no memory for its own heap, a corrupted one) ends the process.
 *
 * Strings: UTF-8, pointer and length in bytes, never NUL-terminated unless
 * said. File paths are bytes as the system has them. A NULL pointer with
 * length 0 is the empty string.
 *
 * Versions: functions and status codes are only added within a major version.
 * Structures that may grow begin with struct_size: the caller sets it to
 * sizeof of the structure that it was compiled with. Fields that lie
 * beyond it are taken as zero; a larger structure than the library knows is taken
 * where the unknown part is zero, and refused with FFIKIT_ERR_ARGUMENT where
 * it asks for something. In structures that the library hands out, struct_size
 * says which fields there are.
 *
 * Another libffikit may come first on the library path (LD_LIBRARY_PATH wins
 * over RUNPATH). A program compares ffikit_abi_version() with
 * FFIKIT_ABI_VERSION before anything else; one that lacks a function of a later
 * version is refused by the loader, since symbols carry the version that they
 * came with.
 *
 * Limits of one call, above which it gives FFIKIT_ERR_LIMIT: a log of 1 GiB,
 * 4,194,304 addresses, any other text of 1 MiB; 16,777,215 live handles of a
 * type.
 */
#ifndef FFIKIT_FFIKIT_H
#define FFIKIT_FFIKIT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define FFIKIT_API __attribute__((visibility("default")))
#else
#define FFIKIT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this header. The ABI version counts incompatible changes:
 *  a library serves a program when both numbers are equal. */
#define FFIKIT_ABI_VERSION 0
#define FFIKIT_VERSION "0.1.0"

/** What became of a call. 0 is success, errors are negative; codes are only
 *  ever added. */
typedef int32_t ffikit_status;
enum {
  FFIKIT_OK = 0,
  FFIKIT_ERR_ARGUMENT = -1,  /**< a NULL, a size or a value that is not allowed */
  FFIKIT_ERR_HANDLE = -2,    /**< the handle is stale, freed, foreign or of another type */
  FFIKIT_ERR_NOT_FOUND = -3, /**< a file does not exist or may not be opened */
  FFIKIT_ERR_FORMAT = -4,    /**< the input is not what it should be */
  FFIKIT_ERR_LIMIT = -5,     /**< the input asks for more than is allowed */
  FFIKIT_ERR_IO = -6,        /**< reading failed */
  FFIKIT_ERR_FORKED = -7,    /**< called in a forked child, see above */
  FFIKIT_ERR_PANIC = -8,     /**< a bug in ffikit; the library stays usable */
  FFIKIT_ERR_MEMORY = -9     /**< no memory for the result */
};

/** A live symbolizer. All zero is no symbolizer: freeing it does nothing. */
typedef struct ffikit_symbolizer {
  uint64_t bits;
} ffikit_symbolizer;

/** The reports that were read from one log. All zero is none. */
typedef struct ffikit_report {
  uint64_t bits;
} ffikit_report;

/** An error: plain memory, owned by who received it. */
typedef struct ffikit_error ffikit_error;

/** A text: plain memory, owned by who received it. */
typedef struct ffikit_string ffikit_string;

/** Frames of a number of addresses: plain memory, owned by who received it. */
typedef struct ffikit_frames ffikit_frames;

/** Bits of ffikit_frame.flags. */
enum {
  FFIKIT_FRAME_INLINED = 1, /**< inlined into the next frame of the same address */
  FFIKIT_FRAME_RUNTIME = 2  /**< a language's own machinery */
};

/** One frame of an ffikit_frames. Its strings live as long as the
 *  ffikit_frames, are UTF-8 and end in a NUL byte; an unknown one is "". */
typedef struct ffikit_frame {
  size_t struct_size;
  size_t address_index;     /**< which of the asked addresses it belongs to */
  uint64_t virt_addr;       /**< that address */
  const char *function;     /**< readable name */
  const char *linkage_name; /**< name in the object file, where it differs */
  const char *language;     /**< "c", "c++", "rust", "go", "cython", "asm" or "" */
  const char *file;         /**< source path */
  uint32_t line;            /**< from 1; 0 is unknown */
  uint32_t column;          /**< from 1; 0 is unknown */
  uint32_t flags;           /**< FFIKIT_FRAME_ bits */
} ffikit_frame;

/** How a symbolizer works. Zero everywhere but struct_size is the default. */
typedef struct ffikit_symbolizer_options {
  size_t struct_size;
  const char *debug_dirs;      /**< folders of separate debug files, joined by ':' */
  size_t debug_dirs_len_bytes; /**< 0 means /usr/lib/debug */
} ffikit_symbolizer_options;

/** How a log is read. Zero everywhere but struct_size is the default. */
typedef struct ffikit_report_options {
  size_t struct_size;
  const char *log_name; /**< stands in locations and errors */
  size_t log_name_len_bytes;
  const char *source_root; /**< folder of the user's own sources, for blame */
  size_t source_root_len_bytes;
  const char *path_map; /**< FROM=TO path prefixes, one a line */
  size_t path_map_len_bytes;
  int32_t trust_paths; /**< not 0: open a module for which the log names no build ID */
} ffikit_report_options;

/** What ffikit_report_render writes. */
typedef int32_t ffikit_format;
enum {
  FFIKIT_FORMAT_TEXT = 0, /**< for people, without colours */
  FFIKIT_FORMAT_JSON = 1, /**< schema ffikit.report/1, all reports */
  FFIKIT_FORMAT_COLOR = 2 /**< for people, with ANSI colours */
};

/** The ABI version of the loaded library, to be compared with
 *  FFIKIT_ABI_VERSION. Never enters Go.
 *  @thread any  @since 0.1 */
FFIKIT_API uint32_t ffikit_abi_version(void);

/** The version of the loaded library, as "0.1.0": static, NUL-terminated.
 *  Never enters Go.
 *  @thread any  @since 0.1 */
FFIKIT_API const char *ffikit_version(void);

/** A fixed English name of a status, such as "FFIKIT_ERR_HANDLE": static,
 *  NUL-terminated; "unknown" for a number that is no status. Never enters Go.
 *  @thread any  @since 0.1 */
FFIKIT_API const char *ffikit_status_name(ffikit_status status);

/** Makes a symbolizer. It opens files when it is first asked for them, and
 *  keeps them open until it is freed. options may be NULL.
 *  @constructor ffikit_symbolizer  @thread any  @since 0.1
 *  @borrow options  @own symbolizer_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _LIMIT, _FORKED, _PANIC. */
FFIKIT_API ffikit_status ffikit_symbolizer_new(const ffikit_symbolizer_options *options,
                                               ffikit_symbolizer *symbolizer_out, ffikit_error **err_out);

/** Frees a symbolizer; the zero handle and one that was freed are ignored.
 *  Frames that it gave stay valid.
 *  @destructor ffikit_symbolizer  @thread any  @since 0.1 */
FFIKIT_API void ffikit_symbolizer_free(ffikit_symbolizer self);

/** Turns file-virtual addresses of the ELF file at path into frames: for each
 *  address, in order, its frames leaf first, inlined calls included. An
 *  address for which nothing is known has no frames.
 *  @method ffikit_symbolizer  @thread any  @since 0.1
 *  @borrow path  @borrow virt_addrs  @own frames_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _HANDLE, _NOT_FOUND, _FORMAT, _LIMIT, _IO,
 *  _FORKED, _PANIC, _MEMORY. */
FFIKIT_API ffikit_status ffikit_symbolizer_resolve(ffikit_symbolizer self, const char *path, size_t path_len_bytes,
                                                   const uint64_t *virt_addrs, size_t virt_addrs_count,
                                                   ffikit_frames **frames_out, ffikit_error **err_out);

/** How many frames there are for all addresses together. NULL has none.
 *  @thread any  @since 0.1  @borrow frames */
FFIKIT_API size_t ffikit_frames_len(const ffikit_frames *frames);

/** The frame at index, ordered by address_index, leaf first within one
 *  address; NULL where index is out of range. It lives as long as frames.
 *  @thread any  @since 0.1  @borrow frames */
FFIKIT_API const ffikit_frame *ffikit_frames_at(const ffikit_frames *frames, size_t index);

/** Frees frames; NULL is ignored.
 *  @thread any  @since 0.1  @transfer frames */
FFIKIT_API void ffikit_frames_free(ffikit_frames *frames);

/** Reads all sanitizer reports of a log, symbolizes them and joins equal ones.
 *  A log without any report is no error: its count is 0. options may be NULL.
 *  @constructor ffikit_report  @thread any  @since 0.1
 *  @borrow log  @borrow options  @own report_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _LIMIT, _FORKED, _PANIC. */
FFIKIT_API ffikit_status ffikit_report_parse(const uint8_t *log, size_t log_len_bytes,
                                             const ffikit_report_options *options, ffikit_report *report_out,
                                             ffikit_error **err_out);

/** Frees reports; the zero handle and one that was freed are ignored.
 *  @destructor ffikit_report  @thread any  @since 0.1 */
FFIKIT_API void ffikit_report_free(ffikit_report self);

/** How many different reports there are.
 *  @method ffikit_report  @thread any  @since 0.1
 *  @own count_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _HANDLE, _FORKED, _PANIC. */
FFIKIT_API ffikit_status ffikit_report_count(ffikit_report self, size_t *count_out, ffikit_error **err_out);

/** Writes the reports in a format.
 *  @method ffikit_report  @thread any  @since 0.1
 *  @own rendered_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _HANDLE, _FORKED, _PANIC, _MEMORY. */
FFIKIT_API ffikit_status ffikit_report_render(ffikit_report self, ffikit_format format, ffikit_string **rendered_out,
                                              ffikit_error **err_out);

/** The readable form of a linkage name (Itanium C++, Rust legacy and v0,
 *  Cython); a name that is not mangled comes back unchanged.
 *  @thread any  @since 0.1
 *  @borrow name  @own readable_out  @own err_out
 *  Errors: FFIKIT_ERR_ARGUMENT, _LIMIT, _FORKED, _PANIC, _MEMORY. */
FFIKIT_API ffikit_status ffikit_demangle(const char *name, size_t name_len_bytes, ffikit_string **readable_out,
                                         ffikit_error **err_out);

/** The bytes of a string, NUL-terminated for convenience; "" for NULL.
 *  @thread any  @since 0.1  @borrow string */
FFIKIT_API const char *ffikit_string_data(const ffikit_string *string);

/** The length of a string in bytes, its NUL not counted; 0 for NULL.
 *  @thread any  @since 0.1  @borrow string */
FFIKIT_API size_t ffikit_string_len(const ffikit_string *string);

/** Frees a string; NULL is ignored.
 *  @thread any  @since 0.1  @transfer string */
FFIKIT_API void ffikit_string_free(ffikit_string *string);

/** The status that came with an error; FFIKIT_OK for NULL.
 *  @thread any  @since 0.1  @borrow error */
FFIKIT_API ffikit_status ffikit_error_status(const ffikit_error *error);

/** What went wrong, where, and what to do: UTF-8, NUL-terminated; "" for NULL.
 *  It lives as long as the error.
 *  @thread any  @since 0.1  @borrow error */
FFIKIT_API const char *ffikit_error_message(const ffikit_error *error);

/** Frees an error; NULL is ignored.
 *  @thread any  @since 0.1  @transfer error */
FFIKIT_API void ffikit_error_free(ffikit_error *error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FFIKIT_FFIKIT_H */
