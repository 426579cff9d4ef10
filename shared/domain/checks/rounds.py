"""An answer in rounds: what came of the calls so far, and whether another one is due.

Pure and replayable: a takeover that finds the stored rounds of an earlier claim comes to the same decision.

    answer ──▶ cut off at the model's limit? ──▶ `Again` with a continuation prompt (bounded)
           ──▶ does not fit its schema?      ──▶ `Again` with a repair prompt (once)
           ──▶ `Whole` (with warnings for what is short of it), or `Failed`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, cast

from pydantic import JsonValue

from shared.domain import answer
from shared.domain.answer import Json
from shared.domain.checks.continuation import continuation_prompt, join_without_overlap
from shared.domain.checks.structure import Structured, read, repair_prompt
from shared.domain.errors import FailureCode


class Whole(NamedTuple):
    """The answer: one response for all rounds, its text, and its value where a schema was asked for."""

    response: Json
    text: str
    value: JsonValue
    warnings: tuple[str, ...]


class Again(NamedTuple):
    """One more call: these turns behind the first one's contents."""

    kind: Literal["continue", "repair"]
    turns: tuple[Json, ...]


class Failed(NamedTuple):
    code: FailureCode
    message: str


Step = Whole | Again | Failed
Judge = Callable[[str, dict[str, JsonValue]], Structured]


def next_step(
    responses: Sequence[Json],
    schema: dict[str, JsonValue] | None,
    *,
    continuations: int,
    repairs: int = 1,
    judge: Judge = read,
) -> Step:
    """What follows from the responses to one question, oldest first; there must be one at least.

    `judge` reads a structured answer and tells what is wrong with it.
    """
    text, going_on, continued, repaired = "", False, 0, 0
    step: Step = Failed("upstream_error", "Gemini gave no answer.")
    for index, response in enumerate(responses):
        candidate = next(iter(answer.candidates(response)), None)
        if candidate is None or _refused(candidate):
            return _without_words(response, candidate, responses[:index], text, schema, judge)
        piece = answer.text(candidate)
        text = join_without_overlap(text, piece, structured=schema is not None) if going_on else piece
        reason = answer.finish_reason(candidate)
        going_on = reason == "MAX_TOKENS" and bool(piece.strip()) and continued < continuations
        if going_on:
            continued += 1
            step = Again("continue", _turns(text, continuation_prompt(text, structured=schema is not None)))
            continue
        calls = any("functionCall" in part for part in answer.parts(candidate))
        judged = judge(text, schema) if schema is not None and not calls else Structured(None, ())
        if not judged.problems:
            step = Whole(_merged(responses[: index + 1], text), text, judged.value, _shortcomings(candidate, text))
        elif reason in answer.BLOCKED_REASONS:
            step = Failed("content_policy_violation", f"Gemini stopped early ({reason}): {judged.problems[0]}.")
        elif reason == "MAX_TOKENS":
            step = Failed(
                "schema_not_satisfied",
                f"The answer ended at the token limit before its JSON was whole ({judged.problems[0]}). "
                "Raise max_tokens or ask for less.",
            )
        elif repaired < repairs:
            repaired += 1
            step = Again("repair", _turns(text, repair_prompt(judged.problems)))
        else:
            told = "; ".join(judged.problems[:3])
            step = Failed("schema_not_satisfied", f"The answer does not fit its schema, nor did a second one: {told}.")
    return step


def _refused(candidate: Json) -> bool:
    return not answer.parts(candidate) and answer.finish_reason(candidate) in answer.BLOCKED_REASONS


def _without_words(
    response: Json,
    candidate: Json | None,
    before: Sequence[Json],
    text: str,
    schema: dict[str, JsonValue] | None,
    judge: Judge,
) -> Step:
    """A round that was blocked: what earlier rounds said still stands where it is good by itself."""
    reason = answer.finish_reason(candidate) if candidate is not None else answer.block_reason(response)
    judged = judge(text, schema) if schema is not None else Structured(None, ())
    if before and text and not judged.problems:
        warning = f"Going on with the answer was blocked ({reason or 'no reason given'}): it is not complete."
        return Whole(_merged(before, text), text, judged.value, (warning,))
    if before and schema is not None:
        return Failed("schema_not_satisfied", f"The answer does not fit its schema: {judged.problems[0]}.")
    if candidate is not None:
        return Failed("content_policy_violation", f"Gemini stopped before the first word ({reason}).")
    if reason is not None:
        return Failed("content_policy_violation", f"Gemini blocked the prompt ({reason}). Nothing was answered.")
    return Failed("upstream_error", "Gemini answered without a candidate.")


def _shortcomings(candidate: Json, text: str) -> tuple[str, ...]:
    reason = answer.finish_reason(candidate)
    if reason == "MAX_TOKENS" and not text.strip():
        return ("The token limit was used up before the first word, by thinking: raise max_tokens or think less.",)
    if reason == "MAX_TOKENS":
        return ("The answer ended at the token limit: it is not complete.",)
    if reason == "RECITATION":
        return ("The model stopped because it was reciting a known text (RECITATION): the answer is not complete.",)
    if reason in answer.BLOCKED_REASONS:
        return (f"The model stopped early ({reason}): the answer is not complete.",)
    if reason is None:
        return ("The answer came without a finish reason: it may not be complete.",)
    if reason != "STOP" and "CALL" not in reason:
        return (f"The model stopped for an unusual reason ({reason}): the answer may not be complete.",)
    if not text.strip() and not any("functionCall" in part for part in answer.parts(candidate)):
        return ("The model's answer is empty.",)
    return ()


def _turns(text: str, said: str) -> tuple[Json, ...]:
    """What the model said and what is said to it; a turn without a word would be refused."""
    user: Json = {"role": "user", "parts": [{"text": said}]}
    return ({"role": "model", "parts": [{"text": text}]}, user) if text.strip() else (user,)


def _merged(responses: Sequence[Json], text: str) -> Json:
    """The last response with the whole text and the usage of all rounds; a single one stays as it is."""
    last = responses[-1]
    if len(responses) == 1:
        return last
    candidate = answer.candidates(last)[0]
    others = [part for part in answer.parts(candidate) if "text" not in part or part.get("thought")]
    merged: Json = {**candidate, "content": {"role": "model", "parts": cast(JsonValue, [*others, {"text": text}])}}
    return {**last, "candidates": [merged], "usageMetadata": total_usage(responses)}


def total_usage(responses: Sequence[Json]) -> Json:
    """What all calls together cost: counts added up, details added by modality."""
    total: Json = {}
    for response in responses:
        counted = response.get("usageMetadata")
        for name, value in (counted if isinstance(counted, dict) else {}).items():
            total[name] = _added(total.get(name), value)
    return total


def _added(so_far: JsonValue, more: JsonValue) -> JsonValue:
    if isinstance(more, int) and not isinstance(more, bool):
        return more + (so_far if isinstance(so_far, int) else 0)
    if not isinstance(more, list):
        return more
    tokens: dict[str, int] = {}
    for detail in [*(so_far if isinstance(so_far, list) else []), *more]:
        if isinstance(detail, dict):
            modality, count = str(detail.get("modality")), detail.get("tokenCount")
            tokens[modality] = tokens.get(modality, 0) + (count if isinstance(count, int) else 0)
    return [{"modality": modality, "tokenCount": count} for modality, count in tokens.items()]
