"""Alternating runs of all tools on the same addresses: CPU, wall and peak memory."""

import hashlib
import os
import pathlib
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from benching.launch import KILLED, Cost, launch, median

from bench_symbolize.targets import Target
from bench_symbolize.tools import Tool

# A tool that takes longer is killed, and left out of the rounds that follow.
LIMIT_SECONDS = 120

Key = tuple[str, str, int, bool]  # target, tool, addresses, demangled


@dataclass
class Measured:
    """All runs of one tool on one list; failure tells why there are none to count on."""

    runs: list[Cost]
    failure: str = ""

    def median(self) -> Cost:
        """Column by column."""
        return median(self.runs)


def memory_folder() -> str | None:
    """A folder in memory, so that no disk is measured; None for the usual one where there is none."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def lines_wanted(tool: Tool, count: int) -> int:
    """The fewest lines that answer so many addresses."""
    if tool.builds_index:
        return 0
    return {"addr2line": 2, "llvm": 3, "blaze": 1}[tool.style] * count


def judge(tool: Tool, count: int, status: int, out: pathlib.Path) -> str:
    """Why a run does not count; nothing if it does."""
    if status == KILLED:
        return f"not done after {LIMIT_SECONDS} s"
    if status != 0:
        return f"ended with {status}"
    lines = out.read_bytes().count(b"\n")
    if lines < lines_wanted(tool, count):
        return f"{lines} lines for {count} addresses"
    return ""


class Session:
    """The runs of one call of the bench, and the folder that their output goes to."""

    def __init__(self, tools: list[Tool], targets: list[Target], rounds: int) -> None:
        self.tools, self.targets, self.rounds = tools, targets, rounds
        self.found: dict[Key, Measured] = {}
        self.answers: dict[Key, str] = {}

    def run(self, counts: tuple[int, ...], passes: tuple[bool, ...]) -> dict[Key, Measured]:
        """All of it: each round runs everything once, in the order that is the last one's reverse."""
        jobs = list(self.jobs(counts, passes))
        with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
            for turn in range(self.rounds):
                for target, tool, count, demangle in jobs if turn % 2 == 0 else reversed(jobs):
                    self.one(target, tool, count, demangle, turn, pathlib.Path(folder) / "out")
                print(f"bench-symbolize: round {turn + 1} of {self.rounds}", file=sys.stderr, flush=True)
        return self.found

    def jobs(self, counts: tuple[int, ...], passes: tuple[bool, ...]) -> Iterator[tuple[Target, Tool, int, bool]]:
        """Every tool on every list, tools that are compared one after another."""
        for target in self.targets:
            for demangle in passes:
                for count in counts:
                    for tool in self.tools:
                        if demangle in tool.demangles and (not tool.builds_index or count == counts[0]):
                            yield target, tool, count, demangle

    def one(self, target: Target, tool: Tool, count: int, demangle: bool, turn: int, out: pathlib.Path) -> None:
        """One run; one that fails is the tool's last on this list."""
        key = (target.name, tool.name, count, demangle)
        measured = self.found.setdefault(key, Measured([]))
        if measured.failure:
            return
        given = target.single(turn) if count == 1 else target.addresses(count, tool.order)
        argv = tool.command(target, demangle)
        if tool.arguments:
            argv, given = argv + given.read_text(encoding="ascii").split(), pathlib.Path(os.devnull)
        if tool.before:
            tool.before(target)
        status, cost = launch(argv, tool.environment(target), given, out, LIMIT_SECONDS)
        measured.failure = judge(tool, count, status, out) or self.changed(key, out)
        measured.runs.append(cost)

    def changed(self, key: Key, out: pathlib.Path) -> str:
        """A tool whose answers to the same list differ from round to round is no tool to compare with."""
        if key[2] == 1:
            return ""
        digest = hashlib.sha256(out.read_bytes()).hexdigest()
        return "" if self.answers.setdefault(key, digest) == digest else "answers differ from round to round"


def allow_long_command_lines() -> None:
    """Lets 100,000 addresses be arguments: the kernel allows a quarter of the stack's limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = 24 << 20
    if soft != resource.RLIM_INFINITY and soft < wanted and (hard == resource.RLIM_INFINITY or hard >= wanted):
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
