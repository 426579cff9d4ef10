"""Merge structured answers about the parts of one file, field by field."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import JsonValue

_MAX_REPEATED = 1_000
"""The most items of a list that two neighbouring parts may share."""


class Merged(NamedTuple):
    value: JsonValue
    conflicts: tuple[str, ...]
    """Paths of the fields in which parts differ. The first part's value is kept."""


Overlap = Literal["none", "moments", "rows"]


def merge_values(values: Sequence[JsonValue], *, overlap: Overlap = "none") -> Merged:
    """Merge the values in order: concatenate lists, merge objects by field, and keep the first other non-empty value.

    With an overlap, neighbouring parts may both list the moments or rows that they share. Items that end one list and
    begin the next are kept once.
    """
    conflicts: list[str] = []
    merged = values[0]
    for value in values[1:]:
        merged = _merged(merged, value, "", overlap, conflicts)
    return Merged(merged, tuple(dict.fromkeys(conflicts)))


def _merged(first: JsonValue, second: JsonValue, path: str, overlap: Overlap, conflicts: list[str]) -> JsonValue:
    if _says_nothing(second):
        return first
    if _says_nothing(first):
        return second
    if isinstance(first, list) and isinstance(second, list):
        return [*first, *(second if overlap == "none" else _without_repeated(first, second, rows=overlap == "rows"))]
    if isinstance(first, dict) and isinstance(second, dict):
        names = dict.fromkeys([*first, *second])
        return {
            name: _merged(first.get(name), second.get(name), f"{path}.{name}".lstrip("."), overlap, conflicts)
            for name in names
        }
    if first != second:
        conflicts.append(path or "the answer")
    return first


def _without_repeated(first: list[JsonValue], second: list[JsonValue], *, rows: bool) -> list[JsonValue]:
    """Return `second` without its first items that repeat the end of `first`, ignoring case and white space.

    If two lists of `rows` do not agree on the shared rows, items at the start of `second` that occur near the end of
    `first` are left out, as long as they are most of the items at that start.
    """
    before, after = [*map(_key, first[-_MAX_REPEATED:])], [*map(_key, second[:_MAX_REPEATED])]
    for count in range(min(len(before), len(after)), 0, -1):
        if before[-count] == after[0] and before[-count:] == after[:count]:
            return second[count:]
    if not rows:
        return second
    left, repeated, shared = Counter(before), [], 0
    for number, key in enumerate(after):
        if left[key] > 0:
            left[key] -= 1
            repeated.append(number)
            if 2 * len(repeated) > number + 1:
                shared = number + 1
    left_out = {number for number in repeated if number < shared}
    return [item for number, item in enumerate(second) if number not in left_out]


def _key(item: JsonValue) -> str:
    return "".join(json.dumps(item, ensure_ascii=False, sort_keys=True).casefold().split())


def _says_nothing(value: JsonValue) -> bool:
    return value is None or value == "" or value == [] or value == {}
