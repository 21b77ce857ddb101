"""Importing: what it costs, which library it takes, and whom it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROGRAMS, RunPython

import ffikit

MAPPED = """
def mapped():
    with open("/proc/self/maps") as maps:
        return sorted({line.split(None, 5)[5].strip() for line in maps if "libffikit" in line})
"""


SONAME = ["-Wl,-soname,libffikit.so.0"]


@pytest.fixture
def package() -> Path:
    return Path(ffikit.__file__).parent


def fake(folder: Path, abi: int) -> Path:
    """A libffikit.so.0 of somebody else, with the given ABI version."""
    folder.mkdir(exist_ok=True)
    library = folder / "libffikit.so.0"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f"-DABI={abi}", *SONAME, "-o", library, PROGRAMS / "foreign.c"],
        check=True,
    )
    return library


def test_import_loads_nothing(run_python: RunPython) -> None:
    run_python(
        MAPPED
        + """
import sys, threading, os
before = set(sys.modules)
import ffikit
loaded = set(sys.modules) - before
assert mapped() == [], mapped()
assert len(os.listdir("/proc/self/task")) == 1
# Nothing of the standard library either, but what "from __future__" needs.
assert loaded <= {"ffikit", "__future__"}, loaded
# Errors can be named in an except clause without loading the library.
ffikit.FfikitError
assert mapped() == [], mapped()
assert "ctypes" not in sys.modules
ffikit.version()
assert len(mapped()) == 1, mapped()
"""
    )


def test_ours_wins_over_a_foreign_one_on_the_path(
    run_python: RunPython, tmp_path: Path, package: Path
) -> None:
    fake(tmp_path / "foreign", abi=0)
    code = (
        MAPPED
        + """
import sys, ffikit, ffikit.rust
assert ffikit.library_path() == sys.argv[1], ffikit.library_path()
assert mapped() == [sys.argv[1]], mapped()
assert ffikit.version() == ffikit.rust._rs.version() == ffikit.__version__
"""
    )
    ours = package / "libffikit.so.0"
    run_python(code, ours, LD_LIBRARY_PATH=str(tmp_path / "foreign"))
    # The canary: the foreign one does come to who asks by name alone.
    run_python(
        "import ctypes; assert ctypes.CDLL('libffikit.so.0').ffikit_abi_version() == 7",
        LD_LIBRARY_PATH=str(fake(tmp_path / "canary", abi=7).parent),
    )


def test_a_foreign_one_of_another_abi_in_the_process_is_refused(
    run_python: RunPython, tmp_path: Path
) -> None:
    library = fake(tmp_path / "foreign", abi=4711)
    run_python(
        """
import ctypes, sys
foreign = ctypes.CDLL(sys.argv[1])
import ffikit
for attempt in range(2):
    try:
        ffikit.version()
    except ImportError as error:
        text = str(error)
        assert sys.argv[1] in text and "4711" in text and "ABI version" in text, text
    else:
        raise AssertionError("taken")
""",
        library,
    )


def test_what_is_no_libffikit_at_all_is_refused(run_python: RunPython, tmp_path: Path) -> None:
    library = tmp_path / "libffikit.so.0"
    subprocess.run(["gcc", "-shared", *SONAME, "-o", library, "-xc", "/dev/null"], check=True)
    run_python(
        """
import ctypes, sys
foreign = ctypes.CDLL(sys.argv[1])
import ffikit
try:
    ffikit.version()
except ImportError as error:
    assert "is no libffikit" in str(error), error
else:
    raise AssertionError("taken")
""",
        library,
    )


def test_a_wrong_library_in_the_package_is_refused(
    run_python: RunPython, tmp_path: Path, package: Path
) -> None:
    shutil.copytree(package, tmp_path / "ffikit")
    (tmp_path / "ffikit/libffikit.so.0").unlink()
    expected = {"missing": "reinstall the wheel", "other ABI": "4711"}
    for case, words in expected.items():
        if case == "other ABI":
            fake(tmp_path / "ffikit", abi=4711)
        run_python(
            """
import sys, ffikit
try:
    ffikit.version()
except ImportError as error:
    assert sys.argv[1] in str(error), error
else:
    raise AssertionError("taken")
""",
            words,
            package=tmp_path,
        )


def test_two_copies_of_the_package_share_one_library(
    run_python: RunPython, tmp_path: Path, package: Path
) -> None:
    shutil.copytree(package, tmp_path / "ffikit")
    run_python(
        MAPPED
        + """
import sys
import ffikit, ffikit.rust
first = ffikit.library_path()
owner = ffikit.Symbolizer()
old = ffikit
for name in [name for name in sys.modules if name.split(".")[0] == "ffikit"]:
    del sys.modules[name]
sys.path.insert(0, sys.argv[1])
import ffikit, ffikit.rust
assert ffikit is not old and ffikit.__file__ != old.__file__
assert ffikit.library_path() == first
assert mapped() == [first], mapped()
shared = ffikit.rust.Symbolizer.sharing(owner)
try:
    shared.resolve("/nonexistent", [1])
except ffikit.NotFoundError:
    pass
""",
        tmp_path,
    )


def test_reload_keeps_the_one_library(run_python: RunPython) -> None:
    run_python(
        MAPPED
        + """
import importlib, ffikit
symbolizer = ffikit.Symbolizer()
importlib.reload(ffikit)
importlib.reload(ffikit._symbolizer)
assert ffikit.version() == ffikit.__version__
assert len(mapped()) == 1
symbolizer.close()
"""
    )


def test_a_sub_interpreter_is_refused(run_python: RunPython) -> None:
    run_python(
        """
import ffikit, sys
ffikit.version()
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters
code = '''
import ffikit
for name in ("version", "rust"):
    try:
        getattr(ffikit, name)
    except ImportError as error:
        assert "interpreter" in str(error), error
    else:
        raise AssertionError(name + " was imported in a sub-interpreter")
'''
identity = interpreters.create()
failure = interpreters.run_string(identity, code)
assert failure is None, failure
interpreters.destroy(identity)
assert ffikit.version() == ffikit.__version__
"""
    )


def test_free_threaded_python_is_refused_by_name(run_python: RunPython) -> None:
    run_python(
        """
import sys
sys.abiflags = "t"
import ffikit
try:
    ffikit.version()
except ImportError as error:
    assert "free-threaded" in str(error) and "abi3" in str(error), error
else:
    raise AssertionError("taken")
"""
    )


def test_names_come_from_many_threads_at_once(run_python: RunPython) -> None:
    run_python(
        """
import threading
import ffikit
start = threading.Barrier(16)
seen = []
def first_use():
    start.wait()
    seen.append((ffikit.version(), ffikit.rust._rs.version(), ffikit.Symbolizer))
threads = [threading.Thread(target=first_use) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(seen) == 16 and len(set(seen)) == 1, seen
"""
    )


def test_the_command_is_inside(tmp_path: Path, package: Path) -> None:
    environment = {"PYTHONPATH": str(package.parent), "PATH": "/nonexistent"}
    run = [sys.executable, "-m", "ffikit"]
    version = subprocess.run([*run, "version"], env=environment, capture_output=True, text=True, check=True)
    assert ffikit.__version__ in version.stdout
    empty = tmp_path / "empty.log"
    empty.touch()
    clean = subprocess.run([*run, "symbolize", empty], env=environment, capture_output=True, check=False)
    assert clean.returncode == 0, clean.stderr
    wrong = subprocess.run([*run, "--nonsense"], env=environment, capture_output=True, check=False)
    assert wrong.returncode == 2


def test_a_missing_command_says_so(tmp_path: Path, package: Path) -> None:
    shutil.copytree(package, tmp_path / "ffikit", ignore=shutil.ignore_patterns("bin"))
    run = subprocess.run(
        [sys.executable, "-m", "ffikit", "version"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3
    assert "reinstall the wheel" in run.stderr
