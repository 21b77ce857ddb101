"""Compares two ABI locks: within a major version the ABI may only grow."""

from __future__ import annotations

from typing import Any

# A lock as json reads it.
Lock = dict[str, Any]


def violations(old: Lock, new: Lock) -> list[str]:
    """What a program built against old would miss in new; empty when new only
    adds. A new abi_version allows everything."""
    if old["abi_version"] != new["abi_version"]:
        return []
    found = []
    for name, was in old["functions"].items():
        now = new["functions"].get(name)
        if now is None:
            found.append(f"{name} was removed")
            continue
        for part in ("declaration", "ownership", "role", "since"):
            if was[part] != now[part]:
                found.append(f"{name}: {part} was {was[part]!r}, is {now[part]!r}")
        if was["thread"] == "any" != now["thread"]:
            found.append(f"{name} could be called from any thread, and no longer can")
    for name, was in old["structs"].items():
        found += _struct(name, was, new["structs"].get(name))
    for table in ("typedefs", "constants"):
        for name, value in old[table].items():
            if new[table].get(name) != value:
                found.append(f"{name} was {value}, is {new[table].get(name, 'gone')}")
    return found


def _struct(name: str, was: Lock, now: Lock | None) -> list[str]:
    if now is None:
        return [f"{name} was removed"]
    if was["kind"] != now["kind"]:
        return [f"{name} was {was['kind']}, is {now['kind']}"]
    fields, more = was.get("fields", []), now.get("fields", [])
    if more[: len(fields)] != fields:
        return [f"{name}: fields were changed, moved or removed"]
    if was["kind"] == "handle" and len(more) != len(fields):
        return [f"{name}: a handle cannot grow"]
    return []
