"""bootstrap: it finds, installs, refuses and repeats itself without a change."""

import os
import subprocess

import pytest
from conftest import ROOT, Scratch, snapshot

NOBODY = 65534

LOCK = """
group build
group demo build
build make  >=4.0    apt  make                make --version
build go    >=1.25.0 hand go                  go version
demo  clang 19.*     apt  clang-19,extra-19   clang-19 --version
"""

CLANG = 'echo "Debian clang version 19.1.7 (3~deb12u1)"'
GO = 'echo "go version go1.26.8 linux/amd64"'


@pytest.fixture
def machine(scratch: Scratch) -> Scratch:
    """A machine that has all but clang, where apt-get only says what it was asked."""
    scratch.copy("scripts/bootstrap", "scripts/cpythons")
    scratch.write("ci/tools.lock", LOCK)
    scratch.system_tools_but("clang-19", "apt-get", "go", "id")
    scratch.stub("go", GO)
    scratch.stub("id", "echo 0")
    scratch.stub("apt-get", 'echo "$@" >>"$HOME/apt.log"')
    return scratch


def asked_of_apt(machine: Scratch) -> list[str]:
    log = machine.folder / "apt.log"
    return log.read_text().splitlines() if log.exists() else []


def test_a_second_run_changes_nothing_and_needs_no_network() -> None:
    # The group that each other one includes, with the Python environment.
    groups = ["build", "venv"]
    subprocess.run([ROOT / "scripts/bootstrap", *groups], check=True, capture_output=True, timeout=600)
    before = {**snapshot(ROOT / ".venv"), **snapshot(ROOT / "build/tools")}
    nowhere = "http://127.0.0.1:9"
    offline = dict(
        os.environ, http_proxy=nowhere, https_proxy=nowhere, GOPROXY="off", CARGO_NET_OFFLINE="true", PIP_NO_INDEX="1"
    )
    again = subprocess.run(
        [ROOT / "scripts/bootstrap", *groups], env=offline, capture_output=True, text=True, timeout=60
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert {**snapshot(ROOT / ".venv"), **snapshot(ROOT / "build/tools")} == before
    assert len(before) > 100, "the environment was looked at"
    assert "missing" not in again.stdout
    assert "bootstrap: " not in again.stdout, "a step was announced"


def test_without_root_it_names_the_exact_command(machine: Scratch) -> None:
    (machine.bin / "id").unlink()
    (machine.bin / "id").symlink_to("/usr/bin/id")
    if os.geteuid() == 0:
        assert machine.run("id", "-u", user=NOBODY).stdout.strip() == str(NOBODY)
    before = machine.snapshot()
    done = machine.run("scripts/bootstrap", "demo", user=NOBODY)
    assert done.returncode == 1
    assert "  sudo apt-get install -y --no-install-recommends clang-19 extra-19\n" in done.stderr
    assert "clang            missing" in done.stdout
    assert machine.snapshot() == before


def test_as_root_it_installs_what_is_missing(machine: Scratch) -> None:
    # A third-party source that is dead makes `apt-get update` fail.
    machine.stub(
        "apt-get",
        f"""echo "$@" >>"$HOME/apt.log"
        case " $* " in
            *" update "*) exit 100 ;;
            *" install "*) printf '#!/bin/sh\\n%s\\n' '{CLANG}' >"$HOME/bin/clang-19"; chmod 755 "$HOME/bin/clang-19" ;;
        esac""",
    )
    done = machine.run("scripts/bootstrap", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    installs = [line for line in asked_of_apt(machine) if " install " in line]
    assert len(installs) == 1
    assert installs[0].endswith(" --no-install-recommends clang-19 extra-19")
    assert f"clang            19.1.7     {machine.bin}/clang-19" in done.stdout

    asked = asked_of_apt(machine)
    again = machine.run("scripts/bootstrap", "demo")
    assert again.returncode == 0
    assert asked_of_apt(machine) == asked


def test_an_installation_that_brings_nothing_fails(machine: Scratch) -> None:
    done = machine.run("scripts/bootstrap", "demo")
    assert done.returncode == 1
    assert "still missing" in done.stderr


def test_a_toolchain_that_nobody_packages_fails_before_anything_is_installed(machine: Scratch) -> None:
    (machine.bin / "go").unlink()
    done = machine.run("scripts/bootstrap", "demo")
    assert done.returncode == 1
    assert "Go 1.25 or newer" in done.stderr
    assert asked_of_apt(machine) == []


@pytest.mark.parametrize(
    ("tool", "answer", "shown"),
    [
        ("go", "echo go version go1.19.8 linux/amd64", "found 1.19.8"),
        ("go", "echo go version go1.9 linux/amd64", "found 1.9"),
        ("clang-19", "echo Debian clang version 20.1.0", "found 20.1.0"),
        ("clang-19", "echo Debian clang version 19.1.7; exit 3", "needs 19.*"),
        ("clang-19", "echo no number", "needs 19.*"),
    ],
)
def test_the_wrong_version_is_as_good_as_none(machine: Scratch, tool: str, answer: str, shown: str) -> None:
    machine.stub("clang-19", CLANG)
    assert machine.run("scripts/bootstrap", "--check", "demo").returncode == 0
    machine.stub(tool, answer)
    done = machine.run("scripts/bootstrap", "--check", "demo")
    assert done.returncode == 1
    assert shown in done.stdout


def test_only_the_groups_asked_for_are_looked_at(machine: Scratch) -> None:
    done = machine.run("scripts/bootstrap", "build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "make" in done.stdout
    assert "clang" not in done.stdout


def test_check_installs_nothing(machine: Scratch) -> None:
    done = machine.run("scripts/bootstrap", "--check", "demo")
    assert done.returncode == 1
    assert asked_of_apt(machine) == []


def test_packages_are_printed_alone(machine: Scratch) -> None:
    done = machine.run("scripts/bootstrap", "--packages", "demo")
    assert (done.returncode, done.stdout) == (0, "clang-19\nextra-19\n")
    assert asked_of_apt(machine) == []


@pytest.mark.parametrize("arguments", [["nonsense"], ["build", "nonsense"], ["--nonsense"]])
def test_a_wrong_word_is_refused(machine: Scratch, arguments: list[str]) -> None:
    done = machine.run("scripts/bootstrap", *arguments)
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_a_lock_row_that_is_too_short_is_refused(machine: Scratch) -> None:
    machine.write("ci/tools.lock", LOCK + "build broken any apt\n")
    done = machine.run("scripts/bootstrap", "build")
    assert done.returncode != 0
    assert "tools.lock:7" in done.stderr


def test_each_row_of_the_real_lock_has_a_remedy_and_a_group() -> None:
    rows = [line.split() for line in (ROOT / "ci/tools.lock").read_text().splitlines() if line[:1] not in ("#", "")]
    groups = {row[1] for row in rows if row[0] == "group"}
    tools = [row for row in rows if row[0] != "group"]
    assert len(tools) > 20
    for row in tools:
        assert row[0] in groups, row
        assert row[3] in {"apt", "go", "cargo", "rustup", "target", "oldgo", "rust", "venv", "hand"}, row
        if row[3] in ("go", "cargo"):
            assert row[2].startswith("="), f"{row[1]}: what is built from source is pinned exactly"
    pins = (ROOT / "ci/requirements.txt").read_text().splitlines()
    assert all("==" in pin for pin in pins if pin and not pin.startswith("#"))


def test_cpythons_tells_the_truth() -> None:
    done = subprocess.run([ROOT / "scripts/cpythons"], capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows
    for minor, version, executable in rows:
        says = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=60, check=True)
        assert says.stdout.split() == ["Python", version]
        assert version.startswith(minor + ".")
        assert (int(minor.split(".")[0]), int(minor.split(".")[1])) >= (3, 11)
        with open(executable, "rb") as file:
            assert file.read(4) == b"\x7fELF", "a shim is no interpreter"


def test_cpythons_passes_over_what_is_no_cpython(scratch: Scratch) -> None:
    scratch.copy("scripts/cpythons")
    scratch.system_tools_but(*[f"python3{minor}" for minor in ("", ".11", ".12", ".13")])
    scratch.stub("python3", 'echo "3.13 3.13.0 $0"; exit 1')
    scratch.stub("python3.12", "exit 127")
    done = scratch.run("scripts/cpythons")
    assert done.returncode == 0, done.stderr
    assert str(scratch.bin) not in done.stdout
