"""Writes what is derived from an Abi: each function returns one file's text."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from .header import Abi, Function, Param, Struct

GENERATED = "Generated from {header} by scripts/abigen; DO NOT EDIT."


def version_script(abis: list[Abi]) -> str:
    """The exact export map: one symbol version for each @since, so that a
    program that needs a newer libffikit is told so by the loader."""
    since: dict[tuple[int, ...], list[str]] = {}
    for abi in abis:
        for f in abi.functions:
            since.setdefault(tuple(map(int, f.since.split("."))), []).append(f.name)
    text, before = f"/* {_banner(abis)} */\n", ""
    for version in sorted(since):
        node = "FFIKIT_" + ".".join(map(str, version))
        names = "".join(f"    {name};\n" for name in sorted(since[version]))
        local = "" if before else "  local:\n    *;\n"
        text += f"{node} {{\n  global:\n{names}{local}}}{before};\n"
        before = " " + node
    return text


def lock(abi: Abi) -> str:
    """The ABI lock: all that a caller relies on. Within a major version it
    may only grow; scripts/abi-check compares."""
    functions = {
        f.name: {
            "declaration": f.declaration,
            "ownership": {p.name: p.owner for p in f.params if p.owner},
            "role": f"{f.role} {f.of}" if f.role else "function",
            "thread": f.thread,
            "since": f.since,
            "errors": f.errors,
        }
        for f in abi.functions
    }
    document = {
        "generated": _banner([abi]),
        "abi_version": abi.abi_version,
        "functions": dict(sorted(functions.items())),
        "structs": {s.name: _lock_struct(abi, s) for s in abi.structs.values()},
        "typedefs": abi.aliases,
        "constants": abi.constants,
    }
    return json.dumps(document, indent=2) + "\n"


def _lock_struct(abi: Abi, s: Struct) -> dict[str, Any]:
    if not s.fields:
        return {"kind": "opaque"}
    size, offsets = abi.layout(s)
    fields = [{"declaration": f.text, "offset_bytes": at} for f, at in zip(s.fields, offsets, strict=True)]
    return {"kind": "handle" if s.is_handle else "growing", "size_bytes": size, "fields": fields}


def go_header(abi: Abi, include: str, guard: str) -> str:
    """What the Go exports are compiled against. cgo drops const from the
    prototypes that it writes, but keeps the name of a typedef: hence the
    typedefs of const types, by which both prototypes are compared."""
    text = f"/* {_banner([abi])}\n *\n"
    text += " * What the Go exports are compiled against: a prototype that differs from the\n"
    text += " * one that cgo writes for an //export is an error of the C compiler. */\n/* clang-format off */\n"
    text += f'#ifndef {guard}\n#define {guard}\n\n#include "{include}"\n\n'
    consts = sorted({p.base for f in abi.functions if f.enters_go for p in f.params if p.const and p.stars})
    for base in consts:
        text += f"typedef const {base} ffikitgo_const_{base.removeprefix('ffikit_')};\n"
    text += "\n#pragma GCC visibility push(hidden)\n"
    for f in abi.functions:
        if f.enters_go:
            text += _go_declaration(f) + ";\n"
    text += "#pragma GCC visibility pop\n" + _layout_asserts(abi) + f"\n#endif /* {guard} */\n"
    return text


def _layout_asserts(abi: Abi) -> str:
    """The layouts that the lock states, checked by the compiler on LP64."""
    lines = []
    for s in abi.structs.values():
        if s.fields and any(s.name in f.declaration for f in abi.functions):
            size, offsets = abi.layout(s)
            lines.append(f'_Static_assert(sizeof({s.name}) == {size}, "{s.name} differs from the lock");')
            for f, at in zip(s.fields, offsets, strict=True):
                lines.append(
                    f'_Static_assert(offsetof({s.name}, {f.name}) == {at}, "{s.name}.{f.name} differs from the lock");'
                )
    if not lines:
        return ""
    return "\n#if defined(__LP64__)\n" + "\n".join(lines) + "\n#endif\n"


def _go_declaration(f: Function) -> str:
    go = Function("ffikitgo_" + f.name.removeprefix("ffikit_"), f.returns, f.params)
    return go.declaration


def shims(abi: Abi, include: str, constraint: str = "") -> str:
    """The public functions that enter Go. What can be judged without Go is
    judged here: the fork, NULL outputs, lengths, options."""
    text = f"//go:build {constraint}\n\n" if constraint else ""
    text += f"/* {_banner([abi])}\n *\n"
    text += " * The public names of what enters Go: refuse in a forked child, judge pointers\n"
    text += " * and lengths, call the Go export. */\n/* clang-format off */\n"
    text += f'#include "{include}"\n#include "guard.h"\n'
    for f in abi.functions:
        if f.enters_go:
            text += "\n" + _shim(abi, f)
    return text


def _shim(abi: Abi, f: Function) -> str:
    call = f"ffikitgo_{f.name.removeprefix('ffikit_')}"
    if f.role == "destructor":
        return f"{f.declaration} {{\n  if (self.bits != 0 && !ffikit_guard_forked())\n    {call}(self);\n}}\n"
    body = f'  if (ffikit_guard_forked())\n    return ffikit_guard_refuse_fork("{f.name}", err_out);\n'
    arguments = []
    for i, p in enumerate(f.params):
        argument = p.name
        if p.is_out and p.name != "err_out":
            body += _refuse(f, f"{p.name} == NULL", f"{p.name} is NULL")
        elif p.stars and p.base in abi.structs and abi.structs[p.base].grows:
            argument = f"&{p.name}_known"
            body += _options(abi, f, p)
        elif p.stars and i + 1 < len(f.params) and f.params[i + 1].name.startswith(p.name + "_"):
            body += _measured(f, p.name, f.params[i + 1].name)
        arguments.append(argument)
    return f"{f.declaration} {{\n{body}  return {call}({', '.join(arguments)});\n}}\n"


def _options(abi: Abi, f: Function, p: Param) -> str:
    """A growing structure: what the caller knows of it is copied into one of
    our size."""
    known = f"{p.name}_known"
    text = f"  {p.base} {known};\n"
    text += _refuse(
        f,
        f"!ffikit_guard_known(&{known}, sizeof {known}, {p.name})",
        f"{p.name}->struct_size is not the size of a structure that this library knows",
    )
    fields = abi.structs[p.base].fields
    for pointer, length in pairwise(fields):
        if pointer.stars and length.name == pointer.name + "_len_bytes":
            text += _measured(f, f"{known}.{pointer.name}", f"{known}.{length.name}", p.name + "->")
    return text


def _measured(f: Function, pointer: str, length: str, shown: str = "") -> str:
    data, size = (shown + c.split(".")[-1] for c in (pointer, length))
    return _refuse(f, f"{pointer} == NULL && {length} != 0", f"{data} is NULL but {size} is not 0") + _refuse(
        f, f"{length} > PTRDIFF_MAX", f"{size} is larger than any object"
    )


def _refuse(f: Function, condition: str, message: str) -> str:
    return (
        f"  if ({condition})\n    return ffikit_guard_refuse(FFIKIT_ERR_ARGUMENT,\n"
        f'                               "{f.name}: {message}", err_out);\n'
    )


def pxd(abi: Abi) -> str:
    """The declarations for Cython."""
    text = f"# {_banner([abi])}\n\nfrom libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t\n\n"
    text += 'cdef extern from "ffikit/ffikit.h" nogil:\n'
    text += "    const uint32_t FFIKIT_ABI_VERSION\n\n    enum:\n"
    text += "".join(f"        {name}\n" for name in abi.constants) + "\n"
    text += "".join(f"    ctypedef {scalar} {name}\n" for name, scalar in abi.aliases.items()) + "\n"
    for s in abi.structs.values():
        lines = [f"        {f.text}" for f in s.fields] or ["        pass"]
        text += f"    ctypedef struct {s.name}:\n" + "\n".join(lines) + "\n\n"
    for f in abi.functions:
        text += "    " + f.declaration.replace("(void)", "()") + "\n"
    return text


def _banner(abis: list[Abi]) -> str:
    return GENERATED.format(header=" and ".join(a.path.name for a in abis))
