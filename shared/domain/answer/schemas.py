"""Check that a JSON Schema can be requested, and that a value fits it.

Schemas come from recipe files, objects' metadata and API callers, values from the model. What a check costs is bounded
when the schema is taken (`schema_limits`); with a large or deeply nested value it may still take long (`is_quick`).
Nothing is fetched (`offline`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
from pydantic import JsonValue

from shared.domain.answer.plain_json import levels_and_size
from shared.domain.answer.schema_limits import Flaw, evaluations, limits_flaw

_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=50_000)
_NAMED = ("properties", "$defs")
"""What holds schemas under names of the caller's own."""
_VALUES = ("const", "enum", "default")
"""What holds values, not schemas."""
_SHOWN = 160
_MAX_MISFITS = 10
_QUICK_EVALUATIONS = 200_000
"""About 10 ms, measured at 15 to 40 ns each."""
_QUICK_STEPS = 20_000
"""Of finding out whether a check is quick: parts of the schema times levels of the value, about 10 ms."""
_EXPLAINED_EVALUATIONS = 5_000
_EXPLAINED_WIDTH = 200
"""Evaluations of one value. Each that fails within an anyOf is kept with a copy of the value: 5 to 30 KB."""


def schema_flaw(schema: Any) -> Flaw | None:
    """Return why `schema` is no JSON Schema that can be asked for, or None."""
    if not isinstance(schema, Mapping):
        return Flaw("", 'a JSON Schema is an object (a table), for example { type = "object" }')
    if not schema:
        return Flaw("", "the schema is empty: it asks for nothing")
    if flaw := limits_flaw(schema):
        return flaw
    try:
        _validator(dict(schema))
    except ValueError as error:
        return Flaw("", f"not a JSON Schema: {_first_line(error)}")
    return None


def is_quick(value: JsonValue, schema: Mapping[str, Any]) -> bool:
    """Return whether a check of `value` is sure to take a few milliseconds only."""
    levels, size = levels_and_size(value)
    width = evaluations(schema, levels, most_steps=_QUICK_STEPS)
    return width is not None and size * width <= _QUICK_EVALUATIONS


def fits(value: JsonValue, schema: dict[str, JsonValue]) -> bool:
    return _validator(schema).is_valid(value)


def violations(value: JsonValue, schema: dict[str, JsonValue]) -> list[str]:
    """Return where and how `value` does not fit, as sentences for a person or a model; empty if it fits."""
    validator = _validator(schema)
    if validator.is_valid(value):
        return []
    if not _explicable(value, schema):
        return ["the answer: it does not fit the schema"]
    messages: list[str] = []
    for error in validator.iter_errors(value):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        messages.append(f"{place.lstrip('.') or 'the answer'}: {_first_line(error)}")
        if len(messages) == _MAX_MISFITS:
            break
    return messages


def as_sent(schema: JsonValue) -> JsonValue:
    """Return the schema in the words that the Gemini API knows: a `const`, which it does not, is an `enum` of one."""
    if isinstance(schema, list):
        return [as_sent(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    sent: dict[str, JsonValue] = {}
    for word, value in schema.items():
        if word in _NAMED and isinstance(value, dict):
            sent[word] = {name: as_sent(part) for name, part in value.items()}
        elif word not in _VALUES:
            sent[word] = as_sent(value)
        elif word == "const" and "enum" not in schema:
            sent["enum"] = [value]
        elif word != "const":
            sent[word] = value
    return sent


def _explicable(value: JsonValue, schema: Mapping[str, Any]) -> bool:
    levels, size = levels_and_size(value)
    width = evaluations(schema, levels)
    return width is None or width <= _EXPLAINED_WIDTH or width * size <= _EXPLAINED_EVALUATIONS


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(_as_one_resource(schema), pattern_options=_PATTERNS, offline=True)


def _as_one_resource(schema: Any) -> Any:
    """Return the schema without `$id` and `$schema`, which would give its references and words another meaning here
    than they have for Gemini, and for `schema_limits`."""
    if isinstance(schema, list):
        return [_as_one_resource(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    resource: dict[str, Any] = {}
    for word, value in schema.items():
        if word in _NAMED and isinstance(value, Mapping):
            resource[word] = {name: _as_one_resource(part) for name, part in value.items()}
        elif word in _VALUES:
            resource[word] = value
        elif word not in ("$id", "$schema"):
            resource[word] = _as_one_resource(value)
    return resource


def _first_line(error: Exception) -> str:
    line = str(error).strip().splitlines()[0]
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
