"""JSON Schemas: is this one, and does a value fit it?

Schemas come from recipe files and from API callers, values from the model: nothing is fetched (`offline`), and regular
expressions give up instead of running away.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from pydantic import JsonValue

_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=50_000)
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
"""What holds schemas under names of the caller's own."""
_VALUES = ("const", "enum", "default", "examples", "example")
"""What holds values, not schemas."""
_SHOWN = 160
_MOST_MISFITS = 10


def schema_flaw(schema: Any) -> str | None:
    """Why `schema` is no JSON Schema that can be asked for, or None."""
    if not isinstance(schema, dict):
        return 'a JSON Schema is an object (a table), for example { type = "object" }'
    if not schema:
        return "the schema is empty: it asks for nothing"
    if foreign := _foreign(schema):
        return f"the reference {foreign} leads out of the schema: only those that begin with # are followed"
    try:
        _validator(schema)
    except ValueError as error:
        return f"not a JSON Schema: {_first_line(error)}"
    return None


def misfits(value: JsonValue, schema: dict[str, JsonValue]) -> list[str]:
    """Where and how `value` does not fit, as sentences for a person or a model; empty where it fits."""
    found: list[str] = []
    for error in _validator(schema).iter_errors(value):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        found.append(f"{place.lstrip('.') or 'the answer'}: {_first_line(error)}")
        if len(found) == _MOST_MISFITS:
            break
    return found


def as_sent(schema: JsonValue) -> JsonValue:
    """The schema in the words that the Gemini API knows: a `const`, which it does not, is an `enum` of one."""
    if isinstance(schema, list):
        return [as_sent(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    sent: dict[str, JsonValue] = {}
    for word, value in schema.items():
        if word in _NAMED and isinstance(value, dict):
            sent[word] = {name: as_sent(each) for name, each in value.items()}
        elif word not in _VALUES:
            sent[word] = as_sent(value)
        elif word == "const" and "enum" not in schema:
            sent["enum"] = [value]
        elif word != "const":
            sent[word] = value
    return sent


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema, pattern_options=_PATTERNS, offline=True)


def _first_line(error: Exception) -> str:
    line = str(error).strip().splitlines()[0]
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _foreign(schema: JsonValue) -> str | None:
    """The first reference that does not stay within the schema."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            return reference
        return next((found for value in schema.values() if (found := _foreign(value))), None)
    if isinstance(schema, list):
        return next((found for value in schema if (found := _foreign(value))), None)
    return None
