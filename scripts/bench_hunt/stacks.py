"""The stacks that each tool reports for what was not freed, read from its own output."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench_hunt.workloads import Leak


@dataclass(frozen=True)
class Frame:
    """A function, and "file:line" or what the tool tells instead."""

    function: str
    place: str = ""


Stack = list[Frame]  # the allocating function first


@dataclass(frozen=True)
class Boundary:
    """How much of the leak's stack a tool shows, best first."""

    rank: int
    text: str
    frames: int


def boundary(stacks: list[Stack], leak: Leak) -> Boundary:
    """The best that any stack shows of a leak."""
    best = Boundary(0, "not shown", 0)
    for stack in stacks:
        found = judge(stack, leak)
        if (found.rank, found.frames) > (best.rank, best.frames):
            best = found
    return best


def judge(stack: Stack, leak: Leak) -> Boundary:
    """What one stack shows of a leak: the callee first, and behind it the line that called it."""
    at = next((i for i, frame in enumerate(stack) if re.search(leak.callee, f"{frame.function} {frame.place}")), None)
    line = re.compile(rf"(^|/){re.escape(leak.file)}:{leak.line}(:|$)")
    callers = stack if at is None else stack[at + 1 :]
    has_line = any(line.search(frame.place) for frame in callers)
    has_name = any(frame.function.rpartition("::")[2] == leak.caller for frame in callers)
    if at is None:
        return Boundary(1, "caller only", len(stack)) if has_line else Boundary(0, "not shown", 0)
    if has_line:
        return Boundary(4, "yes", len(stack))
    if has_name:
        return Boundary(3, "no line of the caller", len(stack))
    return Boundary(2, "callee only", len(stack))


def of_hunt(document: dict[str, Any]) -> list[Stack]:
    """From `ffikit hunt report --json`: samples of which something is live."""
    return [
        [
            Frame(frame.get("function", ""), f"{frame.get('file', '')}:{frame.get('line', 0)}")
            for frame in sample["stack"]["frames"]
        ]
        for sample in document["samples"]
        if sample["allocations"] > sample["frees"]
    ]


def allocations(document: dict[str, Any], function: str) -> int:
    """How often, as ffikit counted, memory was asked for below a function."""
    return sum(
        sample["allocations"]
        for sample in document["samples"]
        if any(names(frame.get("function", ""), function) for frame in sample["stack"]["frames"])
    )


def names(found: str, function: str) -> bool:
    """Whether a frame's name, qualified perhaps, is the function's."""
    return found == function or found.endswith("::" + function)


def of_heaptrack(text: str) -> list[Stack]:
    """From heaptrack_print: "N leaked over M calls from", then a name and "at" and "in" lines for each frame."""
    found: list[Stack] = []
    for line in text.splitlines():
        if "leaked over" in line and line.endswith("from"):
            found.append([])
        elif not found or not line.startswith("  "):
            continue
        elif line.startswith("    at "):
            found[-1][-1:] = [Frame(frame.function, line[7:]) for frame in found[-1][-1:]]
        elif not line.startswith("    "):
            found[-1].append(Frame(line.strip()))
    return found


def of_memray(text: str) -> list[Stack]:
    """From ci/bench-hunt/memray-leaks.py."""
    return [[Frame(function, place) for function, place in stack] for stack in json.loads(text)]


def of_jeprof(text: str) -> list[Stack]:
    """From jeprof --collapsed: "outer;inner BYTES", the address behind a name in angle brackets."""
    found = []
    for line in text.splitlines():
        stack, _, number = line.rpartition(" ")
        if number.isdigit():
            found.append([Frame(re.sub(r"<[0-9a-f]{16}>$", "", name)) for name in reversed(stack.split(";"))])
    return found


MASSIF = re.compile(r"^( *)n(\d+): \d+ 0x[0-9A-Fa-f]+: (.*?)(?: \(([^()]*)\))?$")


def of_massif(text: str) -> list[Stack]:
    """From massif.out: a tree, a blank a level; every path to a leaf of it is a stack. The root is malloc."""
    return list(_massif(text))


def _massif(text: str) -> Iterator[Stack]:
    path: Stack = []
    for line in text.splitlines():
        if match := MASSIF.match(line):
            depth = len(match[1])
            del path[depth - 1 :]
            path.append(Frame(match[3], match[4] or ""))
            if match[2] == "0":
                yield list(path)


def of_lsan(text: str) -> list[Stack]:
    """From LeakSanitizer's report: frames "#N 0x… in NAME PLACE" below "… leak of …"."""
    found: list[Stack] = []
    for line in text.splitlines():
        if " leak of " in line:
            found.append([])
        elif found and (match := re.match(r"\s+#\d+ 0x[0-9a-f]+ (?:in )?(.*?)(?: (\S+|\(\S+\)))?$", line)):
            found[-1].append(Frame(match[1], match[2] or ""))
    return found
