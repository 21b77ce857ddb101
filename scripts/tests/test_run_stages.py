"""run-stages: it counts what the runners say of themselves, and hides no failure."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

GO_TEST = """package three
import "testing"
func TestGood(t *testing.T) {}
func TestBad(t *testing.T) { t.Fail() }
func TestLater(t *testing.T) { t.Skip() }
"""

RUST_TEST = """
#[test] fn good() {}
#[test] fn bad() { panic!() }
#[test] #[ignore] fn later() {}
"""

PY_TEST = """
import pytest
def test_good(): pass
def test_bad(): assert False
@pytest.mark.skip
def test_later(): pass
"""


def run(folder: Path, *stages: str) -> tuple[int, list[str]]:
    """Runs stages in a folder; gives the exit status and the lines printed."""
    (folder / "scripts").mkdir(exist_ok=True)
    script = folder / "scripts/run-stages"
    script.write_text((ROOT / "scripts/run-stages").read_text())
    done = subprocess.run([sys.executable, script, "all", *stages], cwd=folder, capture_output=True, timeout=300)
    return done.returncode, done.stdout.decode("utf-8", "replace").splitlines()


@pytest.mark.parametrize("runner", ["go", "rust", "pytest"])
def test_the_runners_own_numbers_are_read(tmp_path: Path, runner: str) -> None:
    if runner == "go":
        (tmp_path / "go.mod").write_text("module three\ngo 1.25\n")
        (tmp_path / "three_test.go").write_text(GO_TEST)
        command = "gotestsum --format dots -- ./..."
    elif runner == "rust":
        (tmp_path / "three.rs").write_text(RUST_TEST)
        subprocess.run(["rustc", "--test", "three.rs"], cwd=tmp_path, check=True, timeout=300)
        command = "./three"
    else:
        (tmp_path / "test_three.py").write_text(PY_TEST)
        command = f"{sys.executable} -m pytest -p no:cacheprovider"
    status, lines = run(tmp_path, f"{runner}={command}")
    assert lines[-1] == "all: 1 passed, 1 failed, 1 skipped"
    assert status == 1


@pytest.mark.parametrize(
    ("command", "closing", "status"),
    [
        ("echo 3 passed, 0 failed", "all: 3 passed, 0 failed", 0),
        ("echo c: 3 passed, 0 failed, 2 skipped", "all: 3 passed, 0 failed, 2 skipped", 0),
        ("printf 'a: 1 passed, 0 failed\\nall: 2 passed, 0 failed\\n'", "all: 2 passed, 0 failed", 0),
        ("printf '= 2 passed in 0.1s =\\n= 3 passed in 1.1s =\\n'", "all: 5 passed, 0 failed", 0),
        ("echo we passed, nothing failed", "all: 0 passed, 1 failed", 1),
        ("true", "all: 0 passed, 1 failed", 1),
        ("sh -c 'echo 3 passed, 0 failed; exit 4'", "all: 3 passed, 1 failed", 1),
        ("sh -c 'echo 3 passed, 2 failed; exit 1'", "all: 3 passed, 2 failed", 1),
        ("sh -c 'kill -9 $$'", "all: 0 passed, 1 failed", 1),
        ("/no/such/program", "all: 0 passed, 1 failed", 1),
        ("echo DONE 3 tests, 1 error in 0.2s", "all: 3 passed, 1 failed", 1),
        ("printf '1 passed, 0 failed\\n\\377\\376\\n'", "all: 1 passed, 0 failed", 0),
    ],
)
def test_no_failure_is_hidden(tmp_path: Path, command: str, closing: str, status: int) -> None:
    told, lines = run(tmp_path, f"it={command}")
    assert (lines[-1], told) == (closing, status)


def test_all_stages_run_and_add_up(tmp_path: Path) -> None:
    status, lines = run(tmp_path, "first=false", "second=echo 4 passed, 0 failed", "third=echo 1 passed, 2 failed")
    assert status == 1
    assert lines[-1] == "all: 5 passed, 3 failed"
    assert "exit status 1" in next(line for line in lines if "FAILED" in line)
    assert (tmp_path / "build/logs/all-second.log").read_text() == "4 passed, 0 failed\n"
