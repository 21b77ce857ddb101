"""The same objects by way of ffikit's Rust API.

:class:`Symbolizer` and :class:`Report` behave as those of the package, but call
the Rust crate ``ffikit`` where the others call the C ABI. Both are over one
libffikit and one Go runtime: ``rust.Symbolizer.sharing(symbolizer)`` resolves
through a handle that was made by the other extension, and the other way round.

:func:`demangle` is Rust's own and does not enter Go, so it also works in a
forked child.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from ffikit import _load, _report, _symbolizer

if TYPE_CHECKING:
    from ffikit import _rs
else:
    _rs = _load.load("_rs")

__all__ = ["Report", "Symbolizer", "demangle"]


class Symbolizer(_symbolizer.Symbolizer):
    """As :class:`ffikit.Symbolizer`, through the Rust API.

    >>> import ffikit
    >>> with ffikit.Symbolizer() as owner:
    ...     other = ffikit.rust.Symbolizer.sharing(owner)
    ...     other.resolve(binary, [address]) == owner.resolve(binary, [address])
    True
    """

    _engine: ClassVar[ModuleType] = _rs


class Report(_report.Report):
    """As :class:`ffikit.Report`, through the Rust API.

    >>> import ffikit
    >>> ffikit.rust.Report.parse(log) == ffikit.Report.parse(log)
    True
    """

    _engine: ClassVar[ModuleType] = _rs


def demangle(name: str, *, keep_hash: bool = False) -> str:
    """The readable form of a Rust linkage name, legacy or v0.

    ``keep_hash`` keeps what tells instances apart: the legacy scheme's hash, the v0 scheme's crate
    disambiguators. A name that is not Rust's comes back unchanged.

    >>> import ffikit
    >>> ffikit.rust.demangle("_ZN4core3ptr4read17h0123456789abcdefE")
    'core::ptr::read'
    >>> ffikit.rust.demangle("_ZN4core3ptr4read17h0123456789abcdefE", keep_hash=True)
    'core::ptr::read::h0123456789abcdef'
    """
    return _rs.demangle(name, keep_hash)
