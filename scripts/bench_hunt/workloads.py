"""What is measured: seven programs that leak on purpose, built into build/bench-hunt."""

import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from benching.build import ROOT, once, run, said

SOURCES = ROOT / "ci/bench-hunt"
OUT = ROOT / "build/bench-hunt"
BUILT = OUT / "workloads"
PYTHON = OUT / "venv/bin/python"
LOAD = BUILT / "load"


@dataclass(frozen=True)
class Leak:
    """Where a workload leaks: the allocating side, and the line that called it.

    callee is a pattern of a frame's function and place; caller is the calling
    function's name, file and line are where it calls.
    """

    callee: str
    caller: str
    file: str
    line: int


@dataclass(frozen=True)
class Workload:
    """One program. aim is that of full tracking's CPU, as a ratio; None where none was set."""

    name: str
    what: str
    language: str  # c, rust, go or python: what the process is
    command: list[str]
    counts: tuple[int, int]  # in full, and with --quick
    leak: Leak
    aim: float | None = None
    more: tuple[str, ...] = ()  # arguments behind the count
    connections: int = 0  # of the load generator; 0: no service

    def argv(self, quick: bool, folder: pathlib.Path) -> list[str]:
        """The command line; a service writes its address into folder."""
        file = [str(address_file(folder))] if self.connections else []
        return [*self.command, str(self.count(quick)), *file, *self.more]

    def count(self, quick: bool) -> int:
        """How many rounds or requests."""
        return self.counts[1 if quick else 0]


def address_file(folder: pathlib.Path) -> pathlib.Path:
    """Where a service says where it listens."""
    return folder / "address"


def line_of(path: pathlib.Path, marker: str) -> int:
    """The line that ends with the marker, in a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    [line] = [
        n
        for n, text in enumerate(lines, 1)
        if text.rstrip(" */").endswith((f"// {marker}", f"* {marker}", f"# {marker}"))
    ]
    return line


def leak(callee: str, caller: str, source: str, marker: str = "LEAK_CALLER") -> Leak:
    """A leak whose call is marked in a file of ci/bench-hunt."""
    path = SOURCES / source
    return Leak(callee, caller, path.name, line_of(path, marker))


def compiled(name: str, source: str, *argv: str) -> pathlib.Path:
    """A file that a compiler makes of one source; argv ends where the source and -o follow."""
    path = BUILT / name
    version = said(argv[0], "--version")
    recipe = [version, *argv, (SOURCES / source).read_text(encoding="utf-8")]
    once(path.with_suffix(".stamp"), recipe, lambda: run(*argv, SOURCES / source, "-o", path))
    return path


def gone(name: str, folder: str, cgo: bool) -> pathlib.Path:
    """What the go command builds of a module in ci/bench-hunt; it knows itself what is stale."""
    path = BUILT / name
    environment = os.environ | {"GOWORK": "off", "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "1" if cgo else "0"}
    run("go", "build", "-o", path, ".", cwd=SOURCES / folder, env=environment)
    return path


def venv() -> None:
    """The Python of the Python workloads, with lxml and memray."""
    wanted = SOURCES / "requirements.txt"

    def build() -> None:
        run("python3", "-m", "venv", "--clear", OUT / "venv")
        run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted)

    once(OUT / "venv.stamp", [said("python3", "-VV"), wanted.read_text(encoding="utf-8")], build)


def blocks() -> Workload:
    """C that only allocates and frees: the worst case."""
    path = compiled("blocks", "blocks.c", "gcc", "-O2", "-g")
    what = "malloc and free below a dozen C calls, one block in a hundred kept"
    at = leak("^keep ", "main", "blocks.c")
    return Workload("C", what, "c", [str(path)], (5_000_000, 300_000), at, 4)


def documents() -> Workload:
    """Python around lxml."""
    venv()
    command = [str(PYTHON), str(SOURCES / "documents.py")]
    at = leak("xml|etree", "work", "documents.py", "LEAK")
    what = "lxml makes, writes and reads documents, one in twenty kept"
    return Workload("Python", what, "python", command, (1_000, 60), at, 2.2)


def cgo() -> Workload:
    """Go that calls C."""
    path = gone("cgo", "cgo", True)
    what = "a Go program, two calls of C in each of its rounds"
    return Workload(
        "cgo", what, "go", [str(path)], (2_000_000, 100_000), leak("leak", "main.handle", "cgo/main.go"), 2.2
    )


def rust() -> Workload:
    """Rust as it comes."""
    path = compiled("work", "rust/work.rs", "rustc", "--edition", "2024", "-O", "-g", "-C", "codegen-units=1")
    what = "strings, vectors and maps that come and go"
    at = leak(r"\bkeep\b", "main", "rust/work.rs")
    return Workload("Rust", what, "rust", [str(path)], (150_000, 10_000), at, 4)


def threads() -> Workload:
    """Two threads, and blocks that change hands."""
    path = compiled("threads", "threads.c", "gcc", "-O2", "-g", "-pthread")
    what = "two threads in C, a third of the blocks freed by the other"
    return Workload("two threads", what, "c", [str(path)], (2_500_000, 150_000), leak("^keep ", "work", "threads.c"))


def go_service() -> Workload:
    """HTTP in Go, each answer made by C."""
    path = gone("service", "service", True)
    what = "Go's net/http under load, each answer made by a C library in 51 blocks"
    at = leak("store_remember", "main.render", "service/main.go")
    return Workload("Go service", what, "go", [str(path)], (40_000, 2_000), at, connections=4)


def python_service() -> Workload:
    """HTTP in Python, each answer counted by Rust."""
    venv()
    flags = ["--edition", "2024", "-O", "-g", "-C", "codegen-units=1", "--crate-type", "cdylib"]
    library = compiled("libextension.so", "extension.rs", "rustc", *flags)
    command = [str(PYTHON), str(SOURCES / "service.py")]
    what = "Python's http.server under load, each answer counted by a library in Rust"
    at = leak("remember|extension_count", "answer", "service.py")
    return Workload("Python service", what, "python", command, (6_000, 500), at, more=(str(library),), connections=2)


BY_NAME: dict[str, Callable[[], Workload]] = {
    "C": blocks,
    "Python": documents,
    "cgo": cgo,
    "Rust": rust,
    "two threads": threads,
    "Go service": go_service,
    "Python service": python_service,
}


def prepare(names: list[str]) -> list[Workload]:
    """Builds the workloads that are named, and the load generator."""
    BUILT.mkdir(parents=True, exist_ok=True)
    gone("load", "load", False)
    return [BY_NAME[name]() for name in names]
