"""Compares the user's frames of a stack with those that must be there."""

import dataclasses
import difflib
import pathlib
import re
from typing import Any

from markers import Markers, Place
from scenarios import LIBRARY, Frame

# A module or package of Python's standard library, below any interpreter.
STANDARD_LIBRARY = re.compile(r"/lib/python3\.\d+/(?!site-packages/)(\w+)(?:\.py$|/)")


@dataclasses.dataclass(frozen=True)
class Sources:
    """How a run's paths map to the sources of the record program."""

    root: pathlib.Path
    # The copy of keeper.py that was run, under a name of its own.
    script: str = ""

    def relative(self, file: str) -> str:
        """A path as the markers have it; one from elsewhere stays as it is."""
        if self.script and file == self.script:
            return "python/keeper.py"
        return file.removeprefix(f"{self.root}/")

    def place(self, frame: dict[str, Any]) -> Place:
        """File and line of a frame."""
        return self.relative(frame.get("file", "?")), frame.get("line", 0)


def user_frames(stack: dict[str, Any]) -> list[dict[str, Any]]:
    """The frames of a stack that are no language's own machinery, wherever their source lies."""
    return [frame for frame in stack["frames"] if not frame.get("runtime")]


def told(language: str, function: str, place: Place) -> str:
    """One frame as a line."""
    return f"{language} {function} {place[0]}:{place[1]}"


def got_line(frame: dict[str, Any], sources: Sources) -> str:
    """A frame of a report as a line."""
    library = STANDARD_LIBRARY.search(frame.get("file", ""))
    if library and frame.get("language") == "python":
        return f"{LIBRARY} {library.group(1)}"
    return told(frame.get("language", "?"), frame.get("function", "?"), sources.place(frame))


def wanted_line(frame: Frame, markers: Markers) -> str:
    """A frame that must be there as a line."""
    if frame.language == LIBRARY:
        return f"{LIBRARY} {frame.function}"
    return told(frame.language, frame.function, markers.place(frame.label))


def differences(stack: dict[str, Any], chain: list[Frame], sources: Sources, markers: Markers) -> list[str]:
    """What differs, as lines; empty where every frame is there, in order, and no other."""
    frames = []
    got: list[str] = []
    for frame in user_frames(stack):
        line = got_line(frame, sources)
        if line.startswith(f"{LIBRARY} ") and got[-1:] == [line]:
            continue  # one entry stands for all of a row
        frames.append(frame)
        got.append(line)
    wanted = [wanted_line(frame, markers) for frame in chain]
    if got != wanted:
        return list(difflib.ndiff(wanted, got))
    return [
        f"- {line}, inlined"
        for line, frame, asked in zip(got, frames, chain, strict=True)
        if asked.inlined and not frame.get("inlined")
    ]


def shown(stack: dict[str, Any], chain: list[Frame], sources: Sources, markers: Markers) -> list[str]:
    """A whole stack, machinery too, beside what must be there: for people who look."""
    wanted = [wanted_line(frame, markers) for frame in chain]
    lines = []
    for frame in stack["frames"]:
        line = got_line(frame, sources) + (" inlined" if frame.get("inlined") else "")
        if frame.get("runtime"):
            lines.append(f"    . {line}")
        elif wanted and line.removesuffix(" inlined") == wanted[0]:
            lines.append(f"    = {line}")
            wanted.pop(0)
        elif line.startswith(f"{LIBRARY} ") and lines[-1:] == [f"    = {line}"]:
            continue
        else:
            lines.append(f"    + {line}")
    lines += [f"    - {line}" for line in wanted]
    if stack.get("truncated"):
        lines.append(f"    ends here: {stack['truncated']}")
    return lines
