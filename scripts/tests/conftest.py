"""Scratch copies of the repository's scripts, and a PATH that lacks what a test wants missing."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Scratch:
    """A folder with copies of some scripts, readable by every user, and its own PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.environment = {"HOME": str(folder), "PATH": str(self.bin), "LC_ALL": "C.UTF-8"}

    def copy(self, *names: str) -> None:
        """Copies files of the repository to the same place below the folder."""
        for name in names:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)

    def write(self, name: str, text: str, executable: bool = False) -> Path:
        """Writes a file below the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if executable:
            path.chmod(0o755)
        return path

    def system_tools_but(self, *missing: str) -> None:
        """Puts every command of the system on PATH, but for the missing ones."""
        for command in Path("/usr/bin").iterdir():
            if command.name not in missing and os.access(command, os.X_OK):
                (self.bin / command.name).symlink_to(command)

    def stub(self, name: str, body: str) -> None:
        """Puts a command on PATH that runs the bash lines given, `name` included."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{body}\n")
        path.chmod(0o755)

    def run(self, *command: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command in the folder, as another user if asked (and if we may)."""
        words = list(command)
        if user is not None and os.geteuid() == 0:
            for path in [self.folder, *self.folder.rglob("*")]:
                if not path.is_symlink():
                    os.chown(path, user, user)
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *words]
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of every file, but for bootstrap's lock."""
        return snapshot(self.folder)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file below a folder."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and path.name != ".bootstrap.flock" and path.suffix != ".pyc":
            found[str(path)] = (status.st_size, status.st_mtime_ns)
    return found


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    """A scratch folder that other users may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="ffikit-scripts-") as folder:
        Path(folder).chmod(0o755)
        yield Scratch(Path(folder))
