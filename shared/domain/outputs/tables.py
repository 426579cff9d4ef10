"""Render a flat list as CSV (RFC 4180), with cells neutralised that a spreadsheet would run as formulas."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata

from pydantic import JsonValue

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_BLANK = r"(?:[^\S\t\r\n]|[\ufeff\u200b-\u200f\u2060])*"
_CALLS = r"[+\-＋－][^;\t\r\n]*?(?:\w\(|\|)"
_WITHIN = re.compile(rf"([;\t\r\n])(?={_BLANK}(?:[=@＝＠]|{_CALLS}))")
"""Matches formulas that programs would see at the start of a cell if they split lines at semicolons or tabs. Sums count
only if they call a function: a list of "- one" and "- two" is unchanged."""


class NoTable(ValueError):
    """The structured answer is not a list of records."""


def table(value: JsonValue, schema: dict[str, JsonValue] | None = None) -> str:
    """Return the rows of the only list in `value`; an object without lists is one row. Raises `NoTable`.

    Columns come in the order of the schema's properties, then as they appear. What is nested in a cell stays JSON.
    """
    rows = _rows(value)
    columns = list(dict.fromkeys([*_declared(schema), *(name for row in rows for name in row)]))
    out = io.StringIO()
    # Quoted: a semicolon divides cells where a comma is the decimal point.
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow([neutralised(column) for column in columns])
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def neutralised(text: str) -> str:
    """Return text that no spreadsheet runs as a formula: an apostrophe goes before = + - @ and control characters."""
    safe = _WITHIN.sub(r"\1'", text)
    bare = safe.lstrip(" ")
    return f"'{safe}" if bare.startswith(_FORMULA) or _first_visible(bare) in _FORMULA else safe


def _first_visible(text: str) -> str:
    """Return the first character that is not a space or a zero-width mark, in its plain form (＝ is =)."""
    for letter in text:
        if unicodedata.category(letter)[0] not in "CZ":
            return unicodedata.normalize("NFKC", letter)
    return ""


def _rows(value: JsonValue) -> list[dict[str, JsonValue]]:
    if isinstance(value, dict):
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        if not lists:
            return [value]
        if len(lists) > 1:
            raise NoTable("the answer holds several lists, which make no single table")
        value = lists[0]
    if not isinstance(value, list):
        raise NoTable("the answer is no list, which a table is made from")
    if all(isinstance(item, dict) for item in value):
        return [item for item in value if isinstance(item, dict)]
    if any(isinstance(item, dict | list) for item in value):
        raise NoTable("the list's items are not of one kind")
    return [{"value": item} for item in value]


def _declared(schema: dict[str, JsonValue] | None) -> list[str]:
    """Return the properties of a record, as far as the schema names them."""
    at: JsonValue = schema
    for _ in range(3):
        at = _resolve_reference(at, schema)
        if not isinstance(at, dict):
            return []
        if isinstance(at.get("items"), dict):
            at = at["items"]
            continue
        properties = at.get("properties")
        if not isinstance(properties, dict):
            return []
        lists = [inner for inner in properties.values() if isinstance(inner, dict) and inner.get("type") == "array"]
        if len(lists) != 1:
            return list(properties) if not lists else []
        at = lists[0]
    return []


def _resolve_reference(at: JsonValue, schema: JsonValue) -> JsonValue:
    """Resolve a local reference as pydantic writes them; return anything else unchanged."""
    place = at.get("$ref") if isinstance(at, dict) else None
    if not isinstance(place, str) or not place.startswith("#/"):
        return at
    target = schema
    for step in place.removeprefix("#/").split("/"):
        target = target.get(step) if isinstance(target, dict) else None
    return target


def _cell(value: JsonValue) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return neutralised(value)
        case _:
            return neutralised(json.dumps(value, ensure_ascii=False))
