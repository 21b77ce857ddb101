"""Alternating runs of all workloads under all tools."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

from benching.launch import KILLED, Cost, launch, median

from bench_hunt import stacks
from bench_hunt.tools import Tool
from bench_hunt.workloads import LOAD, OUT, Workload, address_file

# A run that takes longer is killed, and the tool left out of the rounds that follow.
LIMIT_SECONDS = 300
# A tool whose run took so long runs once only: noise is no matter at such ratios.
SLOW_SECONDS = 20
NOTHING = pathlib.Path(os.devnull)


@dataclass
class Measured:
    """All runs of one workload under one tool; failure tells why there are none to count on."""

    runs: list[Cost] = field(default_factory=list)
    disk: list[int] = field(default_factory=list)  # bytes that the files take
    reports: list[Cost] = field(default_factory=list)
    failure: str = ""
    note: str = ""  # why there is no report
    boundary: stacks.Boundary | None = None
    counted: list[tuple[str, int, int]] = field(default_factory=list)  # function, workload's count, ours

    @property
    def cost(self) -> Cost:
        """The median run."""
        return median(self.runs)

    @property
    def disk_mb(self) -> float:
        """The median of what the files take, in MB."""
        return statistics.median(self.disk) / (1 << 20)

    @property
    def report_seconds(self) -> float:
        """The median wall time of a report."""
        return median(self.reports).wall


Found = dict[tuple[str, str], Measured]  # by workload and tool


def room(folder: pathlib.Path, pattern: str) -> int:
    """Bytes on the disk, holes left out."""
    return sum(path.stat().st_blocks * 512 for path in folder.glob(pattern) if path.is_file())


def expected(text: str) -> dict[str, int]:
    """What a workload says of itself: "allocations FUNCTION COUNT" lines."""
    words = [line.split() for line in text.splitlines()]
    return {line[1]: int(line[2]) for line in words if len(line) == 3 and line[0] == "allocations"}


class Session:
    """The runs of one call of the bench."""

    def __init__(self, tools: list[Tool], workloads: list[Workload], rounds: int, quick: bool) -> None:
        self.tools, self.workloads, self.rounds, self.quick = tools, workloads, rounds, quick
        self.found: Found = {}

    def run(self) -> Found:
        """All of it: each round runs everything once, in the order that is the last one's reverse."""
        jobs = [(workload, tool) for workload in self.workloads for tool in self.tools]
        for turn in range(self.rounds):
            for workload, tool in jobs if turn % 2 == 0 else reversed(jobs):
                measured = self.found.setdefault((workload.name, tool.name), Measured())
                if tool.only not in ("", workload.language):
                    measured.failure = f"for {tool.only.capitalize()} only"
                slow = any(run.wall > SLOW_SECONDS for run in measured.runs + measured.reports)
                if not measured.failure and not slow:
                    self.one(workload, tool, measured)
                    where = f"round {turn + 1} of {self.rounds}: {workload.name}, {tool.name}"
                    print(f"bench-hunt: {where} {measured.failure}".rstrip(), file=sys.stderr, flush=True)
        return self.found

    def one(self, workload: Workload, tool: Tool, measured: Measured) -> None:
        """One run, its files and its report."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=OUT))
        try:
            measured.failure = self.program(workload, tool, folder, measured)
            if not measured.failure and tool.files:
                self.files(workload, tool, folder, measured)
        finally:
            shutil.rmtree(folder)

    def program(self, workload: Workload, tool: Tool, folder: pathlib.Path, measured: Measured) -> str:
        """Runs the workload, a service under load; says why the run does not count."""
        argv = tool.wrap(workload.argv(self.quick, folder), folder)
        environment = {"PYTHONMALLOC": "malloc", **tool.environment(folder)}
        load = None
        if workload.connections:
            asked = [str(workload.count(self.quick)), str(address_file(folder)), str(workload.connections)]
            load = subprocess.Popen([LOAD, *asked], stderr=subprocess.DEVNULL)
        try:
            status, cost = launch(argv, environment, NOTHING, folder / "stdout", LIMIT_SECONDS)
        finally:
            if load:
                load.kill()
                load.wait()
        if status == KILLED:
            return f"not done after {LIMIT_SECONDS} s"
        if status != 0:
            return f"ended with {status - 128 if status > 128 else status}" + (" (signal)" if status > 128 else "")
        measured.runs.append(cost)
        return ""

    def files(self, workload: Workload, tool: Tool, folder: pathlib.Path, measured: Measured) -> None:
        """What the run left, and what is told of it."""
        measured.disk.append(room(folder, tool.files))
        if not measured.disk[-1]:
            measured.note = tool.nothing
            return
        if tool.report:
            out = folder / "report"
            status, cost = launch(tool.report(workload, folder), {}, NOTHING, out, LIMIT_SECONDS)
            if status == KILLED:
                measured.note = f"report not done after {LIMIT_SECONDS} s"
                return
            # 1 and 3 are findings and partial ones: a report nevertheless
            if status not in (0, 1, 3) or not out.stat().st_size:
                measured.note = f"the report ended with {status}"
                return
            measured.reports.append(cost)
        if measured.boundary is None:
            self.look(workload, tool, folder, measured)

    def look(self, workload: Workload, tool: Tool, folder: pathlib.Path, measured: Measured) -> None:
        """Reads the stacks, and compares what was counted with what the workload says; once for all rounds."""
        command = tool.shown or tool.report
        assert command
        assert tool.of
        out = folder / "shown"
        status, _ = launch(command(workload, folder), {}, NOTHING, out, LIMIT_SECONDS)
        text = out.read_text(encoding="utf-8", errors="replace")
        if status == KILLED or not text:
            measured.note = f"its stacks could not be read: ended with {status}"
            return
        measured.boundary = stacks.boundary(tool.of(text), workload.leak)
        if tool.counts:
            said = expected((folder / "stdout").read_text(encoding="utf-8", errors="replace"))
            document = json.loads(text)
            measured.counted = [(name, count, stacks.allocations(document, name)) for name, count in said.items()]
