# Generated from ffikit.h by scripts/abigen; DO NOT EDIT.

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef extern from "ffikit/ffikit.h" nogil:
    const uint32_t FFIKIT_ABI_VERSION

    enum:
        FFIKIT_OK
        FFIKIT_ERR_ARGUMENT
        FFIKIT_ERR_HANDLE
        FFIKIT_ERR_NOT_FOUND
        FFIKIT_ERR_FORMAT
        FFIKIT_ERR_LIMIT
        FFIKIT_ERR_IO
        FFIKIT_ERR_FORKED
        FFIKIT_ERR_PANIC
        FFIKIT_ERR_MEMORY
        FFIKIT_FRAME_INLINED
        FFIKIT_FRAME_RUNTIME
        FFIKIT_FORMAT_TEXT
        FFIKIT_FORMAT_JSON
        FFIKIT_FORMAT_COLOR

    ctypedef int32_t ffikit_status
    ctypedef int32_t ffikit_format

    ctypedef struct ffikit_symbolizer:
        uint64_t bits

    ctypedef struct ffikit_report:
        uint64_t bits

    ctypedef struct ffikit_error:
        pass

    ctypedef struct ffikit_string:
        pass

    ctypedef struct ffikit_frames:
        pass

    ctypedef struct ffikit_frame:
        size_t struct_size
        size_t address_index
        uint64_t virt_addr
        const char *function
        const char *linkage_name
        const char *language
        const char *file
        uint32_t line
        uint32_t column
        uint32_t flags

    ctypedef struct ffikit_symbolizer_options:
        size_t struct_size
        const char *debug_dirs
        size_t debug_dirs_len_bytes

    ctypedef struct ffikit_report_options:
        size_t struct_size
        const char *log_name
        size_t log_name_len_bytes
        const char *source_root
        size_t source_root_len_bytes
        const char *path_map
        size_t path_map_len_bytes
        int32_t trust_paths

    uint32_t ffikit_abi_version()
    const char *ffikit_version()
    const char *ffikit_status_name(ffikit_status status)
    ffikit_status ffikit_symbolizer_new(const ffikit_symbolizer_options *options, ffikit_symbolizer *symbolizer_out, ffikit_error **err_out)
    void ffikit_symbolizer_free(ffikit_symbolizer self)
    ffikit_status ffikit_symbolizer_resolve(ffikit_symbolizer self, const char *path, size_t path_len_bytes, const uint64_t *virt_addrs, size_t virt_addrs_count, ffikit_frames **frames_out, ffikit_error **err_out)
    size_t ffikit_frames_len(const ffikit_frames *frames)
    const ffikit_frame *ffikit_frames_at(const ffikit_frames *frames, size_t index)
    void ffikit_frames_free(ffikit_frames *frames)
    ffikit_status ffikit_report_parse(const uint8_t *log, size_t log_len_bytes, const ffikit_report_options *options, ffikit_report *report_out, ffikit_error **err_out)
    void ffikit_report_free(ffikit_report self)
    ffikit_status ffikit_report_count(ffikit_report self, size_t *count_out, ffikit_error **err_out)
    ffikit_status ffikit_report_render(ffikit_report self, ffikit_format format, ffikit_string **rendered_out, ffikit_error **err_out)
    ffikit_status ffikit_demangle(const char *name, size_t name_len_bytes, ffikit_string **readable_out, ffikit_error **err_out)
    const char *ffikit_string_data(const ffikit_string *string)
    size_t ffikit_string_len(const ffikit_string *string)
    void ffikit_string_free(ffikit_string *string)
    ffikit_status ffikit_error_status(const ffikit_error *error)
    const char *ffikit_error_message(const ffikit_error *error)
    void ffikit_error_free(ffikit_error *error)
