"""nest.py LIBRARY: measures a stack from Python through Go into C."""

import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])


def inner() -> None:
    library.Measure(b"Python, Go, C", 0)


def outer() -> None:
    inner()


outer()
