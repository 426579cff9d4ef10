"""Join the answers about the parts of one file, or write the call that does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer import response as answer
from shared.domain.answer.response import Json
from shared.domain.answer.usage import total_usage
from shared.domain.checks.rounds import CompleteAnswer
from shared.domain.outputs.markup import unfenced
from shared.domain.recipe.definition import Join, Recipe, RecipeQuestion
from shared.domain.splitting.merge import Overlap, merge_values
from shared.domain.splitting.plan import Span
from shared.domain.splitting.transcripts import are_transcripts, join_plain, join_segments

_MAX_CONFLICTS = 5


class Joined(NamedTuple):
    text: str
    value: JsonValue
    warnings: tuple[str, ...]


def way_to_join(recipe: Recipe, asked: RecipeQuestion) -> Join:
    """Return how the answers of parts become one: as the recipe says, else as its question suggests."""
    if asked.response_schema is not None:
        return "merge"
    return recipe.join or ("transcript" if recipe.transcript or recipe.count_rows else "ask")


def join_answers(join: Join, answers: Sequence[CompleteAnswer], plan: Sequence[Span]) -> CompleteAnswer:
    """Return the answers of all parts, which are whole, as one."""
    joined = _joined(join, answers, plan)
    named = zip(answers, plan, strict=True)
    warnings = [f"{span.label}: {told}" for whole, span in named for told in whole.warnings]
    remarks = [f"{span.label}: {told}" for whole, span in zip(answers, plan, strict=True) for told in whole.remarks]
    return CompleteAnswer(
        _as_one(answers, joined.text), joined.text, joined.value, (*warnings,), (*remarks, *joined.warnings)
    )


def append_answers(answers: Sequence[CompleteAnswer], plan: Sequence[Span], why: str) -> CompleteAnswer:
    """Return the answers one after the other, because the call that was to join them failed: they were paid for."""
    text = "\n\n".join(
        f"## {span.label[:1].upper()}{span.label[1:]}\n\n{whole.text.strip()}"
        for whole, span in zip(answers, plan, strict=True)
    )
    told = f"The answers about the parts stand one after the other, because they could not be made into one: {why}"
    return CompleteAnswer(
        _as_one(answers, text), text, None, (*(warning for whole in answers for warning in whole.warnings), told)
    )


def _joined(join: Join, answers: Sequence[CompleteAnswer], plan: Sequence[Span]) -> Joined:
    if join == "merge":
        return _merged([whole.value for whole in answers], plan)
    texts = [whole.text for whole in answers]
    if join == "transcript" and plan[0].unit == "seconds":
        text, warnings = join_plain(texts, plan)
        return Joined(text, None, warnings)
    return Joined("\n\n".join(unfenced(text).strip() for text in texts if text.strip()), None, ())


def _merged(values: Sequence[JsonValue], plan: Sequence[Span]) -> Joined:
    if plan[0].unit == "seconds" and are_transcripts(values):
        value, conflicts, warnings = join_segments(values, plan)
    else:
        value, conflicts = merge_values(values, overlap=_overlap(plan))
        warnings = ()
    if conflicts:
        more = f" and {len(conflicts) - _MAX_CONFLICTS} more" if len(conflicts) > _MAX_CONFLICTS else ""
        named = ", ".join(conflicts[:_MAX_CONFLICTS]) + more
        warnings = (*warnings, f"The parts of the file differ in {named}: what the first of them says was kept.")
    return Joined(json.dumps(value, ensure_ascii=False), value, warnings)


def _overlap(plan: Sequence[Span]) -> Overlap:
    """Return what neighbouring parts both hold."""
    if plan[0].unit == "seconds":
        return "moments"
    return "rows" if len(plan) > 1 and plan[0].end >= plan[1].start else "none"


def _as_one(answers: Sequence[CompleteAnswer], text: str) -> Json:
    """Return the last response with the joined text and the usage of all."""
    responses = [whole.response for whole in answers]
    candidate = answer.candidates(responses[-1])[0]
    content: Json = {"role": "model", "parts": [{"text": text}]}
    merged: Json = {**candidate, "content": cast(JsonValue, content)}
    return {**responses[-1], "candidates": [merged], "usageMetadata": total_usage(responses)}


def part_note(plan: Sequence[Span], number: int) -> str:
    """Return what is said to the model about the part that it gets."""
    span, count = plan[number - 1], len(plan)
    if span.unit == "pages":
        shared = (
            " Answer for all of it; a neighbouring part may hold a page of it too." if _overlap(plan) == "rows" else ""
        )
        return f"(This is part {number} of {count} of a longer document: its {span.label}.{shared})"
    return (
        f"(This is part {number} of {count} of a longer recording. Write times as they run in this part, which begins "
        "at 00:00.)"
    )


def joining_prompt(prompt: str, answers: Sequence[CompleteAnswer], plan: Sequence[Span]) -> str:
    """Return the prompt of the call that makes one answer of those about the parts."""
    kind = "document" if plan[0].unit == "pages" else "recording"
    parts = "\n\n".join(
        f"--- Part {number} of {len(plan)}, {span.label} ---\n{whole.text.strip()}"
        for number, (whole, span) in enumerate(zip(answers, plan, strict=True), 1)
    )
    return (
        f"A {kind} was too long to be read at once. Below are the answers to one question about each of its parts, in "
        f"order.\n\n{parts}\n\n--- End of the parts ---\n\nThe question was:\n{prompt}\n\nAnswer it for the whole "
        f"{kind}, from these answers alone: do not speak of parts, say nothing twice, and keep every fact that matters."
    )
