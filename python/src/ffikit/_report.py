"""Sanitizer logs to findings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

from ffikit import _load
from ffikit._errors import HandleError
from ffikit._model import Finding, Partial

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from 3.12 on

    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

__all__ = ["Report", "read_log"]


class Report(Sequence[Finding]):
    """The findings of one log: a sequence, made by :meth:`parse` or :func:`read_log`.

    Equal reports of a log are joined; ``finding.count`` says how often each was
    met. A log without any report gives an empty, false Report. What could not be
    read is in :attr:`partial`, and never an error.

    Findings, :meth:`to_json` and :meth:`to_dict` are there from the start: they
    stay readable in a forked child. Use it as a context manager, or call
    :meth:`close`; what is neither is freed with the object. Findings that were
    taken out stay valid. Threads may share one Report; it cannot be pickled, but
    its findings can.

    >>> import ffikit
    >>> report = ffikit.Report.parse(log)
    >>> len(report), report[0].kind
    (1, 'heap-use-after-free')
    """

    _engine: ClassVar[ModuleType] = _load.load("_core")
    _handle: Any
    _owner: Report | None
    _count: int
    _json: str
    _document: dict[str, Any] | None

    def __init__(self) -> None:
        raise TypeError("a Report is made by Report.parse(log) or ffikit.read_log(path)")

    @classmethod
    def parse(
        cls,
        log: Buffer | str,
        *,
        log_name: Path | None = None,
        source_root: Path | None = None,
        path_map: Mapping[str, str] | None = None,
        trust_paths: bool = False,
    ) -> Self:
        """Reads all sanitizer reports in ``log``, symbolizes and joins them.

        ``log`` is any contiguous buffer of bytes (bytes, bytearray, memoryview,
        mmap, array), borrowed for the call and read in place, or a str. It must
        not be changed by another thread meanwhile.

        ``log_name`` stands in locations and errors. ``source_root`` is the folder
        of one's own sources: the first frame below it is blamed. ``path_map``
        replaces path prefixes. ``trust_paths`` opens a module even where the log
        names no build ID to check it by.

        Raises :class:`ffikit.LimitError` for a log that asks for too much; any
        other input, binary or truncated, is no error. The GIL is released while
        the library works.
        """
        if isinstance(log, str):
            log = log.encode("utf-8", "surrogateescape")
        self = cls.__new__(cls)
        self._owner = None
        self._handle = cls._engine.Report(
            log,
            log_name=_option("log_name", log_name),
            source_root=_option("source_root", source_root),
            path_map=_path_map(path_map or {}),
            trust_paths=bool(trust_paths),
        )
        self._read()
        return self

    @classmethod
    def sharing(cls, other: Report) -> Self:
        """The same findings through another extension, such as ``ffikit.rust.Report``.

        ``other`` stays the owner of the handle; once it is closed, this one raises
        :class:`ffikit.HandleError`.
        """
        bits = other.__ffikit_handle__
        if bits == 0:
            raise _closed()
        self = cls.__new__(cls)
        self._owner = other
        self._handle = cls._engine.Report(b"", borrow=bits)
        self._read()
        return self

    def _read(self) -> None:
        self._count = self._handle.count()
        self._json = self._handle.json()
        self._document = None

    @property
    def __ffikit_handle__(self) -> int:
        """The C ABI's handle as an int, 0 once closed; it has a meaning in this process only."""
        return int(self._handle.bits)

    def _open(self) -> dict[str, Any]:
        """The document, read once; the views share it and nobody changes it."""
        if self.closed:
            raise _closed()
        document = self._document
        if document is None:
            document = self._document = json.loads(self._json)
        return document

    @property
    def partial(self) -> tuple[Partial, ...]:
        """What could not be read: file, offset and reason of each."""
        return tuple(Partial(fields) for fields in self._open().get("partial") or ())

    def to_text(self, *, color: bool = False) -> str:
        """The findings for people, as ``ffikit symbolize`` prints them.

        ``color`` adds ANSI colours. In a forked child it raises
        :class:`ffikit.ForkedError`.
        """
        return str(self._handle.text(color))

    def to_json(self) -> str:
        """The JSON document of schema ffikit.report/1, as ``ffikit symbolize --json`` prints it."""
        if self.closed:
            raise _closed()
        return self._json

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as dicts and lists: a copy, free to be changed."""
        document: dict[str, Any] = json.loads(self.to_json())
        return document

    def __len__(self) -> int:
        if self.closed:
            raise _closed()
        return self._count

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: int | slice) -> Finding | tuple[Finding, ...]:
        reports = self._open()["reports"]
        if isinstance(index, slice):
            return tuple(Finding(fields) for fields in reports[index])
        return Finding(reports[index])

    def __iter__(self) -> Iterator[Finding]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Report):
            return NotImplemented
        return self._json == other._json

    def __hash__(self) -> int:
        return hash(self._json)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self.__ffikit_handle__ == 0

    def close(self) -> None:
        """Frees the library's side; a second time does nothing."""
        self._handle.close()
        self._owner = None

    def __enter__(self) -> Self:
        if self.closed:
            raise _closed()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled: it is a handle of this process; "
            "send its findings (list(report)) or to_json()"
        )

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        cls = type(self)
        name = f"{cls.__module__.removesuffix('._report')}.{cls.__qualname__}"
        if self.closed:
            return f"<{name} closed>"
        count = len(self)
        return f"<{name} of {count} finding{'' if count == 1 else 's'}>"


def read_log(
    log: Path | Buffer,
    *,
    source_root: Path | None = None,
    path_map: Mapping[str, str] | None = None,
    trust_paths: bool = False,
) -> Report:
    """Reads a sanitizer log: the file at a path, or the bytes of a log themselves.

    A str or PathLike is the path of a file, which is read whole; bytes and other
    buffers are the log. The options are those of :meth:`Report.parse`.

    Raises :class:`OSError` where the file cannot be read.

    >>> import ffikit
    >>> with ffikit.read_log(log_path) as report:
    ...     print(report[0].tool)
    AddressSanitizer
    """
    log_name: Path | None = None
    if isinstance(log, (str, os.PathLike)):
        log_name = log
        with open(log, "rb") as file:
            log = file.read()
    return Report.parse(
        log,
        log_name=log_name,
        source_root=source_root,
        path_map=path_map,
        trust_paths=trust_paths,
    )


def _closed() -> HandleError:
    return HandleError("the Report is closed")


def _option(name: str, path: Path | None) -> bytes:
    if path is None:
        return b""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"{name} cannot hold a NUL byte")
    return encoded


def _path_map(mapping: Mapping[str, str]) -> bytes:
    """The ABI's form: FROM=TO, one a line."""
    lines = []
    for prefix, replacement in mapping.items():
        source, target = os.fsencode(prefix), os.fsencode(replacement)
        if not source or b"=" in source:
            raise ValueError(f"path_map: {prefix!r} is empty or holds '=', which separates FROM=TO")
        if b"\n" in source + target or b"\0" in source + target:
            raise ValueError(f"path_map: {prefix!r} holds a line end or NUL byte")
        lines.append(source + b"=" + target)
    return b"\n".join(lines)
