"""The symbolizers that are compared: how each is built, called, and what its answers look like."""

import functools
import os
import pathlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from bench_symbolize.targets import CRATES, OUT, ROOT, Target, once, run, said

ADDR2LINE = "0.27.1"
BLAZECLI = "0.1.14"
TOOLS = OUT / "tools"
OURS = OUT / "ours"
CACHE = OUT / "cache"
LAUNCH = TOOLS / "bin/launch"

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


def prepare() -> None:
    """Builds the peers that are missing, and copies ffikit, which others may be building anew."""
    gnu = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-static"]
    TOOLS.joinpath("bin").mkdir(parents=True, exist_ok=True)
    source = CRATES / "launch.c"
    once(LAUNCH.with_suffix(".stamp"), [source.read_text()], lambda: run("gcc", *gnu, source, "-o", LAUNCH))
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
    shutil.copy2(ROOT / "bin/ffikit", OURS / "ffikit")
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


def scratch(target: Target) -> dict[str, str]:
    """A cache that empty_cache empties."""
    return {"XDG_CACHE_HOME": str(CACHE / f"{target.name}-scratch")}


def warm(target: Target) -> dict[str, str]:
    """A cache that warm_cache filled."""
    return {"XDG_CACHE_HOME": str(CACHE / target.name)}


def empty_cache(target: Target) -> None:
    """Leaves no index, so that the next run builds one."""
    folder = pathlib.Path(scratch(target)["XDG_CACHE_HOME"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def warm_cache(target: Target) -> None:
    """Leaves the index of the target, built by this run's ffikit."""
    folder = pathlib.Path(warm(target)["XDG_CACHE_HOME"])
    if not folder.exists():
        folder.mkdir(parents=True)
        run(OURS / "ffikit", "cache", "build", target.path, env=os.environ | warm(target))


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
            "ffikit called as addr2line, `--no-cache`",
            addr2line(as_addr2line, "--no-cache"),
            addr2line(as_addr2line, "--no-cache", "-a"),
        ),
        Tool(
            "ffikit, indexed",
            "the same, with the index of `ffikit cache build`",
            addr2line(as_addr2line),
            addr2line(as_addr2line, "-a"),
            environment=warm,
            before=warm_cache,
        ),
        Tool(
            "ffikit as llvm",
            "ffikit called as llvm-symbolizer, `--no-cache`",
            llvm(as_llvm, "--no-cache"),
            llvm(as_llvm, "--no-cache"),
            style="llvm",
        ),
        Tool(
            "ffikit as llvm, indexed",
            "the same, with the index",
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
