"""Make the JSON Schemas of OpenAI's clients acceptable to Gemini: drop the keywords that it does not take.

Clients make schemas of classes and send all that a class says; our own end points refuse such a keyword instead.
"""

from __future__ import annotations

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.answer.schema_limits import KEYWORDS, MOST_LEVELS

_OLD_DEFINITIONS = "#/definitions/"
_OF_NAMES = ("properties", "$defs")
"""Keywords whose members are schemas by name."""
_LISTS = ("anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")


def without_unknown_keywords(schema: Json, dropped: set[str], level: int = 0) -> Json:
    """Return the schema with Gemini's keywords only; the names of the others are added to `dropped`.

    One deeper than is taken is left as it is, and refused by the check that follows.
    """
    if level > MOST_LEVELS:
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
        # Gemini takes nothing beside a reference.
        plain["anyOf"] = [{"$ref": plain.pop("$ref")}]
    return plain


def _inner(keyword: str, value: JsonValue, dropped: set[str], level: int) -> JsonValue:
    def plain(item: JsonValue) -> JsonValue:
        return without_unknown_keywords(item, dropped, level) if isinstance(item, dict) else item

    if keyword in _OF_NAMES and isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if keyword in _LISTS and isinstance(value, list):
        return [plain(item) for item in value]
    return plain(value) if keyword in _SINGLE else value


def _unwrapped(schema: Json) -> Json:
    """Return the schema in today's words: `definitions`, `nullable`, and `allOf` of one."""
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
