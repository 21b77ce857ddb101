"""fork, multiprocessing, and the deaths of processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Program, RunPython

FORK = """
import os, signal, sys, time
import ffikit

def in_child(action):
    \"\"\"Runs action in a forked child; gives what it printed.\"\"\"
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a hang ends the child, and is seen below
        try:
            os.write(write, str(action()).encode())
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with status {status}: {said}"
    return said
"""


def test_every_call_in_a_forked_child_says_so_at_once(
    run_python: RunPython, shapes: Program, log_path: Path
) -> None:
    run_python(
        FORK
        + """
binary, address, log = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "rb").read()
for api in (ffikit, ffikit.rust):
    symbolizer = api.Symbolizer()
    symbolizer.resolve(binary, [address])
    report = api.Report.parse(log)
    calls = {
        "new": api.Symbolizer,
        "resolve": lambda: symbolizer.resolve(binary, [address]),
        "parse": lambda: api.Report.parse(log),
        "text": report.to_text,
    }
    if api is ffikit:
        calls["demangle"] = lambda: ffikit.demangle("_ZN3foo3barEi")
    for name, call in calls.items():
        begun = time.monotonic()
        said = in_child(call)
        assert said.startswith("ForkedError: "), (name, said)
        assert "spawn" in said and "forkserver" in said, (name, said)
        assert time.monotonic() - begun < 10, name
    # The parent is as it was.
    assert symbolizer.resolve(binary, [address])[0][0].function == "area"
""",
        shapes.binary,
        str(shapes.address("area")),
        log_path,
    )


def test_results_from_before_the_fork_stay_readable(
    run_python: RunPython, shapes: Program, log_path: Path
) -> None:
    run_python(
        FORK
        + """
for api in (ffikit, ffikit.rust):
    symbolizer = api.Symbolizer()
    rows = symbolizer.resolve(sys.argv[1], [int(sys.argv[2])])
    report = api.Report.parse(open(sys.argv[3], "rb").read())
    assert in_child(lambda: rows[0][0].function) == "area"
    assert in_child(lambda: (len(report), report[0].kind)) == "(1, 'heap-use-after-free')"
    assert in_child(lambda: report.to_dict()["schema"]) == "ffikit.report/1"
    def free_all():
        global symbolizer, report
        symbolizer.close()
        report.close()
        del symbolizer, report
        return ffikit.version()
    assert in_child(free_all) == ffikit.__version__
    assert in_child(lambda: ffikit.rust.demangle("_RNvC7mycrate3foo")) == "mycrate::foo"
""",
        shapes.binary,
        str(shapes.address("area")),
        log_path,
    )


def test_a_child_may_load_it_if_the_parent_did_not(run_python: RunPython) -> None:
    run_python(FORK + "assert in_child(lambda: ffikit.demangle('_ZN3foo3barEi')) == 'foo::bar(int)'")


MULTIPROCESSING = """
import multiprocessing, sys
import ffikit

def look_up(arguments):
    binary, address = arguments
    [[frame]] = ffikit.symbolize(binary, [address])
    return frame

if __name__ == "__main__":
    jobs = [(sys.argv[2], int(sys.argv[3]))] * 4
    here = look_up(jobs[0])
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        try:
            found = pool.map_async(look_up, jobs).get(60)
        except ffikit.ForkedError as error:
            assert "spawn" in str(error)
            print("ForkedError")
        else:
            assert found == [here] * 4, found
            print("found")
"""


@pytest.mark.parametrize(
    ("method", "outcome"), [("spawn", "found"), ("forkserver", "found"), ("fork", "ForkedError")]
)
def test_multiprocessing(
    run_python: RunPython, shapes: Program, tmp_path: Path, method: str, outcome: str
) -> None:
    script = tmp_path / "job.py"
    script.write_text(MULTIPROCESSING)
    # -c would leave the children nothing to import.
    code = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    if method != "fork":
        code = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)"
    said = run_python(code, script, method, shapes.binary, str(shapes.address("area")))
    assert said.stdout.strip() == outcome


def test_it_ends_cleanly_while_threads_are_in_calls(run_python: RunPython, log_path: Path) -> None:
    run_python(
        """
import sys, threading, time
import ffikit
log = open(sys.argv[1], "rb").read() * 20
def loop():
    while True:
        ffikit.Report.parse(log)
for _ in range(4):
    threading.Thread(target=loop, daemon=True).start()
time.sleep(0.5)
""",
        log_path,
    )
