"""The symbolizers that are compared: how each is built, called, and what its answers look like."""

import functools
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from benching import launch
from benching.build import once, run, said

from bench_symbolize.targets import COUNTS, CRATES, OUT, Target

ADDR2LINE = "0.27.1"
BLAZECLI = "0.1.14"
TOOLS = OUT / "tools"
OURS = OUT / "ours"
CACHE = OUT / "cache"

Command = Callable[[Target, bool], list[str]]


@dataclass(frozen=True)
class Tool:
    """One symbolizer, called in one way.

    command gives argv for a target, with or without demangling. separated is the
    same with each address told apart from the next, to read the answers by; None
    where nothing but speed is compared.
    """

    name: str
    what: str
    command: Command
    separated: Command | None = None
    style: str = "addr2line"  # or llvm, blaze: the form of the answers
    order: str = "random"  # or sorted
    arguments: bool = False  # addresses are arguments, not standard input
    demangles: tuple[bool, ...] = (False, True)
    inlines: bool = True
    environment: Callable[[Target], dict[str, str]] = lambda target: {}
    # Brought about before each run, unmeasured.
    before: Callable[[Target], None] | None = None
    # Counted apart: no addresses are looked up.
    builds_index: bool = False


def prepare(ffikit: pathlib.Path) -> None:
    """Builds the peers that are missing, and copies ffikit, which may be built anew meanwhile."""
    launch.build()
    TOOLS.joinpath("bin").mkdir(parents=True, exist_ok=True)
    for crate, version, more in (("addr2line", ADDR2LINE, ["--features", "bin"]), ("blazecli", BLAZECLI, [])):
        install = ["--locked", "--quiet", "--force", "--root", str(TOOLS), "--version", version, crate, *more]
        recipe = [crate, version, said("rustc", "--version"), *more]
        once(TOOLS / f"{crate}.stamp", recipe, functools.partial(run, "cargo", "install", *install, cwd=OUT))
    package = ["-p", "ffikit-bench-addr2line-buffered", "--target-dir", str(OUT / "cargo")]
    run("cargo", "build", "--quiet", "--release", "--locked", *package, cwd=CRATES)
    go = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    run("go", "build", "-o", TOOLS / "bin/go-debug", ".", cwd=CRATES / "go-debug", env=go)
    for stale in (OURS, CACHE):
        shutil.rmtree(stale, ignore_errors=True)
    OURS.mkdir(parents=True)
    shutil.copy2(ffikit, OURS / "ffikit")
    for name in ("addr2line", "llvm-symbolizer"):
        (OURS / name).symlink_to("ffikit")


def addr2line(program: pathlib.Path | str, *more: str) -> Command:
    """The command line that GNU's, the crate's and our addr2line take."""

    def command(target: Target, demangle: bool) -> list[str]:
        return [str(program), *more, "-f", "-i", *(["-C"] if demangle else []), "-e", str(target.path)]

    return command


def llvm(program: pathlib.Path | str, *more: str) -> Command:
    """The command line that llvm-symbolizer and ours take."""

    def command(target: Target, demangle: bool) -> list[str]:
        naming = "--demangle" if demangle else "--no-demangle"
        return [str(program), *more, naming, "-f", "-i", "-e", str(target.path)]

    return command


def library(target: Target, demangle: bool) -> list[str]:
    """The crate, called by ci/bench-symbolize/addr2line-buffered."""
    program = OUT / "cargo/release/ffikit-bench-addr2line-buffered"
    return [str(program), str(target.path), *(["-C"] if demangle else [])]


def none(target: Target) -> dict[str, str]:
    """No cache: the tools whose place we take have no option for it, and this can be no folder."""
    del target
    return {"FFIKIT_CACHE_DIR": os.devnull}


def scratch(target: Target) -> dict[str, str]:
    """A cache that empty_cache empties."""
    return {"FFIKIT_CACHE_DIR": str(CACHE / f"{target.name}-scratch")}


def warm(target: Target) -> dict[str, str]:
    """A cache that warm_cache filled."""
    return {"FFIKIT_CACHE_DIR": str(CACHE / target.name)}


def empty_cache(target: Target) -> None:
    """Leaves no index, so that the next run builds one."""
    shutil.rmtree(scratch(target)["FFIKIT_CACHE_DIR"], ignore_errors=True)


def warm_cache(target: Target) -> None:
    """Leaves the index of the target, as this run's ffikit makes it by itself when it is asked for much."""
    folder = pathlib.Path(warm(target)["FFIKIT_CACHE_DIR"])
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    command, environment = addr2line(OURS / "addr2line")(target, False), os.environ | warm(target)
    with target.addresses(max(COUNTS)).open() as given:
        subprocess.run(command, stdin=given, stdout=subprocess.DEVNULL, check=True, env=environment)
    if not any(file.stat().st_size > 4096 for file in folder.glob("*")):
        raise SystemExit(f"bench-symbolize: {target.name}: no index was made in {folder}")


def peers() -> list[Tool]:
    """All others."""
    crate, blaze, gnu = TOOLS / "bin/addr2line", TOOLS / "bin/blazecli", "/usr/bin/addr2line"
    of_gnu = said(gnu, "--version").splitlines()[0].split()[-1]
    of_llvm = next(line for line in said("llvm-symbolizer-19", "--version").splitlines() if "version" in line)
    return [
        Tool(
            "addr2line crate",
            f"the addr2line crate's command, {ADDR2LINE}",
            addr2line(crate),
            addr2line(crate, "-a"),
        ),
        Tool(
            "its library",
            f"the crate itself, {ADDR2LINE}: output buffered, addresses sorted beforehand",
            library,
            order="sorted",
        ),
        Tool(
            "llvm-symbolizer",
            f"LLVM {of_llvm.split()[-1]}",
            llvm("llvm-symbolizer-19"),
            llvm("llvm-symbolizer-19"),
            style="llvm",
        ),
        Tool(
            "GNU addr2line",
            f"binutils {of_gnu}",
            addr2line("/usr/bin/addr2line"),
            addr2line("/usr/bin/addr2line", "-a"),
        ),
        Tool(
            "blazecli",
            f"blazesym's command, {BLAZECLI}; it always demangles",
            lambda target, demangle: [str(blaze), "symbolize", "elf", "--path", str(target.path)],
            lambda target, demangle: [str(blaze), "symbolize", "elf", "--path", str(target.path)],
            style="blaze",
            arguments=True,
        ),
        Tool(
            "Go's debug/*",
            "Go's debug/elf and debug/dwarf in a small driver; no inlined frames",
            lambda target, demangle: [str(TOOLS / "bin/go-debug"), str(target.path)],
            lambda target, demangle: [str(TOOLS / "bin/go-debug"), str(target.path)],
            demangles=(False,),
            inlines=False,
        ),
    ]


def ours() -> list[Tool]:
    """ffikit in each way: without and with its index, as either tool, and what building the index costs."""
    as_addr2line, as_llvm = OURS / "addr2line", OURS / "llvm-symbolizer"
    return [
        Tool(
            "ffikit",
            "ffikit called as addr2line, without its cache",
            addr2line(as_addr2line),
            addr2line(as_addr2line, "-a"),
            environment=none,
        ),
        Tool(
            "ffikit, indexed",
            "the same, with its index in the cache",
            addr2line(as_addr2line),
            addr2line(as_addr2line, "-a"),
            environment=warm,
            before=warm_cache,
        ),
        Tool(
            "ffikit, sorted",
            "the first one, given the sorted addresses that the crate's library is given",
            addr2line(as_addr2line),
            order="sorted",
            environment=none,
        ),
        Tool(
            "ffikit, indexed, sorted",
            "the second one, given the same",
            addr2line(as_addr2line),
            order="sorted",
            environment=warm,
            before=warm_cache,
        ),
        Tool(
            "ffikit as llvm",
            "ffikit called as llvm-symbolizer, without its cache",
            llvm(as_llvm),
            llvm(as_llvm),
            style="llvm",
            environment=none,
        ),
        Tool(
            "ffikit as llvm, indexed",
            "the same, with its index",
            llvm(as_llvm),
            llvm(as_llvm),
            style="llvm",
            environment=warm,
            before=warm_cache,
        ),
        Tool(
            "ffikit, index build",
            "`ffikit cache build FILE`",
            lambda target, demangle: [str(OURS / "ffikit"), "cache", "build", str(target.path)],
            demangles=(False,),
            environment=scratch,
            before=empty_cache,
            builds_index=True,
        ),
    ]


def every() -> list[Tool]:
    """Ours first, then the others."""
    return [*ours(), *peers()]
