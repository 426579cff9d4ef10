"""JSON Schemas: is this one, and does a value fit it?

Schemas come from recipe files and from API callers, values from the model: nothing is fetched (`offline`), and regular
expressions give up instead of running away.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from pydantic import JsonValue

_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=50_000)
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
