"""Read-only views of JSON objects: mapping and attributes over one dict."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

__all__ = ["Record"]


class Record(Mapping[str, Any]):
    """A read-only mapping over one object of a JSON document.

    ``record["line"]`` raises KeyError where the document is silent, as mappings
    do; ``record.line`` is None there. Objects within are records too, arrays are
    tuples. Records compare and hash by value, and can be pickled.
    """

    __slots__ = ("_fields",)

    _fields: dict[str, Any]

    #: The record class of each key that holds an object or an array of objects.
    _records: ClassVar[Mapping[str, type[Record]]] = {}

    def __init__(self, fields: dict[str, Any]) -> None:
        object.__setattr__(self, "_fields", fields)

    def _wrap(self, key: str, value: Any) -> Any:
        record = self._records.get(key)
        if isinstance(value, list):
            return tuple(record(item) if record else item for item in value)
        if isinstance(value, dict) and record is not None:
            return record(value)
        return value

    def __getitem__(self, key: str) -> Any:
        return self._wrap(key, self._fields[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} is read-only; to_dict() gives a copy to change")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} is read-only; to_dict() gives a copy to change")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record):
            return self._fields == other._fields
        if isinstance(other, Mapping):
            return self._fields == dict(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(_frozen(self._fields))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self._fields,))

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={_short(value)}" for key, value in self._fields.items())
        return f"{type(self).__name__}({shown})"

    def to_dict(self) -> dict[str, Any]:
        """A copy as plain dicts and lists, free to be changed."""
        return copy.deepcopy(self._fields)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return value


def _short(value: Any) -> str:
    """A value within a repr: what is nested is only counted."""
    if isinstance(value, list):
        return f"<{len(value)}>"
    if isinstance(value, dict):
        return "<...>"
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
