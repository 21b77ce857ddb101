"""Faulty headers and locks that must be refused: they test header and growth."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import growth, header
from .growth import Lock

COUNT_DOC = "@method ffikit_report  @thread any  @since 0.1\n *  @own count_out"
NEW_DOC = "@constructor ffikit_symbolizer  @thread any  @since 0.1"
COUNT_ERRORS = "Errors: FFIKIT_ERR_ARGUMENT, _HANDLE, _FORKED, _PANIC. */\nFFIKIT_API ffikit_status ffikit_report_count"
RETURN = "FFIKIT_API ffikit_status ffikit_report_count"

# (what the mutation does, text to replace, replacement, part of the refusal)
HEADERS = [
    ("no thread tag", COUNT_DOC, "@method ffikit_report  @since 0.1\n *  @own count_out", "needs @thread"),
    (
        "unknown thread tag",
        "@destructor ffikit_report  @thread any",
        "@destructor ffikit_report  @thread some",
        "needs @thread",
    ),
    ("no since tag", NEW_DOC, "@constructor ffikit_symbolizer  @thread any", "needs @since"),
    ("since the future", NEW_DOC, "@constructor ffikit_symbolizer  @thread any  @since 9.0", "is after version"),
    ("untagged pointer", "@borrow path  @borrow virt_addrs", "@borrow path", "virt_addrs: a pointer needs"),
    ("wrong ownership", "@borrow path  @borrow virt_addrs", "@own path  @borrow virt_addrs", "say @borrow"),
    ("tag of no parameter", "@borrow path  @borrow virt_addrs", "@borrow way  @borrow virt_addrs", "no such parameter"),
    ("unknown tag", "@borrow path  @borrow virt_addrs", "@lend path  @borrow virt_addrs", "unknown tag @lend"),
    (
        "no documentation",
        "/** Frees frames; NULL is ignored.\n *  @thread any  @since 0.1  @transfer frames */\n",
        "",
        "ffikit_frames_free: no /** documentation",
    ),
    ("no role for self", COUNT_DOC, "@thread any  @since 0.1\n *  @own count_out", "needs @method"),
    ("role of another type", "@destructor ffikit_report ", "@destructor ffikit_symbolizer ", "name begins with"),
    (
        "err_out not last",
        "size_t *count_out, ffikit_error **err_out",
        "ffikit_error **err_out, size_t *count_out",
        "the order is",
    ),
    ("fallible without status", RETURN, "FFIKIT_API int32_t ffikit_report_count", "returns ffikit_status"),
    ("errors leave out fork", COUNT_ERRORS, COUNT_ERRORS.replace("_FORKED, ", ""), "FFIKIT_ERR_FORKED"),
    ("bare addr", "uint64_t virt_addr; ", "uint64_t addr; ", "say virt_addr or abs_addr"),
    ("length without unit", "const char *name, size_t name_len_bytes", "size_t name_size", "name: there is no such"),
    ("size without unit", "ffikit_frames *frames, size_t index", "ffikit_frames *frames, size_t n", "a size_t ends in"),
    ("pointer without length", "const char *name, size_t name_len_bytes", "const char *name", "must be followed by"),
    (
        "structure that cannot grow",
        "typedef struct ffikit_frame {\n  size_t struct_size;\n",
        "typedef struct ffikit_frame {\n",
        "begins with size_t struct_size",
    ),
    (
        "handle by pointer",
        "ffikit_status ffikit_report_count(ffikit_report self",
        "ffikit_status ffikit_report_count(ffikit_report *self",
        "ffikit_report_count",
    ),
    ("not exported", "FFIKIT_API void ffikit_string_free", "void ffikit_string_free", "ffikit_string_free"),
]


def accepted_headers(public: Path) -> list[str]:
    """Runs all header mutations; returns those that were not refused as they
    should be."""
    good, wrong = public.read_text(), []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ffikit.h")
        for what, before, after, refusal in HEADERS:
            if before not in good:
                wrong.append(f"{what}: the header has no {before!r} to change")
                continue
            file.write_text(good.replace(before, after, 1))
            try:
                header.read(file, Path(folder))
            except header.HeaderError as error:
                if refusal not in str(error):
                    wrong.append(f"{what}: refused, but for another reason: {error}")
            else:
                wrong.append(f"{what}: not refused")
    return wrong


def accepted_locks(lock: Lock) -> list[str]:
    """Shrinks a lock in each way; returns what was not noticed, and growth that
    was taken for a violation."""

    def changed(change: Callable[[Lock], object]) -> Lock:
        other = copy.deepcopy(lock)
        change(other)
        return other

    def grow(other: Lock) -> None:
        other["functions"]["ffikit_added"] = other["functions"]["ffikit_demangle"]
        other["constants"]["FFIKIT_ERR_ADDED"] = -10
        other["structs"]["ffikit_frame"]["fields"].append({"declaration": "size_t added", "offset_bytes": 72})
        other["structs"]["ffikit_frame"]["size_bytes"] = 80

    resolve = "ffikit_symbolizer_resolve"
    shrinkings: dict[str, Callable[[Lock], object]] = {
        "function removed": lambda o: o["functions"].pop("ffikit_demangle"),
        "declaration changed": lambda o: o["functions"][resolve].update(declaration="void f(void)"),
        "ownership changed": lambda o: o["functions"][resolve]["ownership"].update(path="transfer"),
        "thread restricted": lambda o: o["functions"][resolve].update(thread="serialized"),
        "struct removed": lambda o: o["structs"].pop("ffikit_frame"),
        "field moved": lambda o: o["structs"]["ffikit_frame"]["fields"][3].update(offset_bytes=32),
        "field removed": lambda o: o["structs"]["ffikit_frame"]["fields"].pop(),
        "handle grown": lambda o: o["structs"]["ffikit_report"]["fields"].append({"declaration": "int32_t x"}),
        "constant renumbered": lambda o: o["constants"].update(FFIKIT_ERR_IO=-60),
        "constant removed": lambda o: o["constants"].pop("FFIKIT_ERR_IO"),
        "typedef changed": lambda o: o["typedefs"].update(ffikit_status="int64_t"),
    }
    unnoticed = [what for what, change in shrinkings.items() if not growth.violations(lock, changed(change))]
    wrong = [f"{what}: not noticed" for what in unnoticed]
    wrong += [f"growth was refused: {v}" for v in growth.violations(lock, changed(grow))]
    return wrong
