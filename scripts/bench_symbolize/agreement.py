"""How far symbolizers agree with llvm, and what every difference is.

Unknown against unknown is no agreement: function, line and depth are compared
where both tools know, and what one alone knows is counted apart.
"""

import os
import pathlib
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench_symbolize.answers import UNKNOWN, Answer, Frame, read
from bench_symbolize.targets import Target
from bench_symbolize.tools import Tool

REFERENCE = "llvm-symbolizer"
# Asked on whose side they are, where a tool and the reference differ.
WITNESSES = ("addr2line crate", "GNU addr2line")
EXAMPLES = 6


@dataclass
class Agreement:
    """Counts over all addresses of one target."""

    addresses: int
    both_function: int = 0
    function: int = 0  # of both_function: the innermost one's name is the same
    depth: int = 0  # of both_function: as many frames
    both_line: int = 0
    file: int = 0  # of both_line
    line: int = 0  # of both_line: file and line
    whole: int = 0  # of both_function: every frame is the same
    only_reference_function: int = 0
    only_tool_function: int = 0
    only_reference_line: int = 0
    only_tool_line: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    sides: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        counts = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        classes = {
            kind: {"count": count, "sides": dict(self.sides[kind]), "examples": self.examples[kind]}
            for kind, count in self.classes.most_common()
        }
        return {**counts, "classes": classes}


def ask(tool: Tool, target: Target, addresses: pathlib.Path) -> list[Answer]:
    """A tool's answers to all addresses."""
    assert tool.separated
    if tool.before:
        tool.before(target)
    argv, text = tool.separated(target, False), addresses.read_text(encoding="ascii")
    if tool.arguments:
        argv, text = argv + text.split(), ""
    environment = os.environ | tool.environment(target)
    done = subprocess.run(argv, input=text.encode(), capture_output=True, check=True, env=environment)
    return read(done.stdout.decode(errors="backslashreplace"), tool.style, tool.inlines)


def knows_line(frame: Frame) -> bool:
    """Line 0 is the compiler's word for "no line"."""
    return frame.file != UNKNOWN and frame.line > 0


def differences(of_reference: Answer, of_tool: Answer, tool: Tool) -> list[str]:
    """The classes of difference of one address; none if all is equal."""
    found = []
    reference, own = of_reference[0], of_tool[0]
    for what, known in (("function", lambda f: f.function != UNKNOWN), ("line", knows_line)):
        if known(reference) != known(own):
            found.append(f"{what}: known to {'llvm' if known(reference) else 'the tool'} alone")
    if reference.function == UNKNOWN or own.function == UNKNOWN:
        return found
    if tool.inlines and len(of_reference) != len(of_tool):
        return [*found, depth_difference(of_reference, of_tool)]
    names = tool.style != "blaze"
    if not tool.inlines:
        # Its line is the innermost frame's, its function the outermost one's.
        of_reference = (Frame(of_reference[-1].function, reference.file, reference.line),)
    for index, (theirs, ours) in enumerate(zip(of_reference, of_tool, strict=True)):
        outermost = index == len(of_tool) - 1
        if names and theirs.function != ours.function:
            found.append(name_difference(theirs.function, ours.function, outermost))
        place = place_difference(theirs, ours)
        # Of the innermost frame it was told above.
        if place and not (index == 0 and place.startswith("a line for")):
            found.append(f"{'innermost' if index == 0 else 'call site'}: {place}")
    return list(dict.fromkeys(found))


def depth_difference(of_reference: Answer, of_tool: Answer) -> str:
    """Who has more frames, and where."""
    longer, shorter = sorted((of_reference, of_tool), key=len, reverse=True)
    who = "llvm" if longer is of_reference else "the tool"
    more, fewer = [f.function for f in longer], [f.function for f in shorter]
    if more[-len(fewer) :] == fewer:
        return f"depth: {who} goes further in"
    if more[: len(fewer)] == fewer:
        return f"depth: {who} goes further out"
    return f"depth: {who} has more frames, others among them"


def name_difference(theirs: str, ours: str, outermost: bool) -> str:
    """What kind of other name it is."""
    where = "the function itself" if outermost else "an inlined one"
    if theirs.partition(".")[0] == ours.partition(".")[0]:
        return f"name of {where}: a suffix such as .cold"
    return f"name of {where}: another"


def place_difference(theirs: Frame, ours: Frame) -> str:
    """What kind of other place it is; nothing if it is the same."""
    if theirs.file != ours.file and UNKNOWN not in (theirs.file, ours.file):
        if os.path.basename(theirs.file) == os.path.basename(ours.file):
            return "another folder"
        return "another file"
    if knows_line(theirs) != knows_line(ours):
        return f"a line for {'llvm' if knows_line(theirs) else 'the tool'} alone"
    if theirs.file != ours.file:
        return f"a file without line for {'llvm' if ours.file == UNKNOWN else 'the tool'} alone"
    return "another line" if theirs.line != ours.line else ""


def compare(target: Target, count: int, tools: list[Tool]) -> dict[str, Agreement]:
    """Every tool against the reference, by its name."""
    path = target.addresses(count)
    addresses = path.read_text(encoding="ascii").split()
    comparable = [tool for tool in tools if tool.separated]
    answers = {tool.name: ask(tool, target, path) for tool in comparable}
    for name, given in answers.items():
        if len(given) != len(addresses):
            raise SystemExit(f"bench-symbolize: {name} gave {len(given)} answers to {len(addresses)} addresses")
    return {tool.name: tally(addresses, answers, tool) for tool in comparable if tool.name != REFERENCE}


def tally(addresses: list[str], answers: dict[str, list[Answer]], tool: Tool) -> Agreement:
    """Counts one tool's agreement."""
    counted = Agreement(len(addresses))
    for index, (reference, own) in enumerate(zip(answers[REFERENCE], answers[tool.name], strict=True)):
        count_one(counted, reference, own, tool)
        for kind in differences(reference, own, tool):
            counted.classes[kind] += 1
            witnesses = {name: answers[name][index] for name in WITNESSES if name in answers and name != tool.name}
            sides = counted.sides.setdefault(kind, Counter())
            for name, answer in witnesses.items():
                side = "the tool" if answer == own else "llvm" if answer == reference else "neither"
                sides[f"{name} with {side}"] += 1
            examples = counted.examples.setdefault(kind, [])
            if len(examples) < EXAMPLES:
                examples.append({"address": addresses[index], "llvm": reference, "tool": own, **witnesses})
    return counted


def count_one(counted: Agreement, reference: Answer, own: Answer, tool: Tool) -> None:
    """Adds one address."""
    wanted = reference[0].function if tool.inlines else reference[-1].function
    known = (reference[0].function != UNKNOWN, own[0].function != UNKNOWN)
    counted.only_reference_function += known == (True, False)
    counted.only_tool_function += known == (False, True)
    if known == (True, True):
        counted.both_function += 1
        counted.function += wanted == own[0].function
        counted.depth += len(reference) == len(own)
        counted.whole += reference == own
    known = (knows_line(reference[0]), knows_line(own[0]))
    counted.only_reference_line += known == (True, False)
    counted.only_tool_line += known == (False, True)
    if known == (True, True):
        counted.both_line += 1
        counted.file += reference[0].file == own[0].file
        counted.line += reference[0][1:] == own[0][1:]
