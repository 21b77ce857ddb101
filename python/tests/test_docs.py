"""What the documentation shows is so."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest
from conftest import ROOT, Program

import ffikit

MODULES = ["_library", "_report", "_symbolizer", "rust"]


@pytest.fixture
def examples(shapes: Program, log: bytes, log_path: Path) -> dict[str, object]:
    return {
        "binary": shapes.binary,
        "address": shapes.address("area"),
        "line": shapes.line("AREA"),
        "log": log,
        "log_path": log_path,
    }


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str, examples: dict[str, object]) -> None:
    module = importlib.import_module(f"ffikit.{name}")
    results = doctest.testmod(module, extraglobs=examples, optionflags=doctest.ELLIPSIS)
    assert results.attempted > 0
    assert results.failed == 0


def test_walkthrough(examples: dict[str, object]) -> None:
    readme = ROOT / "python/README.md"
    results = doctest.testfile(
        str(readme), module_relative=False, globs=examples, optionflags=doctest.ELLIPSIS, encoding="utf-8"
    )
    assert results.attempted > 10
    assert results.failed == 0


def test_everything_public_is_documented() -> None:
    for name in ffikit.__all__:
        public = getattr(ffikit, name)
        assert public.__doc__, name
        for member, value in vars(public).items() if isinstance(public, type) else ():
            if callable(value) and not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"


def test_names_are_the_documented_ones() -> None:
    assert sorted(ffikit.__all__) == ffikit.__all__
    assert {name for name in dir(ffikit) if not name.startswith("__")} == set(ffikit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ffikit.nonsense  # noqa: B018
