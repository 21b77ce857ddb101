"""What scripts/bench-symbolize makes of answers: read whole, and unknown is no agreement."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
answers: Any = importlib.import_module("bench_symbolize.answers")
agreement: Any = importlib.import_module("bench_symbolize.agreement")
tools: Any = importlib.import_module("bench_symbolize.tools")

INNER, OUTER = ("inner", "/src/a.h", 7), ("outer", "/src/b.c", 40)
NOTHING = ("??", "??", 0)

FORMS = {
    "addr2line": "0x01\ninner\n/src/x/../a.h:7 (discriminator 3)\nouter\n/src/b.c:40\n"
    "0x02\n??\n??:0\n0x03\ninner\n/src/a.h:?\n",
    "llvm": "inner\n/src/./a.h:7:3\nouter\n/src/b.c:40:1\n\n??\n??:0:0\n\ninner\n/src/a.h:0:5\n\n",
    "blaze": "0x01: outer @ 0x0+0x1 /src/b.c:40:1\n      inner @ /src/a.h:7:3 [inlined]\n"
    "0x02: <no-symbol>\n0x03: inner @ 0x0+0x3 /src/a.h\n",
}


@pytest.mark.parametrize("style", FORMS)
def test_all_forms_are_read_as_the_same_frames(style: str) -> None:
    read = answers.read(FORMS[style], style, True)
    assert read == [(INNER, OUTER), (NOTHING,), (("inner", "/src/a.h", 0),)]


def test_pairs_are_innermost_frames() -> None:
    assert answers.read("outer\n/src/a.h:7\n??\n??:0\n", "addr2line", False) == [
        (("outer", "/src/a.h", 7),),
        (NOTHING,),
    ]


def frames(*given: tuple[str, str, int]) -> Any:
    return tuple(answers.Frame(*frame) for frame in given)


def tool(**more: Any) -> Any:
    return tools.Tool("t", "", lambda target, demangle: [], **more)


@pytest.mark.parametrize(
    ("theirs", "ours", "classes"),
    [
        ([INNER, OUTER], [INNER, OUTER], []),
        ([NOTHING], [NOTHING], []),
        ([NOTHING], [INNER], ["function: known to the tool alone", "line: known to the tool alone"]),
        ([INNER, OUTER], [OUTER], ["depth: llvm goes further in"]),
        ([OUTER], [INNER, OUTER], ["depth: the tool goes further in"]),
        ([("f.cold", "/a.c", 1)], [("f", "/a.c", 1)], ["name of the function itself: a suffix such as .cold"]),
        ([INNER, OUTER], [("other", "/src/a.h", 7), OUTER], ["name of an inlined one: another"]),
        ([INNER, OUTER], [INNER, ("outer", "/src/b.c", 41)], ["call site: another line"]),
        ([INNER], [("inner", "/else/a.h", 7)], ["innermost: another folder"]),
        ([INNER], [("inner", "/src/b.h", 7)], ["innermost: another file"]),
        ([INNER], [("inner", "/src/a.h", 0)], ["line: known to llvm alone"]),
        ([("f", "/a.c", 0)], [("f", "??", 0)], ["innermost: a file without line for llvm alone"]),
    ],
)
def test_every_difference_has_its_class(theirs: Any, ours: Any, classes: list[str]) -> None:
    assert agreement.differences(frames(*theirs), frames(*ours), tool()) == classes


def test_two_that_know_nothing_do_not_agree() -> None:
    counted = agreement.Agreement(2)
    agreement.count_one(counted, frames(NOTHING), frames(NOTHING), tool())
    agreement.count_one(counted, frames(NOTHING), frames(INNER), tool())
    assert (counted.both_function, counted.function, counted.both_line, counted.line, counted.whole) == (0, 0, 0, 0, 0)
    assert (counted.only_tool_function, counted.only_tool_line) == (1, 1)
