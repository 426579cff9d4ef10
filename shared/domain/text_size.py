"""How much text a JSON value holds, without writing it out."""

from __future__ import annotations

from pydantic import JsonValue


def text_size(value: JsonValue) -> int:
    """Return the number of characters of all strings in `value`, keys not counted."""
    size, left = 0, [value]
    while left:
        match left.pop():
            case str() as text:
                size += len(text)
            case list() as items:
                left.extend(items)
            case dict() as fields:
                left.extend(fields.values())
            case _:
                pass
    return size
