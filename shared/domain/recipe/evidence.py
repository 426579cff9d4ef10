"""Ask for evidence: beside the structured answer, a list of quotes of the source that prove its values.

    the user's schema S   ─▶   {"answer": S, "evidence": [{"path", "quote", "page"}, …]}

The wrapped form is what the model is asked for. Users get the answer as their schema has it, and the quotes apart from
it, each looked up in the source by us (`shared.domain.checks.quotes`).
"""

from __future__ import annotations

from typing import NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer.response import Json

EVIDENCE_PROMPT = """\
Put the answer into `answer`. For each value of it, add an entry to `evidence`: `path` is the value's place, such as \
total or lines[2].price; `quote` are the words of the source that prove it, copied exactly as they stand there, as few \
as make it certain; `page` is the number of the page they stand on, counted from 1. Never quote words that are not in \
the source: leave out the entry instead."""
MAX_ENTRIES = 1_000
"""Entries of an answer that are looked up; the others are `unchecked`."""
LONGEST_QUOTE = 2_000

_ENTRY: Json = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "quote": {"type": "string"}, "page": {"type": "integer"}},
    "required": ["path", "quote"],
    "propertyOrdering": ["path", "quote", "page"],
}
_ANSWER = "#/properties/answer"


class Quote(NamedTuple):
    """One entry as the model gave it."""

    path: str
    text: str
    page: int | None = None
    """Counted from 1."""


class AnswerWithEvidence(NamedTuple):
    """An answer and its evidence, separated."""

    answer: JsonValue
    quotes: tuple[Quote, ...]


def with_evidence(schema: Json) -> Json:
    """Return the schema of an answer with its evidence. References keep pointing to what they pointed to."""
    inner = cast(Json, _with_moved_references({name: value for name, value in schema.items() if name != "$defs"}))
    wrapped: Json = {
        "type": "object",
        "properties": {"answer": inner, "evidence": {"type": "array", "items": _ENTRY}},
        "required": ["answer", "evidence"],
        "propertyOrdering": ["answer", "evidence"],
    }
    if "$defs" in schema:
        wrapped["$defs"] = _with_moved_references(schema["$defs"])
    return wrapped


def _with_moved_references(schema: JsonValue) -> JsonValue:
    """Return the schema with references adapted to its place in the wrapped schema."""
    if isinstance(schema, list):
        return [_with_moved_references(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _move_reference(part) if name == "$ref" else _with_moved_references(part) for name, part in schema.items()
    }


def _move_reference(reference: JsonValue) -> JsonValue:
    if not isinstance(reference, str) or not reference.startswith("#") or reference.startswith("#/$defs/"):
        return reference
    return _ANSWER + reference[1:]


def split_evidence(value: JsonValue) -> AnswerWithEvidence | None:
    """Return the answer and its quotes; None if the value is not of the wrapped form."""
    if not isinstance(value, dict) or "answer" not in value:
        return None
    entries = value.get("evidence")
    quotes = [_quote(entry) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return AnswerWithEvidence(value["answer"], tuple(quotes))


def _quote(entry: Json) -> Quote:
    page = entry.get("page")
    is_page = isinstance(page, int) and not isinstance(page, bool) and page > 0
    return Quote(str(entry.get("path", "")), str(entry.get("quote", "")), cast(int, page) if is_page else None)
