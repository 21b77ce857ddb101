"""What symbolizers print, as frames."""

import functools
import os
import re
from typing import NamedTuple

UNKNOWN = "??"
GNU_ADDRESS = re.compile(r"0x[0-9a-f]+")
BLAZE_ADDRESS = re.compile(r"0x[0-9a-f]+: ")
DISCRIMINATOR = re.compile(r" \(discriminator \d+\)$")


class Frame(NamedTuple):
    """One function at one address; UNKNOWN and 0 where the tool does not know."""

    function: str
    file: str
    line: int


# Innermost first; never empty.
Answer = tuple[Frame, ...]
NOTHING: Answer = (Frame(UNKNOWN, UNKNOWN, 0),)


@functools.cache
def place(text: str, columns: bool) -> tuple[str, int]:
    """File and line of FILE:LINE or FILE:LINE:COLUMN; paths are spelled in the shortest way."""
    text = DISCRIMINATOR.sub("", text)
    if columns:
        text = text.rpartition(":")[0]
    file, _, line = text.rpartition(":")
    return UNKNOWN if file == UNKNOWN else os.path.normpath(file), int(line) if line.isdigit() else 0


def read_addr2line(text: str) -> list[Answer]:
    """The form of addr2line -a -f -i."""
    answers: list[list[Frame]] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if GNU_ADDRESS.fullmatch(line):
            answers.append([])
        elif line:
            answers[-1].append(Frame(line, *place(next(lines), False)))
    return [tuple(frames) or NOTHING for frames in answers]


def read_llvm(text: str) -> list[Answer]:
    """The form of llvm-symbolizer -f -i: an empty line ends an answer."""
    answers = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if lines != [""]:
            pairs = zip(lines[::2], lines[1::2], strict=True)
            answers.append(tuple(Frame(name, *place(at, True)) for name, at in pairs))
    return answers


def read_blaze(text: str) -> list[Answer]:
    """The form of blazecli: the function itself, then what was inlined, outermost first."""
    answers: list[list[Frame]] = []
    for line in text.splitlines():
        if BLAZE_ADDRESS.match(line):
            answers.append([])
            line = line.partition(": ")[2]
        answers[-1].append(blaze_frame(line.strip().removesuffix(" [inlined]")))
    return [tuple(reversed(frames)) for frames in answers]


def blaze_frame(text: str) -> Frame:
    """NAME @ 0xSTART+0xOFFSET FILE:LINE:COLUMN; inlined ones have no START; each number may be missing."""
    name, _, rest = text.rpartition(" @ ")
    if not name:
        return NOTHING[0]
    if rest.startswith("0x"):
        rest = rest.partition(" ")[2]
    if not rest:
        return Frame(name, UNKNOWN, 0)
    numbers = re.search(r"((?::\d+){0,2})$", rest)
    found = numbers.group(1) if numbers else ""
    line = int(found.split(":")[1]) if found else 0
    return Frame(name, os.path.normpath(rest.removesuffix(found)), line)


def read_pairs(text: str) -> list[Answer]:
    """The form of addr2line -f: two lines an address."""
    lines = text.splitlines()
    return [(Frame(name, *place(at, False)),) for name, at in zip(lines[::2], lines[1::2], strict=True)]


def read(text: str, style: str, inlines: bool) -> list[Answer]:
    """What a tool of that style printed."""
    if not inlines:
        return read_pairs(text)
    return {"addr2line": read_addr2line, "llvm": read_llvm, "blaze": read_blaze}[style](text)
