"""What scripts/bench-hunt makes of each tracker's output: the same stacks, and a fair verdict on them."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
stacks: Any = importlib.import_module("bench_hunt.stacks")
measure: Any = importlib.import_module("bench_hunt.measure")
workloads: Any = importlib.import_module("bench_hunt.workloads")
LEAK = workloads.Leak("^keep ", "main", "a.c", 30)

HUNT = {
    "samples": [
        {
            "allocations": 3,
            "frees": 1,
            "stack": {
                "frames": [
                    {"function": "keep", "file": "/src/a.c", "line": 20},
                    {"function": "main", "file": "/src/a.c", "line": 30},
                ]
            },
        },
        {"allocations": 4, "frees": 4, "stack": {"frames": [{"function": "krate::keep"}]}},
    ]
}
OUTPUTS = {
    "hunt": json.dumps(HUNT),
    "heaptrack": "reading file\n\nMEMORY LEAKS\n"
    "1.0M leaked over 2 calls from\n  keep\n    at /src/a.c:20\n    in /bin/a\n"
    "  main\n    at /src/a.c:30\n    in /bin/a\n\ntotal runtime: 1s.\n",
    "memray": '[[["keep", "/src/a.c:20"], ["main", "/src/a.c:30"]]]',
    "massif": "heap_tree=peak\nn2: 300 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.\n"
    " n1: 200 0x109292: keep (a.c:20)\n  n0: 200 0x1092F4: main (a.c:30)\n"
    " n0: 100 in 2 places, all below massif's threshold (1.00%)\n",
    "lsan": "Direct leak of 200 byte(s) in 2 object(s) allocated from:\n    #0 0x564a3be0932d in keep /src/a.c:20\n"
    "    #1 0x564a3be0932e in main /src/a.c:30\n\nSUMMARY: LeakSanitizer: 200 byte(s) leaked\n",
}


def read(tool: str, text: str) -> Any:
    return getattr(stacks, f"of_{tool}")(json.loads(text) if tool == "hunt" else text)


@pytest.mark.parametrize("tool", OUTPUTS)
def test_all_outputs_are_read_as_the_same_stack(tool: str) -> None:
    found = read(tool, OUTPUTS[tool])
    assert [[frame.function for frame in stack] for stack in found] == [["keep", "main"]]
    assert [frame.place.rpartition("/")[2] for frame in found[0]] == ["a.c:20", "a.c:30"]
    assert stacks.boundary(found, LEAK) == stacks.Boundary(4, "yes", 2)


def test_collapsed_stacks_have_names_only() -> None:
    found = stacks.of_jeprof("Using local file a.\nmain<0000000000001080>;keep<0000000000001320> 200\n")
    assert [[frame.function for frame in stack] for stack in found] == [["keep", "main"]]
    assert stacks.boundary(found, LEAK).text == "no line of the caller"


@pytest.mark.parametrize(
    ("frames", "verdict"),
    [
        ([("keep", "/src/a.c:20"), ("main", "/src/a.c:301")], "no line of the caller"),
        ([("keep", "/src/a.c:20"), ("other", "/src/a.c:30")], "yes"),
        ([("keep", "/src/a.c:20"), ("other", "/src/b.c:30")], "callee only"),
        ([("main", "/src/a.c:30"), ("keep", "/src/a.c:20")], "callee only"),
        ([("main", "/src/a.c:30")], "caller only"),
        ([("other", "/src/a.c:31")], "not shown"),
        ([], "not shown"),
    ],
)
def test_only_the_callers_own_line_behind_the_callee_counts(frames: list[tuple[str, str]], verdict: str) -> None:
    assert stacks.boundary([[stacks.Frame(*frame) for frame in frames]], LEAK).text == verdict


def test_allocations_are_those_below_the_function_whatever_its_path() -> None:
    assert stacks.allocations(HUNT, "keep") == 7
    assert stacks.allocations(HUNT, "eep") == 0


def test_a_workload_says_what_it_allocated() -> None:
    assert measure.expected("12\nallocations keep 3\nallocations make x y\n") == {"keep": 3}


def test_markers_name_one_line_each() -> None:
    for source, marker in (("blocks.c", "LEAK_CALLER"), ("cgo/main.go", "LEAK_CALLER"), ("documents.py", "LEAK")):
        path = workloads.SOURCES / source
        assert marker in path.read_text(encoding="utf-8").splitlines()[workloads.line_of(path, marker) - 1]
