"""Loads the one libffikit of the process, then the extensions over it.

A process must hold one Go runtime only, so both extensions have to end up at
the same libffikit. The dynamic loader alone does not see to that:
``LD_LIBRARY_PATH`` would win over the library beside this file. So the library
is loaded by its absolute path first; the extensions name it by its soname
alone, and the loader gives them what is loaded already.

Importing this module costs what loading costs: the Go runtime starts, with its
threads. ``import ffikit`` does not import it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from types import ModuleType

__all__ = ["library_path", "load"]

SONAME = "libffikit.so.0"

#: Counts incompatible changes of the C ABI; ffikit.h's FFIKIT_ABI_VERSION. The
#: extensions compare what they were compiled with, this is the check before
#: they are loaded.
ABI_VERSION = 0


def _refuse_free_threaded() -> None:
    if "t" in getattr(sys, "abiflags", ""):
        raise ImportError(
            f"ffikit does not support free-threaded CPython ({sys.implementation.cache_tag}t): its "
            "extensions use the stable ABI abi3, which free-threaded builds do not have; "
            "use the ordinary build of this Python"
        )


class _LinkMap(ctypes.Structure):
    """The public head of glibc's struct link_map (<link.h>)."""

    _fields_ = (("l_addr", ctypes.c_size_t), ("l_name", ctypes.c_char_p))


_RTLD_DI_LINKMAP = 2  # <dlfcn.h>


def _path_of(library: ctypes.CDLL) -> str:
    """The file that a loaded library came from."""
    dlinfo = ctypes.CDLL(None).dlinfo
    dlinfo.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    link_map = ctypes.POINTER(_LinkMap)()
    if dlinfo(library._handle, _RTLD_DI_LINKMAP, ctypes.byref(link_map)) != 0:
        return SONAME
    return os.path.realpath(os.fsdecode(link_map.contents.l_name))


def _already_loaded() -> ctypes.CDLL | None:
    """The libffikit that something else in this process loaded, if any."""
    try:
        return ctypes.CDLL(SONAME, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
    except OSError:
        return None


def _check(library: ctypes.CDLL, path: str) -> None:
    try:
        library.ffikit_abi_version.restype = ctypes.c_uint32
        found = library.ffikit_abi_version()
    except AttributeError:
        raise ImportError(
            f"{path} is called {SONAME} but is no libffikit: it has no ffikit_abi_version", path=path
        ) from None
    if found != ABI_VERSION:
        raise ImportError(
            f"libffikit at {path} has ABI version {found}, this ffikit needs {ABI_VERSION}: "
            "a process can hold one libffikit only, so install matching versions of all that "
            "brings one, or import ffikit in a process of its own",
            path=path,
        )


def _load_library() -> str:
    _refuse_free_threaded()
    if not sys.platform.startswith("linux"):
        raise ImportError(f"ffikit runs on Linux with glibc only, not on {sys.platform}")
    ours = os.path.realpath(os.path.join(os.path.dirname(__file__), SONAME))
    library = _already_loaded()
    if library is None:
        try:
            library = ctypes.CDLL(ours, mode=os.RTLD_NOW | os.RTLD_LOCAL)
        except OSError as error:
            raise ImportError(
                f"ffikit cannot load its library: {error}; reinstall the wheel, and where the "
                "message names static TLS, import ffikit earlier or set "
                "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=2048",
                path=ours,
            ) from error
    path = _path_of(library)
    _check(library, path)
    return path


#: The file of the libffikit that this process uses. It is the one beside this
#: module, or, where another copy was loaded before, that one: a second Go
#: runtime is never started.
library_path = _load_library()


def load(name: str) -> ModuleType:
    """Imports the extension ``ffikit.<name>`` (``_core`` or ``_rs``)."""
    return importlib.import_module(f"ffikit.{name}")
