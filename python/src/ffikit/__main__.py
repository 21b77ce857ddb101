"""``python -m ffikit``: the ffikit command."""

from ffikit._command import main

main()
