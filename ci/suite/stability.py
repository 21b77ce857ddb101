"""What must stay the same: in other folders, with lines inserted above, under other
optimization, and with other CPythons.

The script gets no line more: nothing says where a function of Python begins, so
that its lines stand in fingerprints as they are.
"""

import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from chains import user_frames
from checks import check, pointed_frame
from markers import Markers
from sanitizing import FAULTS, REPOSITORY, SUITE, Run, SuiteError, python, sanitize, tell_story
from scenarios import SCENARIOS

# The scenarios that are run again from the moved copy: every language but
# PyO3, whose build would take longer than all the rest.
MOVED = ("use_after_free", "double_free", "allocator_mismatch", "leak_through_go", "overflow_in_preamble")

# What is run with each other CPython that is found.
ON_EACH_PYTHON = (
    "use_after_free",
    "nested_interpreter",
    "coroutine",
    "ctypes_cast",
    "clean_round_trip",
    "clean_memory_held_by_go.canary",
)

Row = tuple[str, str, list[str], float]


def checks(answers: dict[str, list[Run]], markers: Markers) -> Iterator[Row]:
    """All stability checks, a row each."""
    with tempfile.TemporaryDirectory(prefix="ffikit-moved-") as folder:
        yield from moved(pathlib.Path(folder), answers)
    with tempfile.TemporaryDirectory(prefix="ffikit-plain-") as folder:
        yield from plain_program(pathlib.Path(folder), answers)
    yield from pythons(markers)


def pythons(markers: Markers) -> Iterator[Row]:
    """Other CPythons: the clean control is silent, its canary and a fault are caught.

    From 3.12 on CPython leaves its interned strings behind at exit: what ffikit
    leaves out of its leaks must be these and no other.
    """
    own = minor_version(python())
    listed = subprocess.run([REPOSITORY / "scripts/cpythons"], capture_output=True, text=True, check=True)
    others = {line.split()[0]: line.split(maxsplit=2)[2] for line in reversed(listed.stdout.splitlines())}
    others.pop(own, None)
    if not others:
        print(f"  no CPython from 3.11 on but {own} was found: the suite ran with that one", flush=True)
    for version, interpreter in sorted(others.items()):
        done = subprocess.run([SUITE / "build", "--extension-for", interpreter], capture_output=True, text=True)
        if done.returncode:
            yield f"CPython {version}", "the extension builds", [done.stdout + done.stderr], 0.0
            continue
        for scenario in (s for s in SCENARIOS if s.name in ON_EACH_PYTHON):
            started = time.monotonic()
            run = tell_story(scenario.story, scenario.canary, interpreter=interpreter)
            wrong = list(check(scenario, run, markers))
            yield f"{version}: {scenario.name}", scenario.what, wrong, time.monotonic() - started


def minor_version(interpreter: str) -> str:
    """The "3.11" of an interpreter."""
    question = "import sysconfig; print(sysconfig.get_python_version())"
    return subprocess.run([interpreter, "-c", question], capture_output=True, text=True, check=True).stdout.strip()


def build(faults: pathlib.Path, out: pathlib.Path, *options: str) -> None:
    """Builds a copy of the record program."""
    command = [str(SUITE / "build"), "--faults", str(faults), "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SuiteError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def copy_faults(folder: pathlib.Path) -> pathlib.Path:
    """The sources in another folder, of another depth."""
    faults = folder / "elsewhere/deeper/records"
    shutil.copytree(FAULTS, faults, ignore=shutil.ignore_patterns("target", "__pycache__"))
    for manifest in faults.glob("rust/*/Cargo.toml"):
        relative = "../../../../../rust/ffikit-barrier"
        manifest.write_text(manifest.read_text().replace(relative, str(REPOSITORY / "rust/ffikit-barrier")))
    return faults


def insert_line_above(faults: pathlib.Path) -> None:
    """One more comment line at the top of every source file."""
    for path in faults.rglob("*"):
        if path.suffix in {".c", ".h", ".go", ".rs", ".pyx"}:
            comment = "# one more line\n" if path.suffix == ".pyx" else "// one more line\n"
            path.write_text(comment + path.read_text())


def only_report(run: Run) -> dict[str, Any]:
    """The one report of a run that must have one."""
    if len(run.reports) != 1:
        raise SuiteError(f"{len(run.reports)} reports, wanted 1:\n{run.stdout}{run.stderr}")
    return run.reports[0]


def blamed_line(report: dict[str, Any]) -> int:
    """The line that a report blames."""
    return pointed_frame(report, report["blame"])["line"] if report.get("blame") else 0


def moved(folder: pathlib.Path, answers: dict[str, list[Run]]) -> Iterator[Row]:
    """Another folder and a line inserted above, in all languages but PyO3's."""
    faults = copy_faults(folder)
    insert_line_above(faults)
    build(faults, folder / "out", "--only", "c", "--only", "go", "--only", "intake", "--only", "cython")
    for name in MOVED:
        if name not in answers:
            continue  # its scenario failed already
        started = time.monotonic()
        before = only_report(answers[name][0])
        after = only_report(tell_story(name, source_root=faults, lib=folder / "out/lib"))
        wrong = same_fingerprint(before, after)
        if blamed_line(after) != blamed_line(before) + 1:
            wrong.append(f"blamed line {blamed_line(after)}, wanted {blamed_line(before)} + 1: the copy was not run")
        yield f"moved: {name}", "another folder, a line above", wrong, time.monotonic() - started


def plain_program(folder: pathlib.Path, answers: dict[str, list[Run]]) -> Iterator[Row]:
    """Inlining: the plain program at -O1 without it, as the suite has it, and at -O2."""
    if "plain_program" not in answers:
        return
    before = only_report(answers["plain_program"][0])
    inlined = {"-O1": inlined_frames(before)}
    for level in ("-O1 -fno-inline", "-O2"):
        started = time.monotonic()
        out = folder / level.replace(" ", "")
        build(FAULTS, out, "--only", "c", f"--optimize={level}")
        after = only_report(sanitize([str(out / "replay")]))
        inlined[level] = inlined_frames(after)
        wrong = same_fingerprint(before, after)
        yield f"optimized: {level}", "inlining is all that differs", wrong, time.monotonic() - started
    wrong = [] if len(set(inlined.values())) > 1 else [f"the levels inline alike, nothing was compared: {inlined}"]
    yield "optimized: levels", "they do inline differently", wrong, 0.0


def inlined_frames(report: dict[str, Any]) -> tuple[str, ...]:
    """Names of the user's inlined frames in all stacks."""
    return tuple(
        frame.get("function", "?") for stack in report["stacks"] for frame in user_frames(stack) if frame.get("inlined")
    )


def same_fingerprint(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Complains where two reports of one fault have two fingerprints."""
    if before.get("fingerprint") and before["fingerprint"] == after.get("fingerprint"):
        return []
    return [f"fingerprint {after.get('fingerprint')}, was {before.get('fingerprint')}"]
