"""Drop the keywords of a client's JSON Schema that Gemini does not accept.

OpenAI's clients generate schemas from classes, with keywords that the user never wrote. Dropsight's own end points
refuse such keywords instead.
"""

from __future__ import annotations

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.answer.schema_limits import KEYWORDS, MAX_LEVELS

_OLD_DEFINITIONS = "#/definitions/"
_KEYWORDS_OF_NAMED_SCHEMAS = ("properties", "$defs")
"""Keywords whose members are schemas by name."""
_KEYWORDS_OF_LISTS = ("anyOf", "oneOf", "prefixItems")
_KEYWORDS_OF_ONE_SCHEMA = ("items", "additionalProperties")


def without_unknown_keywords(schema: Json, dropped: set[str], level: int = 0) -> Json:
    """Return the schema with Gemini's keywords only; add the names of the others to `dropped`.

    Levels below `MAX_LEVELS` are returned unchanged: the check that follows refuses schemas that deep.
    """
    if level > MAX_LEVELS:
        return schema
    plain: Json = {}
    for keyword, value in _unwrapped(schema).items():
        if keyword not in KEYWORDS:
            dropped.add(keyword)
        elif keyword == "$ref" and isinstance(value, str):
            plain[keyword] = value.replace(_OLD_DEFINITIONS, "#/$defs/", 1)
        else:
            plain[keyword] = _inner(keyword, value, dropped, level + 1)
    if "$ref" in plain and any(not keyword.startswith("$") for keyword in plain):
        # Gemini accepts no other keyword beside $ref.
        plain["anyOf"] = [{"$ref": plain.pop("$ref")}]
    return plain


def _inner(keyword: str, value: JsonValue, dropped: set[str], level: int) -> JsonValue:
    def plain(item: JsonValue) -> JsonValue:
        return without_unknown_keywords(item, dropped, level) if isinstance(item, dict) else item

    if keyword in _KEYWORDS_OF_NAMED_SCHEMAS and isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if keyword in _KEYWORDS_OF_LISTS and isinstance(value, list):
        return [plain(item) for item in value]
    return plain(value) if keyword in _KEYWORDS_OF_ONE_SCHEMA else value


def _unwrapped(schema: Json) -> Json:
    """Return the schema with old forms replaced: `definitions`, `nullable`, and `allOf` with one member."""
    changed = dict(schema)
    if "definitions" in changed:
        changed.setdefault("$defs", changed.pop("definitions"))
    whole = changed.get("allOf")
    if isinstance(whole, list) and len(whole) == 1 and isinstance(whole[0], dict):
        del changed["allOf"]
        changed = {**whole[0], **changed}
    if changed.get("nullable") is True and isinstance(changed.get("type"), str):
        del changed["nullable"]
        changed["type"] = [changed["type"], "null"]
    return changed
