"""What can be asked of a run: findings, their stacks, and the scenario around them.

Stacks are given whole: every frame that is the user's own, leaf first, down to
the root (the line of the script that runs `main`, or main itself). Each is one
line of text, "language function @label", with " inlined" behind where it must be
an inlined one. The label is a marker comment in the sources (markers.py), so that
no line number stands here. "library NAME" stands for frames of a module of Python's
standard library, one or more in a row: how many it has is its own affair.
"""

import dataclasses
import re

ASAN = "AddressSanitizer"
LSAN = "LeakSanitizer"
UBSAN = "UndefinedBehaviorSanitizer"

# Parts of the reasons why a stack ends at Go where the companion is off.
GO_SIGNAL = "Go's signal handler"
GO_SYSTEM_STACK = "Go's system stack"
GO_ACCESS = "an access by Go code gives the sanitizer one address"

FRAME = re.compile(r"(?P<language>\S+) (?P<function>.+) @(?P<label>\w+)(?P<inlined> inlined)?")

LIBRARY = "library"

# Stacks that are not a walk down to a thread's root, by role: they are the same
# with and without the companion.
LOOSE_ROLES = {"other"}


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame that must be there."""

    language: str
    function: str
    label: str
    inlined: bool

    @classmethod
    def parse(cls, text: str) -> "Frame":
        """Reads "language function @label[ inlined]", or "library NAME"."""
        language, _, rest = text.partition(" ")
        if language == LIBRARY and rest.isidentifier():
            return cls(LIBRARY, rest, "", False)
        found = FRAME.fullmatch(text)
        if not found:
            raise ValueError(f"not a frame: {text!r}")
        return cls(found["language"], found["function"], found["label"], found["inlined"] is not None)


def leaf(chain: list[Frame]) -> Frame | None:
    """The first frame of the program's own: what is to blame."""
    return next((frame for frame in chain if frame.language != LIBRARY), None)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One report that must be there."""

    tool: str
    kind: str
    # The whole chain of each stack, by role; the first one's leaf is blamed.
    stacks: dict[str, list[str]]
    access: tuple[str, int] | None = None
    # Bytes and objects, of a leak.
    leaked: tuple[int, int] | None = None
    # It came by a signal, which Go's handler got before the sanitizer.
    through_go_signal: bool = False
    # Go started threads as it pleased: how many are told, and their stacks, is not asked.
    any_threads: bool = False

    def chains(self, companion: bool) -> dict[str, list[Frame]]:
        """The chain of each stack: whole with the companion, else as far as the sanitizer walks."""
        whole = {role: [Frame.parse(text) for text in chain] for role, chain in self.stacks.items()}
        if companion:
            return whole
        return {role: self._walked(role, chain)[0] for role, chain in whole.items()}

    def ends(self, companion: bool) -> dict[str, str]:
        """A part of why each stack ends early; empty where it is whole."""
        if companion:
            return dict.fromkeys(self.stacks, "")
        return {role: self._walked(role, [Frame.parse(text) for text in self.stacks[role]])[1] for role in self.stacks}

    def _walked(self, role: str, chain: list[Frame]) -> tuple[list[Frame], str]:
        """What the sanitizer's own unwinder gets of a chain, and why it ends there.

        It sees no frame of Python. It cannot leave the system stack that Go calls C
        on, nor Go's signal handler, and of an access by Go code it has one address.
        """
        if role in LOOSE_ROLES or not chain:
            return chain, ""
        if role == "fault" and self.through_go_signal:
            return chain[:1], GO_SIGNAL
        if role == "fault" and self.access and chain[0].language == "go":
            end = next(i for i, frame in enumerate(chain) if not frame.inlined)
            return chain[: end + 1], GO_ACCESS
        cut = next((i for i, frame in enumerate(chain) if frame.language == "go"), len(chain))
        native = [frame for frame in chain[:cut] if frame.language not in ("python", LIBRARY)]
        return native, GO_SYSTEM_STACK if cut < len(chain) else ""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One run and everything that is asked of it."""

    name: str
    what: str
    findings: tuple[Finding, ...]
    # Of `ffikit sanitize`: 1 with findings, else the command's own.
    exit_code: int = 1
    # What the command itself ended with; None: whatever the runtime does.
    command_status: int | None = None
    canary: bool = False
    # Prints these on standard output or error.
    prints: tuple[str, ...] = ()
    # Options of the interpreter, before the script.
    python_options: tuple[str, ...] = ()
    # Runs a plain program with these arguments instead of the Python one.
    program: tuple[str, ...] = ()
    # A part of the reason of something that must be said to be partial.
    partial: str = ""
    # Tells the story of another scenario; its own where empty.
    tells: str = ""
    # Runs without the companion: stacks end where the sanitizer's unwinder does.
    companion: bool = True

    @property
    def story(self) -> str:
        """The story of keeper.py that is run."""
        return self.tells or self.name.partition(".")[0]
