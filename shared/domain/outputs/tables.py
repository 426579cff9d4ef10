"""A flat list as CSV (RFC 4180), with cells that a spreadsheet would run as formulas made harmless."""

from __future__ import annotations

import csv
import io
import json

from pydantic import JsonValue

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class NoTable(ValueError):
    """A structured answer that is no list of records."""


def table(value: JsonValue, schema: dict[str, JsonValue] | None = None) -> str:
    """Rows of the one list that `value` is or holds; an object without lists is one row. Raises `NoTable`.

    Columns come in the order of the schema's properties, then as they appear. What is nested in a cell stays JSON.
    """
    rows = _rows(value)
    columns = list(dict.fromkeys([*_declared(schema), *(name for row in rows for name in row)]))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([neutralised(column) for column in columns])
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def neutralised(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before = + - @ and control characters."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


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
    """The properties of a record, as far as the schema tells them without references."""
    at: JsonValue = schema
    for _ in range(3):
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
