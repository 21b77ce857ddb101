"""Where stacks pass: the marker comments in the sources of the record program.

    free(record); // fault: release
    return reserve(length); // at: record_new

A label names one line; what a scenario expects of a frame is the label, so that
an edit above moves its line along. `fault` instead of `at` says that some scenario
is to blame that line.
"""

import pathlib
import re
from collections.abc import Iterable

SUFFIXES = {".c", ".h", ".go", ".rs", ".pyx", ".py"}
MARKER = re.compile(r"(?://|#) (fault|at): (\w+)$")

Place = tuple[str, int]


class MarkerError(Exception):
    """A label is doubled, missing, or used by no scenario."""


class Markers:
    """The marked lines below a folder, by label."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.places: dict[str, Place] = {}
        self.faults: set[str] = set()
        for path in sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
            for number, text in enumerate(path.read_text().splitlines(), start=1):
                self._read_line(path, number, text)
        if not self.places:
            raise MarkerError(f"no marker below {folder}")

    def _read_line(self, path: pathlib.Path, number: int, text: str) -> None:
        found = MARKER.search(text)
        if not found:
            return
        kind, label = found.groups()
        if label in self.places:
            raise MarkerError(f"{path}:{number}: {label} is marked a second time")
        self.places[label] = (str(path.relative_to(self.folder)), number)
        if kind == "fault":
            self.faults.add(label)

    def place(self, label: str) -> Place:
        """File (relative to the folder) and line of a label that must be there."""
        if label not in self.places:
            raise MarkerError(f"no line below {self.folder} is marked with {label!r}")
        return self.places[label]

    def check_all_meant(self, used: Iterable[str], blamed: Iterable[str]) -> None:
        """Fails on a label that no scenario reads, and on a fault that none blames."""
        if stray := sorted(set(self.places) - set(used)):
            raise MarkerError(f"markers for no scenario: {', '.join(stray)}")
        if spared := sorted(self.faults - set(blamed)):
            raise MarkerError(f"marked as faults, blamed by no scenario: {', '.join(spared)}")
