"""What the tests share: small programs, their faults, and fresh interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import ffikit

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PROGRAMS = HERE / "programs"
TESTING_PACKAGE = ROOT / "build/python-testing"

#: Nothing here takes long: this is a watchdog against hangs.
WATCHDOG_SECONDS = 120


@dataclass(frozen=True)
class Program:
    """A compiled program, its source, and where its functions lie."""

    binary: Path
    source: Path

    def address(self, symbol: str) -> int:
        """The file-virtual address of a function, as nm has it."""
        listing = subprocess.run(["nm", self.binary], check=True, capture_output=True, text=True).stdout
        [address] = [line.split()[0] for line in listing.splitlines() if line.split()[-1] == symbol]
        return int(address, 16)

    def line(self, marker: str) -> int:
        """The source line that carries the comment /* marker */."""
        lines = self.source.read_text().splitlines()
        [number] = [number for number, text in enumerate(lines, 1) if f"/* {marker} */" in text]
        return number


def build(source: Path, binary: Path, *flags: str, compiler: str = "gcc") -> Program:
    """Compiles one source; a missing compiler fails the test."""
    subprocess.run([compiler, "-g", *flags, "-o", binary, source], check=True)
    return Program(binary, source)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A healthy program: function area, and an inline chain in total."""
    return build(PROGRAMS / "shapes.c", tmp_path_factory.mktemp("shapes") / "shapes", "-O2")


@pytest.fixture(scope="session")
def stale(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A program that uses memory after its free, under AddressSanitizer."""
    return build(
        PROGRAMS / "stale.c",
        tmp_path_factory.mktemp("stale") / "stale",
        "-O0",
        "-fsanitize=address",
        "-fno-omit-frame-pointer",
        "-Wl,--build-id",
        compiler="clang-19",
    )


@pytest.fixture(scope="session")
def log(stale: Program) -> bytes:
    """What AddressSanitizer says of it, unsymbolized."""
    environment = dict(os.environ, ASAN_OPTIONS="symbolize=0:detect_leaks=0")
    run = subprocess.run([stale.binary], env=environment, capture_output=True, check=False)
    assert b"heap-use-after-free" in run.stderr
    return run.stderr


@pytest.fixture
def log_path(log: bytes, tmp_path: Path) -> Path:
    """The same as a file."""
    path = tmp_path / "asan.log"
    path.write_bytes(log)
    return path


@pytest.fixture(params=["_core", "_rs"])
def api(request: pytest.FixtureRequest) -> object:
    """Each of the two extensions' Symbolizer and Report, one after the other."""
    return ffikit if request.param == "_core" else ffikit.rust


RunPython = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_python() -> RunPython:
    """Runs code in a fresh interpreter, and gives what it printed.

    It must exit with 0 unless check is false. package is the folder to import
    ffikit from; the default is the one that this process uses.
    """

    def run(
        code: str,
        *arguments: str | Path,
        package: Path | None = None,
        check: bool = True,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        package = package or Path(ffikit.__file__).parent.parent
        finished = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(package), **environment},
            capture_output=True,
            text=True,
            timeout=WATCHDOG_SECONDS,
            check=False,
        )
        if check:
            assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished

    return run


@pytest.fixture
def run_testing(run_python: RunPython) -> RunPython:
    """As run_python, with the package over a libffikit that was built for tests."""

    def run(code: str, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        return run_python(code, *arguments, package=TESTING_PACKAGE, **options)

    return run
