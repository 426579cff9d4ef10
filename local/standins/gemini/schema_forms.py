"""Both forms of schema as one: converts an OpenAPI-like `Schema` into a JSON Schema, and checks values."""

from __future__ import annotations

from typing import Any

from local.standins.gemini.pattern_text import matches

Json = Any
JsonSchema = dict[str, Any]

_KEPT = [
    "format",
    "title",
    "description",
    "enum",
    "minItems",
    "maxItems",
    "required",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "default",
    "minProperties",
    "maxProperties",
    "propertyOrdering",
]


def to_json_schema(schema: JsonSchema) -> JsonSchema:
    """Convert a parsed `Schema` into the equivalent JSON Schema."""
    answer: JsonSchema = {name: schema[name] for name in _KEPT if name in schema}
    if "example" in schema:
        answer["examples"] = [schema["example"]]
    kind = schema.get("type", "TYPE_UNSPECIFIED")
    if kind != "TYPE_UNSPECIFIED":
        answer["type"] = kind.lower()
    if "items" in schema:
        answer["items"] = to_json_schema(schema["items"])
    if "properties" in schema:
        answer["properties"] = {name: to_json_schema(inner) for name, inner in schema["properties"].items()}
    if "anyOf" in schema:
        answer["anyOf"] = [to_json_schema(inner) for inner in schema["anyOf"]]
    if schema.get("nullable") and "type" in answer:
        answer["type"] = [answer["type"], "null"]
        if "enum" in answer:
            answer["enum"] = [*answer["enum"], None]
    elif schema.get("nullable") and "anyOf" in answer:
        answer["anyOf"] = [*answer["anyOf"], {"type": "null"}]
    return answer


def resolve(schema: Json, root: JsonSchema) -> JsonSchema:
    """Return the schema that a `$ref` points to: `#`, `#/$defs/Name`, `#anchor`, or an `$id`."""
    for _ in range(16):
        if not isinstance(schema, dict):
            return {}
        if "$ref" not in schema:
            return schema
        schema = _target(str(schema["$ref"]), root)
    return {}


def _target(reference: str, root: JsonSchema) -> Json:
    if reference in ("#", root.get("$id")):
        return root
    if reference.startswith("#/"):
        target: Json = root
        for step in reference[2:].split("/"):
            target = target.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, dict) else {}
        return target
    return next((inner for inner in _within(root) if reference in (f"#{inner.get('$anchor')}", inner.get("$id"))), {})


def _within(schema: Json) -> list[JsonSchema]:
    if isinstance(schema, dict):
        return [schema, *(nested for inner in schema.values() for nested in _within(inner))]
    return [nested for inner in schema for nested in _within(inner)] if isinstance(schema, list) else []


def kinds(schema: JsonSchema) -> list[str]:
    """Return the types that a schema allows, inferred from its other keywords if it names none."""
    types = schema.get("type")
    if types is not None:
        return [types] if isinstance(types, str) else list(types)
    if "properties" in schema or "additionalProperties" in schema:
        return ["object"]
    if "items" in schema or "prefixItems" in schema:
        return ["array"]
    if "minimum" in schema or "maximum" in schema:
        return ["number"]
    return ["string"]


def is_valid(value: Json, schema: Json, root: JsonSchema) -> bool:
    """Return whether `value` satisfies the keywords that the service supports."""
    if isinstance(schema, bool):
        return schema
    schema = resolve(schema, root)
    if "type" in schema and not any(_has_type(value, kind) for kind in kinds(schema)):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "anyOf" in schema and not any(is_valid(value, branch, root) for branch in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(is_valid(value, branch, root) for branch in schema["oneOf"]) != 1:
        return False
    if isinstance(value, dict):
        return _is_valid_object(value, schema, root)
    if isinstance(value, list):
        return _is_valid_array(value, schema, root)
    if isinstance(value, str):
        fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return fits and ("pattern" not in schema or matches(schema["pattern"], value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


def _is_valid_object(value: dict[str, Json], schema: JsonSchema, root: JsonSchema) -> bool:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    return (
        all(name in value for name in schema.get("required", []))
        and schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))
        and all(is_valid(inner, properties.get(name, others), root) for name, inner in value.items())
    )


def _is_valid_array(value: list[Json], schema: JsonSchema, root: JsonSchema) -> bool:
    first = schema.get("prefixItems", [])
    return (
        schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        and not (schema.get("uniqueItems") and any(item in value[:index] for index, item in enumerate(value)))
        and all(is_valid(item, schema_of, root) for item, schema_of in zip(value, first, strict=False))
        and all(is_valid(item, schema.get("items", True), root) for item in value[len(first) :])
    )


def _has_type(value: Json, kind: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return number and float(value).is_integer()
        case "number":
            return number
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return value is None
