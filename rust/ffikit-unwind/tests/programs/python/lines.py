"""Compares the lines that ffikit-unwind decodes with code.co_lines(), for the first
and the last instruction of each of its ranges, in some of the standard library.

    python3 lines.py PROBE

prints how many instructions agreed, of how many code objects, and how many ranges
have no line; the first that does not ends the run.
"""

import ctypes
import pathlib
import sys
import sysconfig

MODULES = [
    "ast",
    "asyncio/base_events",
    "enum",
    "functools",
    "inspect",
    "logging/__init__",
    "pickle",
    "threading",
    "traceback",
]


def code_objects(code):
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            yield from code_objects(constant)


def main():
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    name_at = ctypes.PyDLL(sys.argv[1]).name_at
    name_at.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t]
    text = ctypes.create_string_buffer(4096)
    count, functions, without_line = 0, 0, 0
    for module in MODULES:
        path = library / (module + ".py")
        for code in code_objects(compile(path.read_bytes(), str(path), "exec")):
            functions += 1
            for start, end, line in code.co_lines():
                without_line += line is None
                for offset in {start, end - 2}:
                    name_at(id(code), offset, text, len(text))
                    said = text.value.decode().split("\t")
                    expected = [code.co_qualname, code.co_filename, str(line or 0)]
                    if said != expected:
                        print("differs", offset, said, expected)
                        return 1
                    count += 1
    print(count, functions, without_line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
