"""Where the faults stand: the marker comments in the sources of the record program.

A marker names a role and the scenarios it is for, several roles parted by
semicolons:   free(record); // blame: double_free; free: plain_program
Expected lines come from here, so that an edit above moves them along.
"""

import pathlib
import re

SUFFIXES = {".c", ".h", ".go", ".rs", ".pyx"}
MARKER = re.compile(r"(?://|#)\s*((?:blame|free|allocation):.*)$")


class MarkerError(Exception):
    """A marker is doubled, missing, or meant for no scenario."""


class Markers:
    """The marked lines below a folder, by role and scenario."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.places: dict[tuple[str, str], tuple[str, int]] = {}
        for path in sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
            for number, text in enumerate(path.read_text().splitlines(), start=1):
                self._read_line(path, number, text)
        if not self.places:
            raise MarkerError(f"no marker below {folder}")

    def _read_line(self, path: pathlib.Path, number: int, text: str) -> None:
        found = MARKER.search(text)
        if not found:
            return
        for group in found.group(1).split(";"):
            role, _, scenarios = group.partition(":")
            for scenario in scenarios.split():
                key = (role.strip(), scenario)
                if key in self.places:
                    raise MarkerError(f"{path}:{number}: {role.strip()} of {scenario} is marked a second time")
                self.places[key] = (str(path.relative_to(self.folder)), number)

    def place(self, role: str, scenario: str) -> tuple[str, int]:
        """File (relative to the folder) and line of a marker that must be there."""
        if (role, scenario) not in self.places:
            raise MarkerError(f"{scenario}: no line below {self.folder} is marked '{role}: {scenario}'")
        return self.places[role, scenario]

    def roles(self, scenario: str) -> set[str]:
        """The roles that are marked for a scenario."""
        return {role for role, name in self.places if name == scenario}

    def check_all_meant(self, scenarios: set[str]) -> None:
        """Fails on a marker that no scenario reads."""
        stray = sorted({name for _, name in self.places} - scenarios)
        if stray:
            raise MarkerError(f"markers for no scenario: {', '.join(stray)}")
