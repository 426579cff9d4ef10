"""Find the line of each key in a TOML text, for messages, since `tomllib` does not give lines.

The text must be valid TOML. Only the ends of values are parsed, so that a `key =` or `[table]` inside a string is not
mistaken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Place = tuple[str | int, ...]
"""Keys from the top, with an index for each element of an array of tables: `("recipe", 1, "parameters", "seed")`."""

_KEY_PART = r"(?:[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*')"
_KEY = rf"{_KEY_PART}(?:\s*\.\s*{_KEY_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)\s*({_KEY})\s*\]\]?")
_PAIR = re.compile(rf"[ \t]*({_KEY})\s*=\s*")
_VALUE_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]|[^\[\]{}\n"\'#]+',
    re.DOTALL,
)


def lines(text: str) -> dict[Place, int]:
    """Return the line (from 1) of each table header and of each key of a table, except in inline tables."""
    text = text.replace("\r\n", "\n")
    numbers: dict[Place, int] = {}
    line, counted = 1, 0
    for place, offset in _keys(text):
        line, counted = line + text.count("\n", counted, offset), offset
        numbers.setdefault(place, line)
    return numbers


def line_of(numbers: dict[Place, int], place: Place) -> int:
    """Return the line of the key, else of the table around it, else the first line."""
    while place:
        if place in numbers:
            return numbers[place]
        place = place[:-1]
    return 1


def _keys(text: str) -> Iterator[tuple[Place, int]]:
    table: Place = ()
    counts: dict[Place, int] = {}
    at = 0
    while at < len(text):
        if header := _HEADER.match(text, at):
            table = _table(header[1] == "[[", _parts(header[2]), counts)
            yield table, header.start(2)
            at = _end_of_line(text, header.end())
        elif pair := _PAIR.match(text, at):
            parts = _parts(pair[1])
            for depth in range(1, len(parts) + 1):
                yield (*table, *parts[:depth]), pair.start(1)
            at = _end_of_value(text, pair.end())
        else:
            at = _end_of_line(text, at)


def _table(array: bool, parts: list[str], counts: dict[Place, int]) -> Place:
    place: Place = ()
    for depth, part in enumerate(parts, 1):
        place = (*place, part)
        if array and depth == len(parts):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _parts(key: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_KEY_PART, key)]


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _end_of_value(text: str, at: int) -> int:
    depth = 0
    for token in _VALUE_TOKEN.finditer(text, at):
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth <= 0:
                return token.end()
            case _:
                pass
    return len(text)
