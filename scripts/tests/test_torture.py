"""The short form of `make torture` runs with the tests; its parts fail where they should."""

import re
import subprocess
import sys

from conftest import ROOT, Scratch

WATCHDOG_SECONDS = 900


def torture(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs scripts/torture-symbolize."""
    line = [str(ROOT / "scripts" / "torture-symbolize"), *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=WATCHDOG_SECONDS)


def test_the_short_form_passes() -> None:
    done = torture("--short", "mutants", "shrinking", "paths")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    match = re.search(r"^(\d+) mutants of (\d+) files, (\d+) of them through the command: (\d+) answered", said, re.M)
    assert match, said
    mutants, files, by_command, answered = map(int, match.groups())
    assert (mutants, files >= 20, by_command > 0) == (300, True, True)
    assert answered > mutants / 3
    assert re.search(r"^\d+ passed, 0 failed\Z", said.strip(), re.M)


def test_an_unknown_part_is_refused() -> None:
    done = torture("nonsense")
    assert done.returncode == 2
    assert "mutants" in done.stderr


def test_paths_sees_what_is_opened_and_printed(scratch: Scratch) -> None:
    """A command that follows every link and prints names raw is caught."""
    follows = '#!/bin/bash\ncat ../outside/main.debug >/dev/null\nprintf "%s" "$@"\n'
    careless = scratch.write("careless", follows, executable=True)
    corpus = ROOT / "build" / "torture" / "corpus"
    subprocess.run([ROOT / "ci/torture-symbolize/corpus", corpus, "--short"], check=True, capture_output=True)
    words = ["ci/torture-symbolize/paths", "--corpus", str(corpus), "--command", str(careless)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "opened ['main.debug'] outside" in done.stdout
    assert "raw control characters" in done.stdout
