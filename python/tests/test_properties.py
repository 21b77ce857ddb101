"""Any input: no crash, and the same answer from both extensions."""

from __future__ import annotations

import pickle
from array import array

from conftest import Program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ffikit

# The fixtures are made once and never changed.
anything = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

HEADLINE = b"==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x10\n"


@anything
@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([HEADLINE, b"    #0 0x1 in f a.c:1:2\n", b"\n"]))
    )
)
def test_any_log_is_read_alike(pieces: list[bytes]) -> None:
    log = b"".join(pieces)
    report = ffikit.Report.parse(log)
    assert report == ffikit.rust.Report.parse(log)
    assert len(report) == len(list(report)) == len(report.to_dict()["reports"])
    assert pickle.loads(pickle.dumps(list(report))) == list(report)
    assert len({finding for finding in report}) <= len(report)
    for text in (report.to_text(), report.to_text(color=False)):
        assert not any(ord(character) < 32 and character != "\n" for character in text)


@anything
@given(offset=st.integers(min_value=0), change=st.integers(min_value=0, max_value=255))
def test_any_change_of_a_real_log_is_read_alike(log: bytes, offset: int, change: int) -> None:
    changed = bytearray(log)
    changed[offset % len(log)] = change
    assert ffikit.Report.parse(changed) == ffikit.rust.Report.parse(changed)


@anything
@given(st.text(max_size=200))
def test_any_name_is_demangled_or_kept(name: str) -> None:
    assert isinstance(ffikit.demangle(name), str)
    assert isinstance(ffikit.rust.demangle(name), str)
    if not name.startswith(("_", "?", "$")) and name.isascii() and name.isalpha():
        assert ffikit.demangle(name) == name


@anything
@given(st.lists(st.integers(min_value=0, max_value=(1 << 64) - 1), max_size=20))
def test_any_address_is_looked_up_alike(shapes: Program, addresses: list[int]) -> None:
    with ffikit.Symbolizer() as ours, ffikit.rust.Symbolizer() as rust:
        rows = ours.resolve(shapes.binary, addresses)
        assert rows == rust.resolve(shapes.binary, array("Q", addresses))
        assert len(rows) == len(addresses)
