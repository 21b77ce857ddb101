"""The files that are symbolized, built from what package registries hold, and the addresses.

Everything lies in build/bench-symbolize/{targets,addresses} and is built once: a
file is built anew when its recipe or its compiler changes.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass

from benching.build import ROOT, once, run, said

CRATES = ROOT / "ci/bench-symbolize"
OUT = ROOT / "build/bench-symbolize"
TARGETS = OUT / "targets"
ADDRESSES = OUT / "addresses"

RIPGREP = "15.2.0"
SEED = 5
COUNTS = (1, 1_000, 100_000)
# The first of the random addresses, one by one: which unit a single address
# falls into decides what it costs, so each round asks for another one.
SINGLES = 15


@dataclass(frozen=True)
class Target:
    """A file with debug information, and what it is, for the page."""

    name: str
    path: pathlib.Path
    what: str

    def addresses(self, count: int, order: str = "random") -> pathlib.Path:
        """The list of `count` addresses, one a line; order is random or sorted."""
        return ADDRESSES / f"{self.name}.{count}.{order}.txt"

    def single(self, index: int) -> pathlib.Path:
        """One address, another one for each index."""
        return ADDRESSES / f"{self.name}.single.{index % SINGLES}.txt"


def crate_folder(name: str) -> pathlib.Path:
    """Where Cargo unpacked a crate that ci/bench-symbolize/sources names."""
    listed = json.loads(said("cargo", "metadata", "--locked", "--format-version", "1", cwd=CRATES))
    [manifest] = [package["manifest_path"] for package in listed["packages"] if package["name"] == name]
    return pathlib.Path(manifest).parent


def go_compiler() -> Target:
    """Go's own compiler: 20 MB of code or so, DWARF 5 in zlib sections, and a pclntab."""
    path = TARGETS / "go-compile"
    version = said("go", "env", "GOVERSION").strip()

    def build() -> None:
        run("go", "build", "-o", path, "cmd/compile", env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": ""})

    once(path.with_suffix(".stamp"), ["go build cmd/compile", version], build)
    return Target("go", path, f"Go's compiler, `go build cmd/compile` of {version}")


def rust_debug() -> Target:
    """A debug build of ripgrep: many small units, DWARF 4, little inlined."""
    path = TARGETS / "rust-ripgrep"
    version = said("rustc", "--version").split()[1]

    def build() -> None:
        root = OUT / "cargo-install"
        arguments = ["--locked", "--quiet", "--debug", "--force", "--version", RIPGREP, "ripgrep"]
        run("cargo", "install", "--root", root, *arguments, cwd=OUT)
        shutil.move(root / "bin/rg", path)

    once(path.with_suffix(".stamp"), ["cargo install --debug ripgrep", RIPGREP, version], build)
    return Target("rust", path, f"ripgrep {RIPGREP}, a debug build by rustc {version}")


def c_library() -> Target:
    """The CPython that runs this, if it is a shared library with debug information; else SQLite."""
    asked = "import sysconfig as s; print(s.get_config_var('LIBDIR'), s.get_config_var('INSTSONAME'), sep='/')"
    path = TARGETS / "c-library"
    python = pathlib.Path(said("python3", "-c", asked).strip())
    if ".so" in python.name and python.is_file() and ".debug_info" in sections(python):
        digest = hashlib.sha256(python.read_bytes()).hexdigest()
        once(path.with_suffix(".stamp"), ["copy", digest], lambda: run("cp", python, path))
        compiler = said("readelf", "-p", ".comment", path).split("GCC: ")[-1].split("\n")[0]
        return Target("c", path, f"{python.name}, by gcc {compiler}")
    version = said("gcc", "-dumpfullversion").strip()
    source = crate_folder("libsqlite3-sys") / "sqlite3/sqlite3.c"
    flags = ["-O2", "-g", "-fPIC", "-shared"]
    once(
        path.with_suffix(".stamp"),
        [*flags, str(source), version],
        lambda: run("gcc", *flags, source, "-o", path),
    )
    return Target("c", path, f"SQLite's amalgamation ({source.parent.parent.name}), one unit, by gcc {version} -O2 -g")


def cpp_library() -> Target:
    """HarfBuzz, unit by unit: templates, and inlining ten deep."""
    path = TARGETS / "cpp-harfbuzz"
    crate = crate_folder("harfbuzz-sys")
    version = said("g++", "-dumpfullversion").strip()
    flags = ["-std=c++17", "-O2", "-g", "-fPIC", "-w"]

    def build() -> None:
        objects = OUT / "harfbuzz"
        shutil.rmtree(objects, ignore_errors=True)
        objects.mkdir(parents=True)
        # hb-subset*.cc are a library of their own, which takes longest to compile.
        units = [u for u in sorted((crate / "harfbuzz/src").glob("hb-*.cc")) if not u.name.startswith("hb-subset")]
        jobs = [[*flags, "-c", str(u), "-o", str(objects / (u.stem + ".o"))] for u in units]
        run("xargs", "-P", str(os.cpu_count()), "-L", "1", "-a", write_jobs(objects / "jobs", jobs), "g++")
        run("g++", "-shared", *sorted(objects.glob("*.o")), "-o", path)

    once(path.with_suffix(".stamp"), [*flags, crate.name, version], build)
    return Target("cpp", path, f"HarfBuzz ({crate.name}), by g++ {version} -O2 -g")


def write_jobs(path: pathlib.Path, jobs: list[list[str]]) -> pathlib.Path:
    """A command line a line, as xargs -L reads them."""
    path.write_text("".join(" ".join(f'"{a}"' for a in job) + "\n" for job in jobs), encoding="utf-8")
    return path


def sections(path: pathlib.Path) -> dict[str, tuple[int, int]]:
    """Address and size of each section of a 64-bit little-endian ELF file."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return {}
    at, count, names = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 60)
    headers = [struct.unpack_from("<IIQQQQ", data, at + 64 * i) for i in range(count)]
    strings = headers[names][4]
    found = {}
    for name, _, _, address, _, size in headers:
        start = strings + name
        found[data[start : data.index(b"\0", start)].decode()] = (address, size)
    return found


def write_addresses(target: Target) -> None:
    """Random addresses of .text, the same for the same file on every machine."""
    start, size = sections(target.path)[".text"]
    stamp = ADDRESSES / f"{target.name}.stamp"

    def build() -> None:
        generator = random.Random(SEED)
        drawn = [start + generator.randrange(size) for _ in range(max(COUNTS))]
        for count in COUNTS:
            for order, chosen in (("random", drawn[:count]), ("sorted", sorted(drawn[:count]))):
                target.addresses(count, order).write_text("".join(f"{a:#x}\n" for a in chosen), encoding="ascii")
        for index in range(SINGLES):
            target.single(index).write_text(f"{drawn[index]:#x}\n", encoding="ascii")

    once(stamp, [str(SEED), hex(start), str(size), str(COUNTS), str(SINGLES)], build)


TARGETS_BY_NAME: dict[str, Callable[[], Target]] = {
    "go": go_compiler,
    "rust": rust_debug,
    "c": c_library,
    "cpp": cpp_library,
}


def prepare(names: list[str]) -> list[Target]:
    """Builds the targets that are named, and their addresses."""
    targets = [TARGETS_BY_NAME[name]() for name in names]
    for target in targets:
        write_addresses(target)
    return targets
