"""Runs the ``ffikit`` command that the wheel carries."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Becomes the command: same arguments, same exit status, no process between.

    Exits with 3, the command's own code for "could not", where the wheel holds no
    command for this machine.
    """
    command = os.path.join(os.path.dirname(__file__), "bin", "ffikit")
    try:
        os.execv(command, ["ffikit", *sys.argv[1:]])
    except OSError as error:
        print(f"ffikit: cannot run {command}: {error.strerror}; reinstall the wheel", file=sys.stderr)
        raise SystemExit(3) from None
