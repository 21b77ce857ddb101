"""``python -m ffikit``: the ffikit command."""

from ffikit._command import main

if __name__ == "__main__":
    main()
