# cython: language_level=3, binding=True, embedsignature=False
"""The Go core, by way of libffikit's C ABI.

The classes here are handles and copies, with no opinion of their own; what
people use is built on them in Python. Bytes go in as any contiguous buffer and
are read in place, without the GIL: they must not be changed during the call.

Every method may be called from any thread. Closing while another thread is in
a call is safe: a handle carries a generation, and who comes late gets
HandleError.
"""

cimport cython
from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from ffikit._abi cimport (
    FFIKIT_ABI_VERSION,
    FFIKIT_FORMAT_COLOR,
    FFIKIT_FORMAT_JSON,
    FFIKIT_FORMAT_TEXT,
    FFIKIT_FRAME_INLINED,
    FFIKIT_FRAME_RUNTIME,
    FFIKIT_OK,
    ffikit_abi_version,
    ffikit_demangle,
    ffikit_error,
    ffikit_error_free,
    ffikit_error_message,
    ffikit_format,
    ffikit_frame,
    ffikit_frames,
    ffikit_frames_at,
    ffikit_frames_free,
    ffikit_frames_len,
    ffikit_report,
    ffikit_report_count,
    ffikit_report_free,
    ffikit_report_options,
    ffikit_report_parse,
    ffikit_report_render,
    ffikit_status,
    ffikit_status_name,
    ffikit_string,
    ffikit_string_data,
    ffikit_string_free,
    ffikit_string_len,
    ffikit_symbolizer,
    ffikit_symbolizer_free,
    ffikit_symbolizer_new,
    ffikit_symbolizer_options,
    ffikit_symbolizer_resolve,
    ffikit_version,
)

import operator
import os

from ffikit import _errors

# struct's formats of an unsigned 64-bit item in this platform's byte order
# (Linux on x86-64 and aarch64: little-endian, long is 8 bytes).
cdef tuple UINT64_FORMATS = (b"Q", b"@Q", b"=Q", b"<Q", b"L", b"@L")

if ffikit_abi_version() != FFIKIT_ABI_VERSION:
    raise ImportError(
        f"the loaded libffikit has ABI version {ffikit_abi_version()}, "
        f"this extension was compiled for {FFIKIT_ABI_VERSION}"
    )


cdef object fail(ffikit_status status, ffikit_error *error, filename=None):
    """Raises the exception of a status; takes the error over and frees it."""
    cdef bytes message = ffikit_error_message(error)
    ffikit_error_free(error)
    cdef bytes name = ffikit_status_name(status)
    raise _errors.from_status(name.decode(), message.decode("utf-8", "replace"), filename)


cdef object closed(what):
    raise _errors.from_status("FFIKIT_ERR_HANDLE", f"the {what} is closed")


cdef str take_string(ffikit_string *string):
    """The text of a result; takes the result over and frees it."""
    try:
        return ffikit_string_data(string)[: ffikit_string_len(string)].decode("utf-8", "replace")
    finally:
        ffikit_string_free(string)


cdef void add_text(dict frame, str key, const char *text):
    if text != NULL and text[0] != 0:
        frame[key] = (<bytes>text).decode("utf-8", "replace")


cdef dict frame_fields(const ffikit_frame *frame):
    """One frame under the names of schema ffikit.report/1; unknown is absent."""
    cdef dict fields = {}
    add_text(fields, "function", frame.function)
    add_text(fields, "linkage_name", frame.linkage_name)
    add_text(fields, "language", frame.language)
    add_text(fields, "file", frame.file)
    if frame.line:
        fields["line"] = frame.line
    if frame.column:
        fields["column"] = frame.column
    fields["virt_addr"] = f"0x{frame.virt_addr:x}"
    if frame.flags & FFIKIT_FRAME_INLINED:
        fields["inlined"] = True
    if frame.flags & FFIKIT_FRAME_RUNTIME:
        fields["runtime"] = True
    return fields


cdef list frame_rows(const ffikit_frames *frames, size_t count):
    cdef list rows = [[] for _ in range(count)]
    cdef const ffikit_frame *frame
    cdef size_t index
    for index in range(ffikit_frames_len(frames)):
        frame = ffikit_frames_at(frames, index)
        (<list>rows[frame.address_index]).append(frame_fields(frame))
    return rows


@cython.internal
@cython.final
cdef class Addresses:
    """File-virtual addresses as the ABI takes them.

    A buffer of unsigned 64-bit items is used in place; anything else is
    iterated over and copied.
    """

    cdef Py_buffer view
    cdef bint viewed
    cdef uint64_t *owned  # malloc; freed in __dealloc__
    cdef const uint64_t *data
    cdef size_t count

    def __cinit__(self, virt_addrs):
        if self.take_buffer(virt_addrs):
            return
        cdef list items = list(virt_addrs)
        self.count = len(items)
        self.owned = <uint64_t *>malloc((self.count + 1) * sizeof(uint64_t))
        if self.owned == NULL:
            raise MemoryError
        cdef size_t index
        for index in range(self.count):
            self.owned[index] = self.address(items[index])
        self.data = self.owned

    def __dealloc__(self):
        if self.viewed:
            PyBuffer_Release(&self.view)
        free(self.owned)

    cdef uint64_t address(self, item) except? 0:
        cdef object number = operator.index(item)
        if number < 0 or number >> 64:
            raise OverflowError(f"{number} is no address: it needs 0 to 2**64 - 1")
        return number

    cdef int take_buffer(self, virt_addrs) except -1:
        if isinstance(virt_addrs, (bytes, bytearray, str)):
            raise TypeError(
                "addresses are ints, or a buffer of unsigned 64-bit items, "
                f"not {type(virt_addrs).__name__}"
            )
        if isinstance(virt_addrs, (list, tuple, set, frozenset, range)):
            return False
        try:
            PyObject_GetBuffer(virt_addrs, &self.view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)
        except (TypeError, BufferError):
            return False
        if self.view.format == NULL or (<bytes>self.view.format) not in UINT64_FORMATS:
            PyBuffer_Release(&self.view)
            return False
        self.viewed = True
        self.data = <const uint64_t *>self.view.buf
        self.count = self.view.len // sizeof(uint64_t)
        return True


@cython.final
cdef class Symbolizer:
    """A handle of the Go core's symbolizer.

    ``debug_dirs`` are folders of separate debug files, joined by ``b":"``;
    empty means the system's. Owns its handle; ``close`` frees it. With
    ``borrow``, the bits of a handle that another object owns, it only uses that.
    """

    cdef ffikit_symbolizer handle
    cdef bint borrowed

    def __cinit__(self, bytes debug_dirs=b"", uint64_t borrow=0):
        cdef ffikit_symbolizer_options options
        cdef ffikit_error *error = NULL
        cdef ffikit_status status
        if borrow:
            self.handle.bits = borrow
            self.borrowed = True
            return
        memset(&options, 0, sizeof(options))
        options.struct_size = sizeof(options)
        options.debug_dirs = debug_dirs
        options.debug_dirs_len_bytes = len(debug_dirs)
        with nogil:
            status = ffikit_symbolizer_new(&options, &self.handle, &error)
        if status != FFIKIT_OK:
            fail(status, error)

    def __dealloc__(self):
        if not self.borrowed:
            ffikit_symbolizer_free(self.handle)

    def __reduce__(self):
        raise TypeError("a Symbolizer cannot be pickled: it is a handle of this process")

    @property
    def bits(self):
        """The handle as an int, 0 once closed; good in this process only."""
        return self.handle.bits

    def close(self):
        """Frees the handle; a second time does nothing."""
        cdef ffikit_symbolizer handle = self.handle
        self.handle.bits = 0
        if self.borrowed:
            return
        with nogil:
            ffikit_symbolizer_free(handle)

    def resolve(self, bytes path, virt_addrs):
        """One list of frames an address, leaf first, as dicts."""
        cdef Addresses addresses = Addresses(virt_addrs)
        cdef ffikit_symbolizer handle = self.handle
        cdef const char *path_data = path
        cdef size_t path_len = len(path)
        cdef ffikit_frames *frames = NULL
        cdef ffikit_error *error = NULL
        cdef ffikit_status status
        if handle.bits == 0:
            closed("Symbolizer")
        with nogil:
            status = ffikit_symbolizer_resolve(
                handle, path_data, path_len, addresses.data, addresses.count, &frames, &error
            )
        if status != FFIKIT_OK:
            fail(status, error, os.fsdecode(path))
        try:
            return frame_rows(frames, addresses.count)
        finally:
            ffikit_frames_free(frames)


@cython.final
cdef class Report:
    """A handle of the reports that the Go core read from one log.

    ``log`` is any contiguous buffer of bytes, borrowed for the call.
    ``path_map`` holds ``FROM=TO`` lines. Owns its handle; ``close`` frees it. With
    ``borrow``, the bits of a handle that another object owns, it only uses that.
    """

    cdef ffikit_report handle
    cdef bint borrowed

    def __cinit__(
        self,
        log,
        bytes log_name=b"",
        bytes source_root=b"",
        bytes path_map=b"",
        bint trust_paths=False,
        uint64_t borrow=0,
    ):
        cdef ffikit_report_options options
        cdef Py_buffer view
        cdef ffikit_error *error = NULL
        cdef ffikit_status status
        if borrow:
            self.handle.bits = borrow
            self.borrowed = True
            return
        memset(&options, 0, sizeof(options))
        options.struct_size = sizeof(options)
        options.log_name = log_name
        options.log_name_len_bytes = len(log_name)
        options.source_root = source_root
        options.source_root_len_bytes = len(source_root)
        options.path_map = path_map
        options.path_map_len_bytes = len(path_map)
        options.trust_paths = trust_paths
        PyObject_GetBuffer(log, &view, PyBUF_SIMPLE)
        try:
            with nogil:
                status = ffikit_report_parse(
                    <const uint8_t *>view.buf, <size_t>view.len, &options, &self.handle, &error
                )
        finally:
            PyBuffer_Release(&view)
        if status != FFIKIT_OK:
            fail(status, error, os.fsdecode(log_name) if log_name else None)

    def __dealloc__(self):
        if not self.borrowed:
            ffikit_report_free(self.handle)

    def __reduce__(self):
        raise TypeError("a Report cannot be pickled: it is a handle of this process; to_json() can be kept")

    @property
    def bits(self):
        """The handle as an int, 0 once closed; good in this process only."""
        return self.handle.bits

    def close(self):
        """Frees the handle; a second time does nothing."""
        cdef ffikit_report handle = self.handle
        self.handle.bits = 0
        if self.borrowed:
            return
        with nogil:
            ffikit_report_free(handle)

    def count(self):
        """How many different reports there are."""
        cdef ffikit_report handle = self.handle
        cdef size_t count = 0
        cdef ffikit_error *error = NULL
        cdef ffikit_status status
        if handle.bits == 0:
            closed("Report")
        with nogil:
            status = ffikit_report_count(handle, &count, &error)
        if status != FFIKIT_OK:
            fail(status, error)
        return count

    cdef str render(self, ffikit_format format):
        cdef ffikit_report handle = self.handle
        cdef ffikit_string *rendered = NULL
        cdef ffikit_error *error = NULL
        cdef ffikit_status status
        if handle.bits == 0:
            closed("Report")
        with nogil:
            status = ffikit_report_render(handle, format, &rendered, &error)
        if status != FFIKIT_OK:
            fail(status, error)
        return take_string(rendered)

    def json(self):
        """All reports by schema ffikit.report/1."""
        return self.render(FFIKIT_FORMAT_JSON)

    def text(self, bint color=False):
        """The reports for people, with ANSI colours or without."""
        return self.render(FFIKIT_FORMAT_COLOR if color else FFIKIT_FORMAT_TEXT)


def demangle(bytes name):
    """The readable form of a linkage name."""
    cdef const char *data = name
    cdef size_t length = len(name)
    cdef ffikit_string *readable = NULL
    cdef ffikit_error *error = NULL
    cdef ffikit_status status
    with nogil:
        status = ffikit_demangle(data, length, &readable, &error)
    if status != FFIKIT_OK:
        fail(status, error)
    return take_string(readable)


def version():
    """The version of the loaded library."""
    return (<bytes>ffikit_version()).decode()


def abi_version():
    """The ABI version of the loaded library."""
    return ffikit_abi_version()
