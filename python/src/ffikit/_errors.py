"""What can go wrong: one class for each status of the C ABI.

Every class derives from :class:`FfikitError` and, where Python has a name for
the same thing, from that built-in too, so that ``except FileNotFoundError``
works as everywhere else.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

__all__ = [
    "ArgumentError",
    "FfikitError",
    "ForkedError",
    "FormatError",
    "HandleError",
    "LimitError",
    "NotFoundError",
    "OutOfMemoryError",
    "PanicError",
    "ReadError",
]

_FORK_REMEDY = (
    "a Go runtime does not survive fork(); start the child with the 'spawn' or 'forkserver' "
    "method (multiprocessing.get_context('spawn')), or make the call before the fork"
)


class FfikitError(Exception):
    """Base of all errors of ffikit.

    ``str(error)`` says what went wrong, in which file and at which offset where
    there is one, and what to do. ``status`` is the name of the C ABI's status,
    such as ``"FFIKIT_ERR_FORMAT"``.
    """

    status: ClassVar[str] = "unknown"


class ArgumentError(FfikitError, ValueError):
    """The library refused an argument: a size or a value that is not allowed."""

    status = "FFIKIT_ERR_ARGUMENT"


class HandleError(FfikitError, ValueError):
    """The object was closed, or the handle is stale, foreign or of another type."""

    status = "FFIKIT_ERR_HANDLE"


class _FileError(FfikitError, OSError):
    """An error about a file, with ``errno`` and ``filename`` as OSError has them."""

    _errno: ClassVar[int] = errno.EIO

    def __init__(self, message: str, filename: str | None = None) -> None:
        OSError.__init__(self, self._errno, message, filename)

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.strerror, self.filename))


class NotFoundError(_FileError, FileNotFoundError):
    """A file does not exist or may not be opened."""

    status = "FFIKIT_ERR_NOT_FOUND"
    _errno = errno.ENOENT


class ReadError(_FileError):
    """Reading a file failed."""

    status = "FFIKIT_ERR_IO"


class FormatError(FfikitError, ValueError):
    """A file is not what it should be: no ELF file, or a broken one."""

    status = "FFIKIT_ERR_FORMAT"


class LimitError(FfikitError):
    """The input asks for more memory or work than is allowed."""

    status = "FFIKIT_ERR_LIMIT"


class ForkedError(FfikitError, RuntimeError):
    """Called in a child that came from fork().

    The library holds a Go runtime, which is dead in a forked child. What was
    read before the fork stays readable. Use ``multiprocessing`` with the
    ``"spawn"`` or ``"forkserver"`` method where children need ffikit.
    """

    status = "FFIKIT_ERR_FORKED"


class PanicError(FfikitError, RuntimeError):
    """A bug in ffikit. The library stays usable; please report the text."""

    status = "FFIKIT_ERR_PANIC"


class OutOfMemoryError(FfikitError, MemoryError):
    """There was no memory for the result."""

    status = "FFIKIT_ERR_MEMORY"


_BY_STATUS: dict[str, type[FfikitError]] = {
    cls.status: cls
    for cls in (
        ArgumentError,
        HandleError,
        NotFoundError,
        ReadError,
        FormatError,
        LimitError,
        ForkedError,
        PanicError,
        OutOfMemoryError,
    )
}

# The public names are those of the package.
for _cls in (FfikitError, *_BY_STATUS.values()):
    _cls.__module__ = "ffikit"


def from_status(status: str, message: str, filename: str | None = None) -> FfikitError:
    """The exception of a status of the C ABI; both extensions raise by it.

    ``status`` is the name of the status (``"FFIKIT_ERR_HANDLE"``), ``message``
    the library's own text, ``filename`` the file that the call was about. A
    status that a newer library added becomes a plain :class:`FfikitError`.
    """
    cls = _BY_STATUS.get(status)
    if cls is None:
        return FfikitError(f"{status}: {message}")
    if cls is ForkedError and "forkserver" not in message:
        message = f"{message}: {_FORK_REMEDY}" if message else _FORK_REMEDY
    if issubclass(cls, _FileError):
        return cls(message or status, filename)
    return cls(message or status)
