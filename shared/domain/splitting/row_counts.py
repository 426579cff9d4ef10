"""Count the rows of pages that are pictures: ask how many each window of pages holds, and compare with its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.answer.schemas import as_sent
from shared.domain.recipe.question import Question
from shared.domain.splitting.plan import Span, part_name

_COUNTED = "row count of"
"""Stands where the names of questions stand. No recipe's question is named so: their names have no spaces."""
_MAX_TOKENS = 4_096
"""Of the count and what the model thinks before it."""
_PROMPT = (
    "Count the rows of the tables on each page of this document, without headings and page numbers. Pages are numbered "
    "from 1, as they come. Answer with the numbers alone: do not list the rows."
)
_COUNT: JsonValue = {"type": "integer", "minimum": 0}
_SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "required": ["pages"],
    "properties": {
        "pages": {
            "type": "array",
            "items": {"type": "object", "required": ["page", "rows"], "properties": {"page": _COUNT, "rows": _COUNT}},
        }
    },
}
_KEPT = ("mediaResolution", "thinkingConfig")


class CountedWindow(NamedTuple):
    """`on_pages` is None if the model gave no count."""

    span: Span
    on_pages: int | None
    answered: int


def counting_name(number: int, count: int) -> str:
    """Return the name of the question that counts the rows of a part."""
    return part_name(_COUNTED, number, count)


def counting_question(question: Question) -> Question:
    """Return the question that counts the rows of what `question` is about, which is a part of a PDF."""
    assert question.part is not None
    part = question.part
    turns = cast(list[Json], question.body["contents"])
    files = [piece for turn in turns for piece in cast(list[Json], turn["parts"]) if "fileData" in piece]
    config = cast(Json, question.body.get("generationConfig") or {})
    counting: Json = {
        "maxOutputTokens": _MAX_TOKENS,
        "responseMimeType": "application/json",
        "responseJsonSchema": as_sent(_SCHEMA),
    }
    body: Json = {
        "contents": [{"role": "user", "parts": cast(JsonValue, [*files, {"text": _PROMPT}])}],
        "generationConfig": {**{name: config[name] for name in _KEPT if name in config}, **counting},
    }
    changes: dict[str, object] = {
        "body": body,
        "name": counting_name(part.number, len(part.plan)),
        "part": part.model_copy(update={"question": _COUNTED}),
        "response_schema": _SCHEMA,
        "continuations": 0,
        "max_tokens": _MAX_TOKENS,
        "repairs": 0,
    }
    return question.model_copy(update=changes)


def counted_rows(value: JsonValue) -> int:
    """Return the rows of all pages together. `value` fits the schema of the question."""
    return sum(cast(int, page["rows"]) for page in cast(list[Json], cast(Json, value)["pages"]))


def warnings_of_windows(windows: Sequence[CountedWindow]) -> list[str]:
    """Return what users should know: which windows lack rows, and which could not be counted."""
    short = [
        f"{window.on_pages - window.answered:,} of {window.on_pages:,} on {window.span.label}"
        for window in windows
        if window.on_pages is not None and window.answered < window.on_pages
    ]
    uncounted = [window.span.label for window in windows if window.on_pages is None]
    warnings = []
    if short:
        warnings.append(f"Rows are missing, as the model counted those of the scanned pages: {'; '.join(short)}.")
    if uncounted:
        warnings.append(f"The rows on {'; '.join(uncounted)} were not counted: the model gave no count of them.")
    return warnings
