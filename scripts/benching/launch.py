"""One run of a command, by ci/bench/launch.c: what it took, as the kernel counted it."""

import os
import pathlib
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from benching.build import ROOT, once, run

KILLED = 137  # the status of a run that was not done in time
_LAUNCH = ROOT / "build/bench/launch"


@dataclass(frozen=True)
class Cost:
    """What one run, or the median of several, took."""

    cpu: float  # seconds, user and system, of the command and all it waited for
    wall: float  # seconds
    rss: float  # MB at the peak, of the largest process


def median(runs: Sequence[Cost]) -> Cost:
    """Column by column."""
    return Cost(
        statistics.median(run.cpu for run in runs),
        statistics.median(run.wall for run in runs),
        statistics.median(run.rss for run in runs),
    )


def build() -> None:
    """Builds the program that launches; comes before the first launch."""
    source = ROOT / "ci/bench/launch.c"
    gnu = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-static"]
    once(_LAUNCH.with_suffix(".stamp"), [source.read_text()], lambda: run("gcc", *gnu, source, "-o", _LAUNCH))


def launch(
    argv: list[str], environment: dict[str, str], given: pathlib.Path, out: pathlib.Path, seconds: int
) -> tuple[int, Cost]:
    """Runs argv, its standard input from given, its output to out; gives its status and its cost."""
    command = [str(_LAUNCH), str(seconds), str(given), str(out), *argv]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | environment)
    status, cpu, wall, rss = map(int, done.stdout.split())
    return status, Cost(cpu / 1e6, wall / 1e6, rss / 1024)
