"""Which schemas the service takes: in `responseSchema` a subset of OpenAPI's, in `responseJsonSchema` of JSON's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.standins.gemini.errors import bad_request, invalid
from local.standins.gemini.pattern_text import pattern_flaw

_JSON_SCHEMA_KEYWORDS = frozenset(
    [
        "$id",
        "$defs",
        "$ref",
        "$anchor",
        "type",
        "format",
        "title",
        "description",
        "enum",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "anyOf",
        "oneOf",
        "properties",
        "additionalProperties",
        "required",
        "propertyOrdering",
        # Not on the documented list, but what pydantic's schemas carry, and the service takes from its own client.
        "$schema",
        "default",
        "uniqueItems",
    ]
)
_JSON_TYPES = frozenset(["string", "number", "integer", "boolean", "array", "object", "null"])
_STRING_FORMATS = frozenset({"enum", "date-time", "date", "time", "duration", "byte"})
_NUMBER_FORMATS = {"INTEGER": ("int32", "int64"), "NUMBER": ("float", "double")}
_DEEPEST = 32


def check_schema(schema: dict[str, Any], path: str, depth: int = 0) -> None:
    """Raise the 400 for a well-formed `Schema` that the service does not accept."""
    if depth > _DEEPEST:
        raise invalid(f"* {path}: the schema is nested too deeply.\n")
    kind = schema.get("type")
    if kind in (None, "TYPE_UNSPECIFIED") and not schema.get("anyOf") and (schema.keys() - {"description", "title"}):
        kind = "OBJECT" if "properties" in schema else "ARRAY" if "items" in schema else "STRING"
    if kind == "OBJECT":
        _check_object(schema, path)
    if kind == "ARRAY" and "items" not in schema:
        raise invalid(f"* {path}.items: missing field.\n")
    _check_scalar(schema, kind, path)
    _check_bounds(schema, path)
    if "items" in schema:
        check_schema(schema["items"], f"{path}.items", depth + 1)
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{path}.properties[{name}]", depth + 1)
    for index, inner in enumerate(schema.get("anyOf", [])):
        check_schema(inner, f"{path}.any_of[{index}]", depth + 1)


def _check_object(schema: dict[str, Any], path: str) -> None:
    properties = schema.get("properties", {})
    if not properties:
        raise invalid(f"* {path}.properties: should be non-empty for OBJECT type\n")
    for field, name in (("required", "required"), ("propertyOrdering", "property_ordering")):
        for index, property_ in enumerate(schema.get(field, [])):
            if property_ not in properties:
                raise invalid(f"* {path}.{name}[{index}]: property is not defined\n")


def _check_scalar(schema: dict[str, Any], kind: str | None, path: str) -> None:
    if "enum" in schema:
        if kind != "STRING":
            raise invalid(f"* {path}.enum: only allowed for STRING type\n")
        if "" in schema["enum"]:
            raise invalid(f"* {path}.enum[{schema['enum'].index('')}]: cannot be empty\n")
    written = schema.get("format")
    if written and kind == "STRING" and written not in _STRING_FORMATS:
        raise invalid(f"* {path}.format: only 'enum' and 'date-time' are supported for STRING type\n")
    if written and kind in _NUMBER_FORMATS and written not in _NUMBER_FORMATS[kind]:
        allowed = " and ".join(repr(name) for name in _NUMBER_FORMATS[kind])
        raise invalid(f"* {path}.format: only {allowed} are supported for {kind} type\n")
    if "pattern" in schema and (flaw := pattern_flaw(schema["pattern"])) is not None:
        raise invalid(f"* {path}.pattern: is not a regular expression: {flaw}\n")


def _check_bounds(schema: dict[str, Any], path: str) -> None:
    bounds = [("minItems", "maxItems"), ("minLength", "maxLength"), ("minProperties", "maxProperties")]
    for least, most in [*bounds, ("minimum", "maximum")]:
        if least in schema and most in schema and schema[least] > schema[most]:
            raise invalid(f"* {path}.{least}: must not be greater than {most}\n")
        if least != "minimum" and (schema.get(least, 0) < 0 or schema.get(most, 0) < 0):
            raise invalid(f"* {path}.{least}: must not be negative\n")


def check_json_schema(schema: Any, path: str, depth: int = 0) -> None:
    """Raise the 400 that names the first unsupported keyword."""
    if isinstance(schema, bool) and depth:
        return
    if not isinstance(schema, dict):
        raise invalid(f"* {path}: a JSON Schema must be an object.\n")
    if depth > _DEEPEST:
        raise invalid(f"* {path}: the schema is nested too deeply.\n")
    _check_keywords(schema, path)
    for name, inner in _nested(schema, path):
        check_json_schema(inner, f"{path}.{name}", depth + 1)


def _check_keywords(schema: dict[str, Any], path: str) -> None:
    for keyword in schema:
        if keyword not in _JSON_SCHEMA_KEYWORDS:
            where = path.removeprefix("GenerateContentRequest.")
            words = f"Invalid JSON Schema: unsupported keyword \"{keyword}\" at '{where}'."
            raise bad_request([(where, words)])
    if "$ref" in schema and any(not keyword.startswith("$") for keyword in schema):
        raise invalid(f"* {path}: beside $ref no other keywords may stand, except those starting with $.\n")
    types = schema.get("type", [])
    for kind in [types] if isinstance(types, str) else types:
        if kind not in _JSON_TYPES:
            raise invalid(f"* {path}.type: unknown type {kind!r}.\n")
    for index, value in enumerate(schema.get("enum", [])):
        if isinstance(value, bool | dict | list):
            raise invalid(f"* {path}.enum[{index}]: only strings and numbers are supported.\n")


def _nested(schema: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name in ("properties", "$defs"):
        yield from ((f"{name}[{key}]", inner) for key, inner in _object(schema, name, path).items())
    yield from ((name, schema[name]) for name in ("items", "additionalProperties") if name in schema)
    for name in ("prefixItems", "anyOf", "oneOf"):
        yield from ((f"{name}[{index}]", inner) for index, inner in enumerate(schema.get(name, [])))


def _object(schema: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    value = schema.get(name, {})
    if not isinstance(value, dict):
        raise invalid(f"* {path}.{name}: must be an object.\n")
    return value
