/* Generated from ffikit.h by scripts/abigen; DO NOT EDIT.
 *
 * The public names of what enters Go: refuse in a forked child, judge pointers
 * and lengths, call the Go export. */
/* clang-format off */
#include "ffikitgo.h"
#include "guard.h"

ffikit_status ffikit_symbolizer_new(const ffikit_symbolizer_options *options, ffikit_symbolizer *symbolizer_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_symbolizer_new", err_out);
  ffikit_symbolizer_options options_known;
  if (!ffikit_guard_known(&options_known, sizeof options_known, options))
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_new: options->struct_size is not the size of a structure that this library knows", err_out);
  if (options_known.debug_dirs == NULL && options_known.debug_dirs_len_bytes != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_new: options->debug_dirs is NULL but options->debug_dirs_len_bytes is not 0", err_out);
  if (options_known.debug_dirs_len_bytes > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_new: options->debug_dirs_len_bytes is larger than any object", err_out);
  if (symbolizer_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_new: symbolizer_out is NULL", err_out);
  return ffikitgo_symbolizer_new(&options_known, symbolizer_out, err_out);
}

void ffikit_symbolizer_free(ffikit_symbolizer self) {
  if (self.bits != 0 && !ffikit_guard_forked())
    ffikitgo_symbolizer_free(self);
}

ffikit_status ffikit_symbolizer_resolve(ffikit_symbolizer self, const char *path, size_t path_len_bytes, const uint64_t *virt_addrs, size_t virt_addrs_count, ffikit_frames **frames_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_symbolizer_resolve", err_out);
  if (path == NULL && path_len_bytes != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_resolve: path is NULL but path_len_bytes is not 0", err_out);
  if (path_len_bytes > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_resolve: path_len_bytes is larger than any object", err_out);
  if (virt_addrs == NULL && virt_addrs_count != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_resolve: virt_addrs is NULL but virt_addrs_count is not 0", err_out);
  if (virt_addrs_count > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_resolve: virt_addrs_count is larger than any object", err_out);
  if (frames_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_symbolizer_resolve: frames_out is NULL", err_out);
  return ffikitgo_symbolizer_resolve(self, path, path_len_bytes, virt_addrs, virt_addrs_count, frames_out, err_out);
}

ffikit_status ffikit_report_parse(const uint8_t *log, size_t log_len_bytes, const ffikit_report_options *options, ffikit_report *report_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_report_parse", err_out);
  if (log == NULL && log_len_bytes != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: log is NULL but log_len_bytes is not 0", err_out);
  if (log_len_bytes > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: log_len_bytes is larger than any object", err_out);
  ffikit_report_options options_known;
  if (!ffikit_guard_known(&options_known, sizeof options_known, options))
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: options->struct_size is not the size of a structure that this library knows", err_out);
  if (options_known.log_name == NULL && options_known.log_name_len_bytes != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: options->log_name is NULL but options->log_name_len_bytes is not 0", err_out);
  if (options_known.log_name_len_bytes > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: options->log_name_len_bytes is larger than any object", err_out);
  if (options_known.source_root == NULL && options_known.source_root_len_bytes != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: options->source_root is NULL but options->source_root_len_bytes is not 0", err_out);
  if (options_known.source_root_len_bytes > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: options->source_root_len_bytes is larger than any object", err_out);
  if (options_known.path_map == NULL && options_known.path_map_len_bytes != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: options->path_map is NULL but options->path_map_len_bytes is not 0", err_out);
  if (options_known.path_map_len_bytes > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: options->path_map_len_bytes is larger than any object", err_out);
  if (report_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_parse: report_out is NULL", err_out);
  return ffikitgo_report_parse(log, log_len_bytes, &options_known, report_out, err_out);
}

void ffikit_report_free(ffikit_report self) {
  if (self.bits != 0 && !ffikit_guard_forked())
    ffikitgo_report_free(self);
}

ffikit_status ffikit_report_count(ffikit_report self, size_t *count_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_report_count", err_out);
  if (count_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_count: count_out is NULL", err_out);
  return ffikitgo_report_count(self, count_out, err_out);
}

ffikit_status ffikit_report_render(ffikit_report self, ffikit_format format, ffikit_string **rendered_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_report_render", err_out);
  if (rendered_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_report_render: rendered_out is NULL", err_out);
  return ffikitgo_report_render(self, format, rendered_out, err_out);
}

ffikit_status ffikit_demangle(const char *name, size_t name_len_bytes, ffikit_string **readable_out, ffikit_error **err_out) {
  if (ffikit_guard_forked())
    return ffikit_guard_refuse_fork("ffikit_demangle", err_out);
  if (name == NULL && name_len_bytes != 0)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_demangle: name is NULL but name_len_bytes is not 0", err_out);
  if (name_len_bytes > PTRDIFF_MAX)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_demangle: name_len_bytes is larger than any object", err_out);
  if (readable_out == NULL)
    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,
                               "ffikit_demangle: readable_out is NULL", err_out);
  return ffikitgo_demangle(name, name_len_bytes, readable_out, err_out);
}
