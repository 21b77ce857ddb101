/* Generated from ffikit.h by scripts/abigen; DO NOT EDIT.
 *
 * What the Go exports are compiled against: a prototype that differs from the
 * one that cgo writes for an //export is an error of the C compiler. */
/* clang-format off */
#ifndef FFIKITGO_H
#define FFIKITGO_H

#include "ffikit/ffikit.h"

typedef const char ffikitgo_const_char;
typedef const ffikit_report_options ffikitgo_const_report_options;
typedef const ffikit_symbolizer_options ffikitgo_const_symbolizer_options;
typedef const uint64_t ffikitgo_const_uint64_t;
typedef const uint8_t ffikitgo_const_uint8_t;

#pragma GCC visibility push(hidden)
ffikit_status ffikitgo_symbolizer_new(const ffikit_symbolizer_options *options, ffikit_symbolizer *symbolizer_out, ffikit_error **err_out);
void ffikitgo_symbolizer_free(ffikit_symbolizer self);
ffikit_status ffikitgo_symbolizer_resolve(ffikit_symbolizer self, const char *path, size_t path_len_bytes, const uint64_t *virt_addrs, size_t virt_addrs_count, ffikit_frames **frames_out, ffikit_error **err_out);
ffikit_status ffikitgo_report_parse(const uint8_t *log, size_t log_len_bytes, const ffikit_report_options *options, ffikit_report *report_out, ffikit_error **err_out);
void ffikitgo_report_free(ffikit_report self);
ffikit_status ffikitgo_report_count(ffikit_report self, size_t *count_out, ffikit_error **err_out);
ffikit_status ffikitgo_report_render(ffikit_report self, ffikit_format format, ffikit_string **rendered_out, ffikit_error **err_out);
ffikit_status ffikitgo_demangle(const char *name, size_t name_len_bytes, ffikit_string **readable_out, ffikit_error **err_out);
#pragma GCC visibility pop

#if defined(__LP64__)
_Static_assert(sizeof(ffikit_symbolizer) == 8, "ffikit_symbolizer differs from the lock");
_Static_assert(offsetof(ffikit_symbolizer, bits) == 0, "ffikit_symbolizer.bits differs from the lock");
_Static_assert(sizeof(ffikit_report) == 8, "ffikit_report differs from the lock");
_Static_assert(offsetof(ffikit_report, bits) == 0, "ffikit_report.bits differs from the lock");
_Static_assert(sizeof(ffikit_frame) == 72, "ffikit_frame differs from the lock");
_Static_assert(offsetof(ffikit_frame, struct_size) == 0, "ffikit_frame.struct_size differs from the lock");
_Static_assert(offsetof(ffikit_frame, address_index) == 8, "ffikit_frame.address_index differs from the lock");
_Static_assert(offsetof(ffikit_frame, virt_addr) == 16, "ffikit_frame.virt_addr differs from the lock");
_Static_assert(offsetof(ffikit_frame, function) == 24, "ffikit_frame.function differs from the lock");
_Static_assert(offsetof(ffikit_frame, linkage_name) == 32, "ffikit_frame.linkage_name differs from the lock");
_Static_assert(offsetof(ffikit_frame, language) == 40, "ffikit_frame.language differs from the lock");
_Static_assert(offsetof(ffikit_frame, file) == 48, "ffikit_frame.file differs from the lock");
_Static_assert(offsetof(ffikit_frame, line) == 56, "ffikit_frame.line differs from the lock");
_Static_assert(offsetof(ffikit_frame, column) == 60, "ffikit_frame.column differs from the lock");
_Static_assert(offsetof(ffikit_frame, flags) == 64, "ffikit_frame.flags differs from the lock");
_Static_assert(sizeof(ffikit_symbolizer_options) == 24, "ffikit_symbolizer_options differs from the lock");
_Static_assert(offsetof(ffikit_symbolizer_options, struct_size) == 0, "ffikit_symbolizer_options.struct_size differs from the lock");
_Static_assert(offsetof(ffikit_symbolizer_options, debug_dirs) == 8, "ffikit_symbolizer_options.debug_dirs differs from the lock");
_Static_assert(offsetof(ffikit_symbolizer_options, debug_dirs_len_bytes) == 16, "ffikit_symbolizer_options.debug_dirs_len_bytes differs from the lock");
_Static_assert(sizeof(ffikit_report_options) == 64, "ffikit_report_options differs from the lock");
_Static_assert(offsetof(ffikit_report_options, struct_size) == 0, "ffikit_report_options.struct_size differs from the lock");
_Static_assert(offsetof(ffikit_report_options, log_name) == 8, "ffikit_report_options.log_name differs from the lock");
_Static_assert(offsetof(ffikit_report_options, log_name_len_bytes) == 16, "ffikit_report_options.log_name_len_bytes differs from the lock");
_Static_assert(offsetof(ffikit_report_options, source_root) == 24, "ffikit_report_options.source_root differs from the lock");
_Static_assert(offsetof(ffikit_report_options, source_root_len_bytes) == 32, "ffikit_report_options.source_root_len_bytes differs from the lock");
_Static_assert(offsetof(ffikit_report_options, path_map) == 40, "ffikit_report_options.path_map differs from the lock");
_Static_assert(offsetof(ffikit_report_options, path_map_len_bytes) == 48, "ffikit_report_options.path_map_len_bytes differs from the lock");
_Static_assert(offsetof(ffikit_report_options, trust_paths) == 56, "ffikit_report_options.trust_paths differs from the lock");
#endif

#endif /* FFIKITGO_H */
