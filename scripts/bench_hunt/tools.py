"""The heap trackers that are compared: how each is started, and what it says afterwards."""

import json
import os
import pathlib
import shutil
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass

from benching import launch
from benching.build import ROOT, said

from bench_hunt import stacks
from bench_hunt.workloads import OUT, PYTHON, SOURCES, Workload

OURS = OUT / "ours"
AGENT, FFIKIT = OURS / "libffikit_agent.so", OURS / "ffikit"
MEMRAY = PYTHON.with_name("memray")

Arguments = Callable[[list[str], pathlib.Path], list[str]]
Environment = Callable[[pathlib.Path], dict[str, str]]


@dataclass(frozen=True)
class Tool:
    """One tracker, used in one way; folder is where a run's files go.

    files matches what it leaves. report gives the command that makes text of that,
    and shown the text that of reads stacks from: by default the report's.
    """

    name: str
    what: str
    wrap: Arguments = lambda argv, folder: argv
    environment: Environment = lambda folder: {}
    files: str = ""
    report: Callable[[Workload, pathlib.Path], list[str]] | None = None
    shown: Callable[[Workload, pathlib.Path], list[str]] | None = None
    of: Callable[[str], list[stacks.Stack]] | None = None
    only: str = ""  # a language: the tool can do no other
    counts: bool = False  # whether allocations are counted, to compare with the workload's own
    nothing: str = "it wrote no file"  # what a run without files means


def prepare() -> None:
    """Copies ffikit and its agent, which may be built anew meanwhile."""
    OURS.mkdir(parents=True, exist_ok=True)
    for source, to in ((ROOT / "build/lib/libffikit_agent.so", AGENT), (ROOT / "bin/ffikit", FFIKIT)):
        if not source.exists():
            raise SystemExit(f"bench-hunt: {source} is missing; run make agent command first")
        new = to.with_suffix(".new")
        shutil.copy2(source, new)
        new.replace(to)


def library(name: str) -> str:
    """A shared library as Debian installs it; its name where it is elsewhere."""
    path = pathlib.Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH")) / name
    return str(path) if path.exists() else name


def only_file(folder: pathlib.Path, pattern: str) -> str:
    """The file of a run; of several, the largest."""
    return str(max(folder.glob(pattern), key=lambda path: path.stat().st_size))


def program(workload: Workload) -> str:
    """The ELF file that runs."""
    return os.path.realpath(workload.command[0])


def tracked(sample: str = "") -> Environment:
    """The agent's environment."""

    def environment(folder: pathlib.Path) -> dict[str, str]:
        more = {"FFIKIT_HUNT_SAMPLE": sample} if sample else {}
        return {"LD_PRELOAD": str(AGENT), "FFIKIT_HUNT": str(folder / "heap"), **more}

    return environment


def read_ours(text: str) -> list[stacks.Stack]:
    """Of JSON."""
    return stacks.of_hunt(json.loads(text))


def ours() -> list[Tool]:
    """The agent alone, and the command that is used in earnest."""

    def report(workload: Workload, folder: pathlib.Path) -> list[str]:
        return [str(FFIKIT), "hunt", "report", "--no-cache", "--trust-paths", only_file(folder, "heap.*")]

    def shown(workload: Workload, folder: pathlib.Path) -> list[str]:
        return [*report(workload, folder), "--json"]

    def hunted(argv: list[str], folder: pathlib.Path) -> list[str]:
        kept = ["--keep-traces", str(folder / "traces"), "-o", str(folder / "result.json"), "--no-cache"]
        return [str(FFIKIT), "hunt", *kept, "--", *argv]

    def again(workload: Workload, folder: pathlib.Path) -> list[str]:
        return [str(FFIKIT), "hunt", "report", str(folder / "result.json")]

    def as_json(workload: Workload, folder: pathlib.Path) -> list[str]:
        return [*again(workload, folder), "--json"]

    full = "the agent, every allocation; its report reads the trace and all debug information anew"
    sampled = "the agent, one allocation in 512 KiB on average; counts are estimates"
    whole = "`ffikit hunt -- COMMAND`: the agent, ffikit watching, and the report; `hunt report` of the result it kept"
    return [
        Tool(
            "ours, full",
            full,
            environment=tracked(),
            files="heap.*",
            report=report,
            shown=shown,
            of=read_ours,
            counts=True,
        ),
        Tool(
            "ours, sampled",
            sampled,
            environment=tracked("524288"),
            files="heap.*",
            report=report,
            shown=shown,
            of=read_ours,
        ),
        Tool(
            "ffikit hunt",
            whole,
            wrap=hunted,
            files="traces/*",
            report=again,
            shown=as_json,
            of=read_ours,
            counts=True,
            environment=lambda folder: {"FFIKIT_AGENT": str(AGENT)},
        ),
    ]


def memray(native: bool) -> Tool:
    """memray, which starts Python itself."""

    def wrap(argv: list[str], folder: pathlib.Path) -> list[str]:
        return [
            str(MEMRAY),
            "run",
            *(["--native"] if native else []),
            "-q",
            "-f",
            "-o",
            str(folder / "memray.bin"),
            *argv[1:],
        ]

    return Tool(
        "memray --native" if native else "memray",
        f"{said(MEMRAY, '--version').strip()}{', native frames too' if native else ''}; its report: `stats`",
        wrap=wrap,
        files="memray.bin",
        report=lambda workload, folder: [str(MEMRAY), "stats", str(folder / "memray.bin")],
        shown=lambda workload, folder: [str(PYTHON), str(SOURCES / "memray-leaks.py"), str(folder / "memray.bin")],
        of=stacks.of_memray,
        only="python",
    )


def jemalloc(name: str, what: str, sample: int) -> Tool:
    """jemalloc's own profile, written when the program ends."""

    def environment(folder: pathlib.Path) -> dict[str, str]:
        options = f"prof:true,prof_final:true,lg_prof_sample:{sample},prof_prefix:{folder / 'jeprof'}"
        return {"LD_PRELOAD": library("libjemalloc.so.2"), "MALLOC_CONF": options}

    def report(workload: Workload, folder: pathlib.Path) -> list[str]:
        return ["jeprof", "--collapsed", program(workload), only_file(folder, "jeprof.*")]

    return Tool(
        name,
        f"{what}; its report: `jeprof --collapsed`, the only one with stacks, which has no lines",
        environment=environment,
        files="jeprof.*",
        report=report,
        of=stacks.of_jeprof,
        nothing="no file: it writes at exit, which a Go program leaves without atexit handlers",
    )


def peers() -> list[Tool]:
    """All others."""
    heaptrack = ["heaptrack_print", "--merge-backtraces", "0", "-p", "0", "-a", "0", "-T", "0", "-l", "1", "-n", "200"]
    massif = said("valgrind", "--version").strip()
    return [
        Tool(
            "heaptrack",
            f"{said('heaptrack', '--version').strip()}; its report: `heaptrack_print`, leaks only",
            wrap=lambda argv, folder: ["heaptrack", "-o", str(folder / "heaptrack"), *argv],
            files="heaptrack*",
            report=lambda workload, folder: [*heaptrack, "-f", only_file(folder, "heaptrack*")],
            of=stacks.of_heaptrack,
        ),
        memray(False),
        memray(True),
        jemalloc("jemalloc, sampled", "libjemalloc2, profiling one allocation in 512 KiB, its default", 19),
        jemalloc("jemalloc, every byte", "the same, every allocation", 0),
        Tool(
            "massif",
            f"{massif}; its report: `ms_print`",
            wrap=lambda argv, folder: ["valgrind", "--tool=massif", f"--massif-out-file={folder / 'massif'}", *argv],
            files="massif",
            report=lambda workload, folder: ["ms_print", str(folder / "massif")],
            shown=lambda workload, folder: ["cat", str(folder / "massif")],
            of=stacks.of_massif,
        ),
        Tool(
            "LeakSanitizer",
            "gcc's liblsan, preloaded; what nothing points to, told at the exit; no report to make afterwards",
            environment=lambda folder: {
                "LD_PRELOAD": library("liblsan.so.0"),
                "LSAN_OPTIONS": f"exitcode=0:log_path={folder / 'lsan'}",
            },
            files="lsan.*",
            shown=lambda workload, folder: ["cat", only_file(folder, "lsan.*")],
            of=stacks.of_lsan,
            nothing="it reported nothing",
        ),
    ]


def every() -> list[Tool]:
    """The plain run first, then ours, then the others."""
    launch.build()
    return [Tool("plain", "no tracker"), *ours(), *peers()]
