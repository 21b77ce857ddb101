"""ffikit: one readable report of what sanitizers say of a mixed process.

For programs that are written in more than one of Go, C, Rust and Python and run
as one process. This package reads sanitizer logs and turns addresses into
source frames::

    import ffikit

    for finding in ffikit.read_log("asan.log.4711"):
        print(finding.kind, finding.blame.reason)

    [frames] = ffikit.symbolize("/usr/lib/libexample.so", [0x26FF])

``import ffikit`` itself loads nothing: the library (a Go runtime with its
threads) comes with the first use of one of the names below.

Threads: everything here may be used from any thread; long calls release the GIL.
Processes: after ``fork()`` calls raise :class:`ForkedError`; use the "spawn" or
"forkserver" method of multiprocessing where a child needs ffikit.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ffikit import rust as rust
    from ffikit._errors import ArgumentError as ArgumentError
    from ffikit._errors import FfikitError as FfikitError
    from ffikit._errors import ForkedError as ForkedError
    from ffikit._errors import FormatError as FormatError
    from ffikit._errors import HandleError as HandleError
    from ffikit._errors import LimitError as LimitError
    from ffikit._errors import NotFoundError as NotFoundError
    from ffikit._errors import OutOfMemoryError as OutOfMemoryError
    from ffikit._errors import PanicError as PanicError
    from ffikit._errors import ReadError as ReadError
    from ffikit._library import abi_version as abi_version
    from ffikit._library import demangle as demangle
    from ffikit._library import library_path as library_path
    from ffikit._library import version as version
    from ffikit._model import Access as Access
    from ffikit._model import Blame as Blame
    from ffikit._model import Finding as Finding
    from ffikit._model import Frame as Frame
    from ffikit._model import Leaked as Leaked
    from ffikit._model import Location as Location
    from ffikit._model import Partial as Partial
    from ffikit._model import Stack as Stack
    from ffikit._report import Report as Report
    from ffikit._report import read_log as read_log
    from ffikit._symbolizer import Symbolizer as Symbolizer
    from ffikit._symbolizer import symbolize as symbolize

#: Where each public name lives; imported when it is first asked for.
_HOMES = {
    "_errors": (
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
    ),
    "_library": ("abi_version", "demangle", "library_path", "version"),
    "_model": ("Access", "Blame", "Finding", "Frame", "Leaked", "Location", "Partial", "Stack"),
    "_report": ("Report", "read_log"),
    "_symbolizer": ("Symbolizer", "symbolize"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Access",
    "ArgumentError",
    "Blame",
    "FfikitError",
    "Finding",
    "ForkedError",
    "FormatError",
    "Frame",
    "HandleError",
    "Leaked",
    "LimitError",
    "Location",
    "NotFoundError",
    "OutOfMemoryError",
    "PanicError",
    "Partial",
    "ReadError",
    "Report",
    "Stack",
    "Symbolizer",
    "abi_version",
    "demangle",
    "library_path",
    "read_log",
    "rust",
    "symbolize",
    "version",
]


if not TYPE_CHECKING:  # checkers know the names from above, and report the others

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "rust":
            return import_module("ffikit.rust")
        home = _HOME.get(name)
        if home is None:
            raise AttributeError(f"module 'ffikit' has no attribute {name!r}")
        value = getattr(import_module(f"ffikit.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__})
