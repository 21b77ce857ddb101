"""consumer.py WORK CHECKOUT: a user of the installed package.

Run by scripts/package-wheel in a fresh environment: asks real questions and
checks the answers. WORK holds a program (shapes, shapes.c, shapes.nm) and a
foreign libffikit; CHECKOUT must be out of reach. Closing line: "N passed, N
failed".
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path

WORK, CHECKOUT = map(Path, sys.argv[1:3])
SHAPES = WORK / "shapes"
SCRIPTS = Path(sysconfig.get_path("scripts"))
LOG = """\
==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55d0c0de1000 bp 0x7 sp 0x8
READ of size 4 at 0x602000000010 thread T0
    #0 0x55d0c0de0fff in consume /src/app/consumer.c:41:9
    #1 0x55d0c0de2000 in main /src/app/main.c:12:3

SUMMARY: AddressSanitizer: heap-use-after-free /src/app/consumer.c:41:9 in consume
==7==ABORTING
"""


def address() -> int:
    """Where nm saw the function area."""
    [line] = [line for line in (WORK / "shapes.nm").read_text().splitlines() if line.endswith(" area")]
    return int(line.split()[0], 16)


def source_line() -> int:
    """Which line of shapes.c carries its marker."""
    lines = (WORK / "shapes.c").read_text().splitlines()
    [number] = [number for number, line in enumerate(lines, 1) if "/* AREA */" in line]
    return number


def mapped() -> set[str]:
    """The files called libffikit in this process."""
    with open("/proc/self/maps") as maps:
        return {line.split(None, 5)[5].strip() for line in maps if "libffikit" in line}


def the_checkout_go_and_rust_are_out_of_reach() -> None:
    assert not os.path.exists(CHECKOUT / "Makefile")
    assert not any(map(shutil.which, ("go", "cargo", "rustc")))


def import_loads_nothing() -> None:
    import ffikit

    assert Path(ffikit.__file__).is_relative_to(sys.prefix), ffikit.__file__
    assert mapped() == set()
    assert ffikit.__version__ == importlib.metadata.version("ffikit")


def an_address_becomes_a_source_line() -> None:
    import ffikit

    for api in (ffikit, ffikit.rust):
        with api.Symbolizer() as symbolizer:
            [[frame]] = symbolizer.resolve(SHAPES, [address()])
        assert frame.function == "area", frame
        assert Path(frame.file).name == "shapes.c", frame
        assert frame.line == source_line(), frame


def a_log_becomes_a_finding() -> None:
    import ffikit

    for api in (ffikit, ffikit.rust):
        [finding] = report = api.Report.parse(LOG, source_root="/src/app")
        assert (finding.tool, finding.kind) == ("AddressSanitizer", "heap-use-after-free")
        frame = finding.stacks[finding.blame.stack].frames[finding.blame.frame]
        assert (frame.function, frame.file, frame.line) == ("consume", "/src/app/consumer.c", 41)
        assert "heap-use-after-free" in report.to_text()
        assert report.to_dict()["schema"] == "ffikit.report/1"


def both_extensions_share_one_runtime() -> None:
    import ffikit

    owner = ffikit.Symbolizer()
    guest = ffikit.rust.Symbolizer.sharing(owner)
    assert guest.__ffikit_handle__ == owner.__ffikit_handle__ != 0
    assert guest.resolve(SHAPES, [address()])[0][0].function == "area"
    owner.close()
    try:
        guest.resolve(SHAPES, [address()])
    except ffikit.HandleError:
        pass
    else:
        raise AssertionError("the Rust side did not notice that the handle was freed")
    assert mapped() == {ffikit.library_path()}
    assert Path(ffikit.library_path()).is_relative_to(Path(sys.prefix).resolve())


def names_are_demangled() -> None:
    import ffikit

    assert ffikit.demangle("_ZN3foo3barEi") == "foo::bar(int)"
    assert ffikit.rust.demangle("_RNvC7mycrate3foo") == "mycrate::foo"


def errors_say_what_and_where() -> None:
    import ffikit

    caught: FileNotFoundError | None = None
    try:
        ffikit.symbolize("/nonexistent/a.so", [1])
    except FileNotFoundError as error:
        caught = error
    assert isinstance(caught, ffikit.NotFoundError)
    assert "/nonexistent/a.so" in str(caught)


def a_forked_child_is_told() -> None:
    import ffikit

    child = os.fork()
    if child == 0:
        try:
            ffikit.demangle("_ZN3foo3barEi")
        except ffikit.ForkedError as error:
            os._exit(0 if "forkserver" in str(error) else 2)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def a_foreign_libffikit_on_the_path_does_not_win() -> None:
    code = "import ffikit; assert ffikit.demangle('_Z1fi') == 'f(int)'; print(ffikit.library_path())"
    environment = dict(os.environ, LD_LIBRARY_PATH=str(WORK / "foreign"))
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert Path(said.stdout.strip()).is_relative_to(Path(sys.prefix).resolve()), said.stdout


def the_command_runs() -> None:
    version = subprocess.run([SCRIPTS / "ffikit", "version"], check=True, capture_output=True, text=True)
    assert importlib.metadata.version("ffikit") in version.stdout, version.stdout
    found = subprocess.run(
        [sys.executable, "-m", "ffikit", "symbolize", "-"],
        input=LOG,
        check=False,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1, found
    assert "consumer.c:41" in found.stdout, found.stdout


def the_agent_lies_beside_the_command_and_is_silent_elsewhere() -> None:
    import ffikit

    agent = Path(ffikit.__file__).parent / "bin/libffikit_agent.so"
    environment = dict(os.environ, LD_PRELOAD=str(agent), FFIKIT_COMPANION=str(WORK / "stacks"))
    # The loader names what it cannot preload on standard error.
    said = subprocess.run(
        [sys.executable, "-c", "print('ran')"], env=environment, check=True, capture_output=True, text=True
    )
    assert (said.stdout, said.stderr) == ("ran\n", ""), said
    assert not list(WORK.glob("stacks.*"))


def types_and_licences_are_there() -> None:
    names = {str(file) for file in importlib.metadata.files("ffikit") or ()}
    assert {"ffikit/py.typed", "ffikit/_core.pyi", "ffikit/_rs.pyi", "ffikit/libffikit.so.0"} <= names
    licences = {name.rpartition("/")[2] for name in names if "licenses/" in name}
    assert licences == {"LICENSE", "LICENSE-THIRD-PARTY.txt"}, licences
    assert not any("testing" in name for name in names)


CHECKS: tuple[Callable[[], None], ...] = (
    the_checkout_go_and_rust_are_out_of_reach,
    import_loads_nothing,
    an_address_becomes_a_source_line,
    a_log_becomes_a_finding,
    both_extensions_share_one_runtime,
    names_are_demangled,
    errors_say_what_and_where,
    a_forked_child_is_told,
    a_foreign_libffikit_on_the_path_does_not_win,
    the_command_runs,
    the_agent_lies_beside_the_command_and_is_silent_elsewhere,
    types_and_licences_are_there,
)


def main() -> int:
    failed = 0
    for check in CHECKS:
        what = check.__name__.replace("_", " ")
        try:
            check()
        except BaseException:
            failed += 1
            print(f"FAIL {what}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"ok   {what}", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
