"""The types of fields that a recipe file may write in several ways, and what a function declaration must hold."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from shared.domain.answer.plain_json import parse
from shared.domain.answer.schemas import schema_flaw
from shared.domain.media.kinds import Family
from shared.domain.models.prices import Tier

FUNCTION_SCHEMAS = {"parameters": "parametersJsonSchema", "response": "responseJsonSchema"}
"""The schemas of a function declaration: their names in a recipe, and on the wire."""
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    f"{letter}ib": 1 << (10 * power) for power, letter in enumerate("kmgt", 1)
}

_LARGEST_SIZE = 1 << 60
"""Bytes; Cloud Storage ends at 5 TiB."""


def _parse_size(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is no size: write bytes, or for example 500KB, 20MB, 1.5GiB")
    size = float(match["number"]) * _UNITS[(match["unit"] or "").lower()]
    if size > _LARGEST_SIZE:
        raise ValueError(f"{value[:40]!r} is more than any object has")
    return int(size)


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _parse_schema(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = parse(value)
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from error
    if value is not None and (flaw := schema_flaw(value)):
        raise ValueError(str(flaw))
    return value


def _parse_tier(value: Any) -> Any:
    return "standard" if value in ("default", "auto") else value


def function_flaw(declaration: dict[str, JsonValue]) -> str | None:
    """Return what is wrong with a function declaration, or None."""
    name = declaration.get("name")
    if not isinstance(name, str):
        return "a function declaration needs a name"
    if not _FUNCTION_NAME.fullmatch(name):
        return f"{name!r} is no name of a function: letters, digits, _ . and -, beginning with a letter or _"
    schemas = [key for pair in FUNCTION_SCHEMAS.items() for key in pair]
    if unknown := sorted(declaration.keys() - {"name", "description", *schemas}):
        return f"function {name}: {unknown[0]} is unknown; there are name, description, {', '.join(schemas)}"
    if not isinstance(declaration.get("description", ""), str):
        return f"function {name}: the description must be text"
    for short, long in FUNCTION_SCHEMAS.items():
        if short in declaration and long in declaration:
            return f"function {name}: give {short} or {long}, not both"
    for key in schemas:
        schema = declaration.get(key) or None
        if schema is not None and (flaw := schema_flaw(schema)):
            return f"function {name}: {key}: {flaw}"
    return None


_ONE_OR_MORE = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
_FAMILY = {"enum": list(get_args(Family))}

Bytes = Annotated[
    int, Field(ge=0), BeforeValidator(_parse_size), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})
]
"""A number, or text such as `20MB`."""
Words = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), _ONE_OR_MORE]
"""A string, or a list of strings."""
Families = Annotated[
    tuple[Family, ...],
    BeforeValidator(_as_tuple),
    WithJsonSchema({"anyOf": [_FAMILY, {"type": "array", "items": _FAMILY}]}),
]
ServiceTier = Annotated[Tier, BeforeValidator(_parse_tier), WithJsonSchema({"enum": ["default", *get_args(Tier)]})]
"""OpenAI's name for the standard tier is `default`; `auto` means it too."""
Schema = Annotated[
    dict[str, JsonValue],
    BeforeValidator(_parse_schema),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]}),
]
"""A JSON Schema as a table or as JSON text."""
