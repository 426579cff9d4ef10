"""JSON that can be written out again and sent on: what Python's parser takes beyond the standard is refused.

Without this, NaN, 1e999, half a surrogate pair or a thousand brackets pass every check and fail where they are sent.
"""

from __future__ import annotations

import json
import math

from pydantic import JsonValue

DEEPEST = 100
"""Levels of objects and lists. Deeper values break the parsers of services that they are sent to."""


def parse(text: str | bytes) -> JsonValue:
    """Return the value. Raise ValueError, whose message says what is wrong, for anything else than plain JSON."""
    value = parse_loosely(text)
    if not _is_text(value):
        raise ValueError("it holds one half of a surrogate pair (\\ud800 to \\udfff), which is no character")
    return value


def parse_loosely(text: str | bytes) -> JsonValue:
    """Return the value, in which halves of surrogate pairs may stand. Raise ValueError as `parse` does."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    if levels_and_size(value)[0] > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    return value


def whole_characters(value: JsonValue) -> JsonValue:
    """Return the value with U+FFFD in place of every half of a surrogate pair."""
    if _is_text(value):
        return value
    text = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    changed: JsonValue = json.loads(text)
    return changed


def levels_and_size(value: JsonValue) -> tuple[int, int]:
    """Return how deep lists and objects lie in each other (0: none), and how many values there are in all."""
    levels, size, layer = 0, 1, [value]
    while layer:
        inner = [
            item
            for held in layer
            if isinstance(held, dict | list)
            for item in (held.values() if isinstance(held, dict) else held)
        ]
        size += len(inner)
        levels += any(isinstance(held, dict | list) for held in layer)
        layer = inner
    return levels, size


def _is_text(value: JsonValue) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON value")


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"{written[:40]} is too large a number")
    return number
