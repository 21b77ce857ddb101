"""Addresses to frames, through both extensions."""

from __future__ import annotations

import copy
import os
import pickle
from array import array
from pathlib import Path

import pytest
from conftest import Program

import ffikit


def test_resolves_a_function_to_its_source_line(api, shapes: Program) -> None:
    with api.Symbolizer() as symbolizer:
        [[frame]] = symbolizer.resolve(shapes.binary, [shapes.address("area")])
    assert isinstance(frame, ffikit.Frame)
    assert frame.function == "area"
    assert (Path(frame.file).name, frame.line) == ("shapes.c", shapes.line("AREA"))
    assert frame.virt_addr == f"{shapes.address('area'):#x}"
    assert frame.language == "c"
    assert not frame.inlined


def test_inlined_calls_are_frames_leaf_first(api, shapes: Program) -> None:
    start = shapes.address("total")
    with api.Symbolizer() as symbolizer:
        rows = symbolizer.resolve(shapes.binary, range(start, start + 8))
    chains = {tuple(frame.function for frame in row) for row in rows}
    assert ("twice", "four_times", "total") in chains
    [row] = [row for row in rows if len(row) == 3][:1]
    assert [frame.inlined for frame in row] == [True, True, False]
    assert [frame.line for frame in row] == [shapes.line(name) for name in ("TWICE", "FOUR_TIMES", "TOTAL")]


def test_both_extensions_agree(shapes: Program) -> None:
    addresses = range(shapes.address("area") - 64, shapes.address("area") + 256)
    with ffikit.Symbolizer() as ours, ffikit.rust.Symbolizer() as rust:
        rows = ours.resolve(shapes.binary, addresses)
        assert rows == rust.resolve(shapes.binary, addresses)
    assert any(rows)


def test_an_unknown_address_has_no_frames(api, shapes: Program) -> None:
    with api.Symbolizer() as symbolizer:
        unknown, known = symbolizer.resolve(shapes.binary, [0, shapes.address("area")])
    assert unknown == []
    assert known[0].function == "area"


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        iter,
        lambda items: array("Q", items),
        lambda items: memoryview(array("Q", items)),
        lambda items: memoryview(array("Q", items)).toreadonly(),
        lambda items: memoryview(array("Q", [item for item in items for _ in range(2)]))[::2],
    ],
    ids=["list", "tuple", "iterator", "array", "memoryview", "readonly", "strided"],
)
def test_addresses_come_in_any_form(api, shapes: Program, form) -> None:
    addresses = [shapes.address("area"), shapes.address("total"), 0]
    with api.Symbolizer() as symbolizer:
        rows = symbolizer.resolve(shapes.binary, form(addresses))
        assert rows == symbolizer.resolve(shapes.binary, addresses)
    assert [row[-1].function if row else None for row in rows] == ["area", "total", None]


def test_no_addresses_give_no_rows(api, shapes: Program) -> None:
    with api.Symbolizer() as symbolizer:
        assert symbolizer.resolve(shapes.binary, []) == []
        assert symbolizer.resolve(shapes.binary, array("Q")) == []


@pytest.mark.parametrize(
    ("addresses", "error"),
    [
        ([-1], OverflowError),
        ([1 << 64], OverflowError),
        (["0x10"], TypeError),
        ([1.5], TypeError),
        ([None], TypeError),
        (16, TypeError),
        (None, TypeError),
        (b"\x10\0\0\0\0\0\0\0", TypeError),
        (bytearray(8), TypeError),
        ("16", TypeError),
    ],
)
def test_what_is_no_address_is_refused(api, shapes: Program, addresses, error) -> None:
    with api.Symbolizer() as symbolizer, pytest.raises(error):
        symbolizer.resolve(shapes.binary, addresses)


@pytest.mark.parametrize("form", [str, Path, os.fsencode])
def test_paths_come_in_any_form(api, shapes: Program, form) -> None:
    with api.Symbolizer() as symbolizer:
        [[frame]] = symbolizer.resolve(form(shapes.binary), [shapes.address("area")])
    assert frame.function == "area"


def test_a_path_of_any_bytes_is_found(api, shapes: Program, tmp_path: Path) -> None:
    link = os.fsencode(tmp_path) + b"/caf\xe9"
    os.symlink(shapes.binary, link)
    with api.Symbolizer() as symbolizer:
        [[frame]] = symbolizer.resolve(link, [shapes.address("area")])
    assert frame.function == "area"


@pytest.mark.parametrize("path", [3, None, object()])
def test_what_is_no_path_is_refused(api, path) -> None:
    with api.Symbolizer() as symbolizer, pytest.raises(TypeError):
        symbolizer.resolve(path, [1])


def test_a_path_with_nul_is_refused(api) -> None:
    with api.Symbolizer() as symbolizer, pytest.raises(ValueError, match="NUL"):
        symbolizer.resolve("a\0b", [1])


def test_a_missing_file_is_file_not_found(api, tmp_path: Path) -> None:
    missing = tmp_path / "missing.so"
    with api.Symbolizer() as symbolizer, pytest.raises(FileNotFoundError) as caught:
        symbolizer.resolve(missing, [1])
    assert isinstance(caught.value, ffikit.NotFoundError)
    assert caught.value.filename == str(missing)
    assert "missing.so" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + bytes(57), b"MZ" + bytes(100), b"#!/bin/sh\n"],
    ids=["empty", "magic", "zeros", "pe", "script"],
)
def test_a_file_that_is_no_elf_is_a_format_error(api, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with api.Symbolizer() as symbolizer, pytest.raises(ffikit.FormatError, match="file"):
        symbolizer.resolve(file, [1])


def test_a_folder_and_a_device_are_refused(api, tmp_path: Path) -> None:
    for path in (tmp_path, "/dev/zero"):
        with api.Symbolizer() as symbolizer, pytest.raises(ffikit.FfikitError):
            symbolizer.resolve(path, [1])


def test_use_after_close_raises(api, shapes: Program) -> None:
    symbolizer = api.Symbolizer()
    assert not symbolizer.closed
    symbolizer.close()
    symbolizer.close()
    assert symbolizer.closed
    assert symbolizer.__ffikit_handle__ == 0
    assert "closed" in repr(symbolizer)
    with pytest.raises(ffikit.HandleError, match="closed"):
        symbolizer.resolve(shapes.binary, [1])
    with pytest.raises(ffikit.HandleError, match="closed"):
        symbolizer.__enter__()
    with pytest.raises(ffikit.HandleError, match="closed"):
        api.Symbolizer.sharing(symbolizer)


def test_frames_outlive_the_symbolizer(api, shapes: Program) -> None:
    symbolizer = api.Symbolizer()
    [[frame]] = symbolizer.resolve(shapes.binary, [shapes.address("area")])
    symbolizer.close()
    assert frame.function == "area"
    assert pickle.loads(pickle.dumps(frame)) == frame


def test_pickling_and_copying_are_refused(api) -> None:
    with api.Symbolizer() as symbolizer:
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="handle of this process"):
                attempt(symbolizer)
            with pytest.raises(TypeError, match="handle of this process"):
                attempt(symbolizer._handle)


def test_debug_dirs_are_checked(api) -> None:
    api.Symbolizer(debug_dirs=["/usr/lib/debug", b"/opt/debug"]).close()
    with pytest.raises(TypeError, match="list of folders"):
        api.Symbolizer(debug_dirs="/usr/lib/debug")
    with pytest.raises(ValueError, match="colon"):
        api.Symbolizer(debug_dirs=["/a:b"])


def test_symbolize_is_the_short_form(shapes: Program) -> None:
    [[frame]] = ffikit.symbolize(shapes.binary, [shapes.address("area")])
    assert frame.function == "area"


def test_a_stray_handle_is_refused_not_followed(api, shapes: Program, log: bytes) -> None:
    engine = api.Symbolizer._engine
    report = api.Report.parse(log)
    for bits in (1, 0xDEADBEEF, (1 << 64) - 1, report.__ffikit_handle__):
        with pytest.raises(ffikit.HandleError):
            engine.Symbolizer(borrow=bits).resolve(bytes(shapes.binary), [1])
