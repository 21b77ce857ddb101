"""Steps of a bench's build."""

import pathlib
import subprocess
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def run(*argv: str | pathlib.Path, cwd: pathlib.Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Runs a step of a build at low priority; a failed one ends the bench."""
    subprocess.run(["nice", *map(str, argv)], check=True, cwd=cwd, env=env)


def said(*argv: str | pathlib.Path, cwd: pathlib.Path = ROOT) -> str:
    """What a command printed."""
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, cwd=cwd).stdout


def once(stamp: pathlib.Path, recipe: list[str], build: Callable[[], None]) -> bool:
    """Runs build unless it ran before with the same recipe; says whether it did."""
    wanted = "\n".join(recipe)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    build()
    stamp.write_text(wanted, encoding="utf-8")
    return True
