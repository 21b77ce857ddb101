"""One Go runtime under both extensions, and panics that stop at the boundary.

Over a libffikit that was built for tests: python/tests/_core_testing.pyx and the
feature "testing" of rust/ffikit-python.
"""

from __future__ import annotations

import subprocess

import pytest
from conftest import ROOT, TESTING_PACKAGE, Program, RunPython

import ffikit

ENGINES = """
import sys
import ffikit
from ffikit import _load
core, rs = _load.load("_core"), _load.load("_rs")
"""


def test_both_extensions_count_with_one_counter(run_testing: RunPython) -> None:
    run_testing(
        ENGINES
        + """
counts = [engine.testing_counter_inc() for engine in (core, rs, rs, core)]
assert counts == [1, 2, 3, 4], counts
assert core.testing_runtime_id() == rs.testing_runtime_id() != 0
with open("/proc/self/maps") as maps:
    mapped = {line.split(None, 5)[5].strip() for line in maps if "libffikit" in line}
assert mapped == {ffikit.library_path()}, mapped
"""
    )


def test_handles_go_across(run_python: RunPython, shapes: Program, log: bytes, tmp_path) -> None:
    path = tmp_path / "log"
    path.write_bytes(log)
    run_python(
        """
import sys, ffikit
binary, address, log = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "rb").read()
for one, other in ((ffikit, ffikit.rust), (ffikit.rust, ffikit)):
    owner = one.Symbolizer()
    guest = other.Symbolizer.sharing(owner)
    assert guest.__ffikit_handle__ == owner.__ffikit_handle__ != 0
    assert guest.resolve(binary, [address])[0][0].function == "area"
    guest.close()
    assert owner.resolve(binary, [address])[0][0].function == "area"
    guest = other.Symbolizer.sharing(owner)
    owner.close()
    try:
        guest.resolve(binary, [address])
    except ffikit.HandleError:
        pass
    else:
        raise AssertionError("a stale handle resolved")

    report = one.Report.parse(log)
    guest = other.Report.sharing(report)
    assert guest == report and guest.to_text() == report.to_text()
    # The guest keeps the owner alive.
    text = report.to_text()
    del report
    assert guest.to_text() == text
""",
        shapes.binary,
        str(shapes.address("area")),
        path,
    )


@pytest.mark.parametrize("message", ["the sky fell: caf\u00e9", ""], ids=["panic", "nil pointer"])
@pytest.mark.parametrize("engine", ["core", "rs"])
def test_a_panic_is_an_exception_and_the_library_lives(
    run_testing: RunPython, engine: str, message: str
) -> None:
    run_testing(
        ENGINES
        + """
engine, message = {"core": core, "rs": rs}[sys.argv[1]], sys.argv[2]
for _ in range(100):
    try:
        engine.testing_panic(message.encode())
    except ffikit.PanicError as error:
        assert isinstance(error, RuntimeError)
        assert message in str(error) and str(error), error
        assert message or "nil pointer" in str(error), error
    else:
        raise AssertionError("no panic")
assert ffikit.demangle("_ZN3foo3barEi") == "foo::bar(int)"
assert core.testing_goroutines(10) == rs.testing_goroutines(10) == 55
""",
        engine,
        message,
    )


def test_panics_in_many_threads(run_testing: RunPython) -> None:
    run_testing(
        ENGINES
        + """
from concurrent.futures import ThreadPoolExecutor
def attempt(number):
    engine = (core, rs)[number % 2]
    try:
        engine.testing_panic(str(number).encode())
    except ffikit.PanicError as error:
        return str(number) in str(error)
with ThreadPoolExecutor(8) as pool:
    assert all(pool.map(attempt, range(400)))
"""
    )


def test_goroutines_in_a_forked_child_do_not_hang(run_testing: RunPython) -> None:
    run_testing(
        ENGINES
        + """
import os, signal
assert core.testing_goroutines(4) == 10
for engine in (core, rs):
    for call in (lambda: engine.testing_goroutines(4), lambda: engine.testing_panic(b"x")):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                call()
            except ffikit.ForkedError:
                os._exit(7)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7, status
"""
    )


def test_what_only_tests_need_is_not_shipped() -> None:
    assert TESTING_PACKAGE.is_dir()
    library = ffikit.library_path()
    listing = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True).stdout
    assert "ffikit_abi_version" in listing
    assert "testing" not in listing
    for engine in ("_core", "_rs"):
        module = ffikit._load.load(engine)
        assert not [name for name in dir(module) if "testing" in name]


def test_the_model_is_the_schema_s() -> None:
    subprocess.run([ROOT / "python/tools/generate_model.py", "--check"], check=True)
