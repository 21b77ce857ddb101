"""What a case of frames.py says and what it is compared with; also imported in
sub-interpreters. sys.argv[1] is the probe library."""

import ctypes
import sys

PROBE = sys.argv[1]
# PyDLL keeps the GIL during the call, CDLL gives it up.
held, released = ctypes.PyDLL(PROBE), ctypes.CDLL(PROBE)
SIZE = 1 << 20
CALLBACK = ctypes.CFUNCTYPE(None)


def probe(library=held, times=1):
    text = ctypes.create_string_buffer(SIZE)
    library.frames_here(text, SIZE, times)
    return text.value.decode()


def python_says(frame=None):
    """[(qualified name, file, line)], leaf first, of the caller."""
    frame = frame or sys._getframe(1)
    stack = []
    while frame is not None:
        # A lone surrogate, as in an undecodable file name, cannot be UTF-8.
        names = (frame.f_code.co_qualname, frame.f_code.co_filename)
        qualname, file = ("".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in name) for name in names)
        stack.append((qualname, file, frame.f_lineno or 0))
        frame = frame.f_back
    return stack


def parse(said):
    runs, natives, spliced, ends = [], [], [], []
    for line in said.splitlines():
        kind, *rest = line.split("\t")
        if kind == "run":
            runs.append((int(rest[0]), []))
        elif kind == "frame":
            runs[-1][1].append((rest[0], rest[1], int(rest[2])))
        elif kind == "native":
            natives.append((int(rest[0]), int(rest[1]), rest[2]))
        elif kind == "splice":
            spliced.append((rest[0], int(rest[1])))
        elif kind == "walk":
            ends.append(rest[0])
        else:
            raise AssertionError(said)
    return runs, natives, spliced, ends


class Disagreement(Exception):
    pass


LOOP = "_PyEval_EvalFrameDefault"


def agree(said, expected):
    """probe() itself is the leaf of what was said, and not part of what is expected."""
    agree.count += 1
    runs, natives, spliced, ends = parse(said)
    frames = [frame for _, run in runs for frame in run]
    if frames and frames[0][0] == "probe":
        del frames[0]
    if frames != expected:
        raise Disagreement(f"\nsaid     {frames}\nexpected {expected}")
    entries = [entry for entry, _ in runs]
    if entries != sorted(set(entries)):
        raise Disagreement(f"entries do not rise: {entries}")
    # On the native stack as libgcc walks it, each run lies in a frame of its own, and
    # each activation of the loop has one. (Where the compiler split the loop, the part
    # that called has no name of its own.)
    holders = [[native for native in natives if native[0] <= entry < native[1]] for entry in entries]
    loops = [native for native in natives if native[2] == LOOP]
    holds = [native for holder in holders for native in holder]
    if any(len(holder) != 1 for holder in holders) or len(set(holds)) != len(holds) or not set(loops) <= set(holds):
        raise Disagreement(f"entries {entries}, native frames {natives}")
    if any(symbol not in (LOOP, "") for _, _, symbol in holds):
        raise Disagreement(f"not in the loop: {holds}")
    # The walk of the whole stack has the same runs, each after the loop that runs it.
    # Its last native frames have no run behind them.
    after = [(symbol, count) for symbol, count in spliced if count]
    if [count for _, count in after] != [len(run) for _, run in runs if run] or ends != ["Complete"] * bool(runs):
        raise Disagreement(f"spliced {spliced}, {ends}")
    if any(symbol not in (LOOP, "") for symbol, _ in after):
        raise Disagreement(f"not after the loop: {spliced}")
    return len(runs)


agree.count = 0

CASES = {}


def case(function):
    """Makes a function a case; they are run in order."""
    CASES[function.__name__] = function
    return function
