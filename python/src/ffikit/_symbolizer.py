"""Addresses of object files to source frames."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, SupportsIndex

from ffikit import _load
from ffikit._model import Frame

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from 3.12 on

    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
    Addresses = Iterable[SupportsIndex] | Buffer

__all__ = ["Symbolizer", "symbolize"]


class Symbolizer:
    """Turns addresses of ELF files into source frames, and keeps the files open.

    ``debug_dirs`` are the folders where separate debug files are looked for;
    the default is the system's, ``/usr/lib/debug``.

    Use it as a context manager, or call :meth:`close`; what is neither is freed
    with the object. Threads may share one symbolizer. It cannot be pickled, and
    in a forked child it raises :class:`ffikit.ForkedError`.

    >>> import ffikit
    >>> with ffikit.Symbolizer() as symbolizer:
    ...     rows = symbolizer.resolve(binary, [address])
    >>> rows[0][0].function
    'area'
    """

    _engine: ClassVar[ModuleType] = _load.load("_core")
    _handle: Any
    _owner: Symbolizer | None

    def __init__(self, *, debug_dirs: Iterable[Path] | None = None) -> None:
        self._owner = None
        self._handle = self._engine.Symbolizer(_join_dirs(debug_dirs))

    @classmethod
    def sharing(cls, other: Symbolizer) -> Self:
        """A symbolizer that uses the handle of another one, which stays the owner.

        The two may come from different extensions (``ffikit.Symbolizer`` and
        ``ffikit.rust.Symbolizer``): both are over the same library and the same
        Go runtime. Once the owner is closed this one raises
        :class:`ffikit.HandleError`.
        """
        bits = other.__ffikit_handle__
        if bits == 0:
            raise _closed()
        self = cls.__new__(cls)
        self._owner = other
        self._handle = cls._engine.Symbolizer(borrow=bits)
        return self

    @property
    def __ffikit_handle__(self) -> int:
        """The C ABI's handle as an int, 0 once closed; it has a meaning in this process only."""
        return int(self._handle.bits)

    def resolve(self, path: Path, virt_addrs: Addresses) -> list[list[Frame]]:
        """The frames of each address, in order of the addresses.

        ``path`` names an ELF file. ``virt_addrs`` are file-virtual addresses (as
        ``nm`` prints them): ints, or a buffer of unsigned 64-bit items, such as
        ``array("Q")`` or a numpy array of uint64, which is read in place.

        The frames of one address are leaf first, inlined calls included; an
        address for which nothing is known has none. They are copies: they stay
        valid after :meth:`close` and after a fork.

        Raises :class:`ffikit.NotFoundError` (also a FileNotFoundError),
        :class:`ffikit.FormatError` for a file that is no or a broken ELF file,
        :class:`ffikit.LimitError`, :class:`ffikit.ReadError`,
        :class:`ffikit.HandleError` once closed, OverflowError for a number that
        is no 64-bit address. The GIL is released while the library works.
        """
        rows = self._handle.resolve(_path_bytes(path), virt_addrs)
        return [[Frame(fields) for fields in row] for row in rows]

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self.__ffikit_handle__ == 0

    def close(self) -> None:
        """Frees the symbolizer and its open files; a second time does nothing."""
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
            "make one in each process"
        )

    def __repr__(self) -> str:
        return f"<{_qualified(self)} {'closed' if self.closed else 'open'}>"


def symbolize(path: Path, virt_addrs: Addresses) -> list[list[Frame]]:
    """The frames of addresses of one file; see :meth:`Symbolizer.resolve`.

    For many calls keep a :class:`Symbolizer`: it reads a file once.

    >>> import ffikit
    >>> [[frame]] = ffikit.symbolize(binary, [address])
    >>> frame.function, frame.line == line
    ('area', True)
    """
    with Symbolizer() as symbolizer:
        return symbolizer.resolve(path, virt_addrs)


def _closed() -> Exception:
    from ffikit._errors import HandleError

    return HandleError("the Symbolizer is closed")


def _qualified(instance: object) -> str:
    """The class as people import it: ffikit.Symbolizer, ffikit.rust.Symbolizer."""
    cls = type(instance)
    return f"{cls.__module__.removesuffix('._symbolizer')}.{cls.__qualname__}"


def _path_bytes(path: Path) -> bytes:
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("a path cannot hold a NUL byte")
    return encoded


def _join_dirs(dirs: Iterable[Path] | None) -> bytes:
    if dirs is None:
        return b""
    if isinstance(dirs, (str, bytes, os.PathLike)):
        raise TypeError("debug_dirs is a list of folders, not one folder")
    encoded = [_path_bytes(folder) for folder in dirs]
    for folder in encoded:
        if b":" in folder:
            raise ValueError(f"a debug folder cannot have a colon in its name: {os.fsdecode(folder)}")
    return b":".join(encoded)
