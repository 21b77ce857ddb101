"""One exception class for each status of the ABI, and names made readable."""

from __future__ import annotations

import errno
import pickle
import re
from pathlib import Path

import pytest
from conftest import ROOT

import ffikit
from ffikit import _errors, _load

HEADER = (ROOT / "c/include/ffikit/ffikit.h").read_text()
STATUSES = re.findall(r"^  (FFIKIT_ERR_\w+) = -\d+", HEADER, re.MULTILINE)


def test_every_status_has_its_class() -> None:
    assert len(STATUSES) >= 9
    classes = {status: type(_errors.from_status(status, "text")) for status in STATUSES}
    assert len(set(classes.values())) == len(STATUSES)
    for status, cls in classes.items():
        assert cls.status == status
        assert issubclass(cls, ffikit.FfikitError)
        assert getattr(ffikit, cls.__name__) is cls
        assert cls.__module__ == "ffikit"
        assert cls.__doc__


def test_a_status_of_a_newer_library_is_still_an_error() -> None:
    error = _errors.from_status("FFIKIT_ERR_NEW", "text")
    assert type(error) is ffikit.FfikitError
    assert "FFIKIT_ERR_NEW" in str(error)


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        ("ArgumentError", ValueError),
        ("HandleError", ValueError),
        ("NotFoundError", FileNotFoundError),
        ("ReadError", OSError),
        ("FormatError", ValueError),
        ("ForkedError", RuntimeError),
        ("PanicError", RuntimeError),
        ("OutOfMemoryError", MemoryError),
    ],
)
def test_python_has_a_name_for_it_too(cls: str, builtin: type[Exception]) -> None:
    assert issubclass(getattr(ffikit, cls), builtin)


@pytest.mark.parametrize("status", STATUSES)
def test_errors_can_be_pickled(status: str) -> None:
    error = _errors.from_status(status, "what and where", "file.so")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_file_errors_look_like_python_s_own() -> None:
    error = _errors.from_status("FFIKIT_ERR_NOT_FOUND", "no file a.so", "a.so")
    assert isinstance(error, ffikit.NotFoundError)
    assert (error.errno, error.filename, str(error)) == (errno.ENOENT, "a.so", "no file a.so")


def test_forked_names_the_remedy() -> None:
    assert re.search("spawn.*forkserver", str(_errors.from_status("FFIKIT_ERR_FORKED", "dead")))


def test_the_abi_version_is_the_header_s() -> None:
    [version] = re.findall(r"#define FFIKIT_ABI_VERSION (\d+)", HEADER)
    assert _load.ABI_VERSION == ffikit.abi_version() == int(version)
    [version] = re.findall(r'#define FFIKIT_VERSION "(.*)"', HEADER)
    assert ffikit.version() == ffikit.__version__ == version


def test_both_extensions_speak_to_one_version() -> None:
    assert ffikit.rust._rs.version() == ffikit.version()


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("_ZN3foo3barEi", "foo::bar(int)"),
        (b"_ZN3foo3barEi", "foo::bar(int)"),
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("main", "main"),
        ("", ""),
        ("caf\u00e9", "caf\u00e9"),
    ],
)
def test_demangle(name: str | bytes, readable: str) -> None:
    assert ffikit.demangle(name) == readable


def test_demangle_refuses_what_is_no_name() -> None:
    for wrong in (None, 5, Path("x")):
        with pytest.raises(TypeError):
            ffikit.demangle(wrong)
    with pytest.raises(ffikit.LimitError):
        ffikit.demangle("_Z" + "N" * 10_000_000)


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("_ZN4core3ptr4read17h0123456789abcdefE", "core::ptr::read"),
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("_ZN3foo3barEi", "_ZN3foo3barEi"),
        ("main", "main"),
    ],
)
def test_rust_s_own_demangle(name: str, readable: str) -> None:
    assert ffikit.rust.demangle(name) == readable
