"""Merge structured answers about the parts of one file, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue


class Merged(NamedTuple):
    value: JsonValue
    conflicts: tuple[str, ...]
    """Paths of the fields of which parts say different things: that of the first part is kept."""


def merge_values(values: Sequence[JsonValue], *, overlapping: bool = False) -> Merged:
    """Merge the values in order: lists one after the other, objects by field, of others the first that says something.

    With `overlapping`, neighbouring parts may both list what lies on their seam: what ends a list and begins the next
    is kept once.
    """
    conflicts: list[str] = []
    merged = values[0]
    for value in values[1:]:
        merged = _merged(merged, value, "", overlapping, conflicts)
    return Merged(merged, tuple(dict.fromkeys(conflicts)))


def _merged(first: JsonValue, second: JsonValue, path: str, overlapping: bool, conflicts: list[str]) -> JsonValue:
    if _says_nothing(second):
        return first
    if _says_nothing(first):
        return second
    if isinstance(first, list) and isinstance(second, list):
        return [*first, *second[_repeated(first, second) if overlapping else 0 :]]
    if isinstance(first, dict) and isinstance(second, dict):
        names = dict.fromkeys([*first, *second])
        return {
            name: _merged(first.get(name), second.get(name), f"{path}.{name}".lstrip("."), overlapping, conflicts)
            for name in names
        }
    if first != second:
        conflicts.append(path or "the answer")
    return first


def _repeated(first: list[JsonValue], second: list[JsonValue]) -> int:
    """Return how many items at the beginning of `second` repeat the end of `first`."""
    for count in range(min(len(first), len(second), 50), 0, -1):
        if first[-count:] == second[:count]:
            return count
    return 0


def _says_nothing(value: JsonValue) -> bool:
    return value is None or value == "" or value == [] or value == {}
