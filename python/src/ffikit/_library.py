"""The library as such: its version, its file, and names made readable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffikit import _load

if TYPE_CHECKING:
    from ffikit import _core
else:
    _core = _load.load("_core")

__all__ = ["abi_version", "demangle", "library_path", "version"]


def version() -> str:
    """The version of the loaded libffikit.

    >>> import ffikit
    >>> ffikit.version() == ffikit.__version__
    True
    """
    return _core.version()


def abi_version() -> int:
    """The ABI version of the loaded libffikit: a count of incompatible changes."""
    return _core.abi_version()


def library_path() -> str:
    """The file of the libffikit that this process uses.

    It is the one inside this package, or, where another copy of the same ABI was
    loaded before, that one: a process holds one Go runtime only.
    """
    return _load.library_path


def demangle(name: str | bytes) -> str:
    """The readable form of a linkage name.

    Knows Itanium C++, Rust (legacy and v0) and Cython; a name that is not mangled
    comes back unchanged. ``name`` as bytes is UTF-8.

    Raises :class:`ffikit.LimitError` for a name that is too long to be one.

    >>> import ffikit
    >>> ffikit.demangle("_ZN3foo3barEi")
    'foo::bar(int)'
    >>> ffikit.demangle("main")
    'main'
    """
    if isinstance(name, str):
        name = name.encode("utf-8", "surrogateescape")
    return _core.demangle(name)
