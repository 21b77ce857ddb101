"""Runs one command under `ffikit sanitize`, as a user would, and reads its answer."""

import dataclasses
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile
from typing import Any

from chains import Sources

SUITE = pathlib.Path(__file__).resolve().parent
REPOSITORY = SUITE.parent.parent
FAULTS = SUITE / "faults"
OUT = REPOSITORY / "build/suite"

# The script's name in all runs of this process, and in no other's: what looks
# familiar cannot be matched, yet fingerprints, which have file names in them,
# can be compared between runs.
SCRIPT = f"program_{secrets.token_hex(6)}.py"

# A watchdog against hangs, far above what any run takes.
TIMEOUT_SECONDS = 300


class SuiteError(Exception):
    """The suite itself cannot run."""


@dataclasses.dataclass
class Run:
    """What one `ffikit sanitize` answered."""

    exit_code: int
    stdout: str
    stderr: str
    document: dict[str, Any]
    sources: Sources
    # The companion was there: stacks are whole.
    companion: bool = True

    @property
    def reports(self) -> list[dict[str, Any]]:
        return self.document.get("reports") or []


def ffikit() -> str:
    """The command that is tested: bin/ffikit, or FFIKIT_COMMAND."""
    command = os.environ.get("FFIKIT_COMMAND") or str(REPOSITORY / "bin/ffikit")
    if not shutil.which(command):
        raise SuiteError(f"{command} is missing: run make build")
    return command


def python() -> str:
    """The interpreter that ci/suite/build built for."""
    named = OUT / "python"
    if not named.is_file():
        raise SuiteError(f"{named} is missing: run ci/suite/build")
    return named.read_text().strip()


def environment(lib: pathlib.Path) -> dict[str, str]:
    """The caller's environment without options that would steer the sanitizers."""
    dropped = {
        "LD_PRELOAD",
        "ASAN_OPTIONS",
        "UBSAN_OPTIONS",
        "LSAN_OPTIONS",
        "PYTHONMALLOC",
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONFAULTHANDLER",
        "NO_COLOR",
        "FORCE_COLOR",
    }
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"RECORDS_LIB_DIR": str(lib), "PYTHONDONTWRITEBYTECODE": "1"}


def sanitize(
    command: list[str],
    source_root: pathlib.Path = FAULTS,
    lib: pathlib.Path = OUT / "lib",
    script: str = "",
    companion: bool = True,
) -> Run:
    """Runs a command under the sanitizers; the JSON is read from the file that -o names."""
    with tempfile.TemporaryDirectory(prefix="ffikit-suite-") as scratch:
        output = pathlib.Path(scratch) / "report.json"
        words = [ffikit(), "sanitize", "-o", str(output), "--source-root", str(source_root)]
        words += [*([] if companion else ["--no-companion"]), "--", *command]
        done = subprocess.run(
            words,
            env=environment(lib),
            cwd=scratch,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
        )
        try:
            document = json.loads(output.read_text())
        except (OSError, ValueError) as error:
            raise SuiteError(
                f"{' '.join(words)}: exit {done.returncode}, no JSON in {output}: {error}\n{done.stdout}{done.stderr}"
            ) from error
        return Run(done.returncode, done.stdout, done.stderr, document, Sources(source_root, script), companion)


def tell_story(
    story: str,
    canary: bool = False,
    source_root: pathlib.Path = FAULTS,
    lib: pathlib.Path = OUT / "lib",
    interpreter: str | None = None,
    options: tuple[str, ...] = (),
    companion: bool = True,
) -> Run:
    """Runs a story of a copy of keeper.py that bears another name, in another folder each time."""
    with tempfile.TemporaryDirectory(prefix="ffikit-suite-") as folder:
        script = pathlib.Path(folder) / SCRIPT
        shutil.copyfile(source_root / "python/keeper.py", script)
        command = [interpreter or python(), *options, str(script), story, *(["canary"] if canary else [])]
        return sanitize(command, source_root, lib, str(script), companion)
