"""Decide the next step of a question from its rounds so far: another call, an answer, or a failure.

Pure: a takeover that reads the stored rounds of an earlier claim makes the same decision.

    answer ──▶ says nothing, or cannot be used? ──▶ `AskAgain`, once
           ──▶ cut off at a limit of tokens?    ──▶ `AskAgain` with a continuation prompt (bounded; never out of a loop)
           ──▶ does not fit its schema?         ──▶ put right where it has one meaning, else `AskAgain` (once)
           ──▶ `CompleteAnswer` (with warnings for what is short of it), or `Failed`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer import finish_reasons
from shared.domain.answer import response as answer
from shared.domain.answer.finish_reasons import explained
from shared.domain.answer.grounding import grounding_of_answers
from shared.domain.answer.response import Json
from shared.domain.answer.usage import total_usage
from shared.domain.checks.continuation import continuation_prompt, join_without_overlap
from shared.domain.checks.loops import loop_at_end
from shared.domain.checks.structure import Structured, read, repair_prompt
from shared.domain.errors import FailureCode
from shared.domain.outputs.markup import unfenced

_MAX_FENCE_CHARACTERS = 200
"""Characters. A longer answer cannot be an empty fence."""


class CompleteAnswer(NamedTuple):
    """The final answer: one response for all rounds, its text, and its value if there is a schema."""

    response: Json
    text: str
    value: JsonValue
    warnings: tuple[str, ...]
    """Sentences about missing content."""
    remarks: tuple[str, ...] = ()
    """Sentences about repairs."""


class AskAgain(NamedTuple):
    """Make one more call with these turns appended to the contents."""

    kind: Literal["continue", "repair", "again"]
    turns: tuple[Json, ...]
    token: str | None = None
    """The continuation token to send with the same request."""


class Failed(NamedTuple):
    code: FailureCode
    message: str


Step = CompleteAnswer | AskAgain | Failed
Judge = Callable[[str, dict[str, JsonValue]], Structured]


def next_step(
    responses: Sequence[Json],
    schema: dict[str, JsonValue] | None,
    *,
    continuations: int,
    repairs: int = 1,
    judge: Judge = read,
) -> Step:
    """Return what follows from the responses to one question, oldest first. `responses` must not be empty.

    `judge` reads a structured answer and returns its value and its errors.
    """
    text, is_continuing, continued, asked_again = "", False, 0, 0
    step: Step = Failed("empty_answer", "Gemini gave no answer.")
    for index, response in enumerate(responses):
        candidate = next(iter(answer.candidates(response)), None)
        reason = answer.finish_reason(candidate) if candidate is not None else answer.block_reason(response)
        ending = finish_reasons.ending_of(reason)
        blocked = ending == "blocked" or (candidate is None and reason is not None)
        is_empty = candidate is None or _says_nothing(candidate)
        if candidate is None or is_empty or (is_continuing and ending == "malformed"):
            if text:
                return _answer_of_earlier_rounds(responses[:index], reason, text, schema, judge, blocked=blocked)
            if blocked or ending == "given_up" or asked_again:
                return _failure_of_empty_answer(candidate, reason, asked_again)
            asked_again, is_continuing = asked_again + 1, False
            step = AskAgain("again", _turns("", _ask_again_text(reason)))
            continue
        piece = answer.text(candidate)
        text = join_without_overlap(text, piece, structured=schema is not None) if is_continuing else piece
        calls = answer.calls(candidate)
        if ending == "malformed":
            is_continuing, step = False, _after_malformed_answer(reason, text, asked_again, repairs)
            asked_again += 1
            text = ""
            continue
        loop_phrase = _phrase_of_cut_loop(candidate) or (loop_at_end(text) if ending == "cut" else None)
        is_continuing = (
            ending == "cut"
            and loop_phrase is None
            and not calls
            and answer.has_words(piece)
            and continued < continuations
        )
        if is_continuing:
            continued += 1
            step = AskAgain("continue", _turns(text, continuation_prompt(text, structured=schema is not None)))
            continue
        judged = judge(text, schema) if schema is not None and not calls else Structured(None, ())
        if not judged.problems:
            warnings = _incompleteness_warnings(candidate, reason, loop_phrase)
            step = _complete_answer(responses[: index + 1], text, judged, warnings)
        elif blocked:
            step = Failed("content_policy_violation", f"Gemini stopped early ({reason}): {judged.problems[0]}.")
        elif ending == "cut":
            step = Failed("schema_not_satisfied", _cut_off_message(candidate, reason, judged.problems[0], loop_phrase))
        elif asked_again < repairs:
            asked_again += 1
            step = AskAgain("repair", _turns(text, repair_prompt(judged.problems)))
        else:
            problems = "; ".join(judged.problems[:3])
            step = Failed(
                "schema_not_satisfied", f"The answer does not fit its schema, nor did a second one: {problems}."
            )
    return step


def _says_nothing(candidate: Json) -> bool:
    """Return whether the answer is empty, or an empty fence."""
    if answer.says_nothing(candidate):
        return True
    text = answer.text(candidate)
    return (
        0 < len(text) <= _MAX_FENCE_CHARACTERS
        and len(answer.parts(candidate)) == 1
        and not answer.has_words(unfenced(text))
    )


def _ask_again_text(reason: str | None) -> str:
    if finish_reasons.ending_of(reason) == "malformed":
        return f"Your answer could not be used ({explained(reason)}). Answer again, in full."
    return "Your answer was empty. Answer again, in full."


def _failure_of_empty_answer(candidate: Json | None, reason: str | None, again: int) -> Failed:
    """Return the failure for an answer without words, when the question is not asked again."""
    times = ", twice" if again else ""
    if candidate is None:
        if reason is not None:
            return Failed("content_policy_violation", f"Gemini blocked the prompt ({reason}). Nothing was answered.")
        return Failed("empty_answer", f"Gemini answered without a candidate{times}.")
    match finish_reasons.ending_of(reason):
        case "blocked":
            return Failed("content_policy_violation", f"Gemini stopped before the first word ({explained(reason)}).")
        case "malformed" | "given_up":
            return Failed("upstream_error", f"Gemini came to no answer{times} ({explained(reason)}).")
        case "cut":
            used_up = "The token limit was used up before the first word, by thinking"
            return Failed("empty_answer", f"{used_up}{times} ({reason}): raise max_tokens or think less.")
        case _:
            return Failed("empty_answer", f"Gemini answered without a word{times} ({explained(reason)}).")


def _after_malformed_answer(reason: str | None, text: str, again: int, repairs: int) -> Step:
    """Ask again for an answer that the service calls malformed, or fail."""
    if again < repairs:
        return AskAgain("again", _turns(text, _ask_again_text(reason)))
    times = ", twice" if again else ""
    return Failed("upstream_error", f"Gemini's answer cannot be used{times} ({explained(reason)}).")


def _answer_of_earlier_rounds(
    before: Sequence[Json],
    reason: str | None,
    text: str,
    schema: dict[str, JsonValue] | None,
    judge: Judge,
    *,
    blocked: bool,
) -> Step:
    """Use the text of earlier rounds if the last round added nothing and the text is valid by itself."""
    judged = judge(text, schema) if schema is not None else Structured(None, ())
    if judged.problems:
        return Failed("schema_not_satisfied", f"The answer does not fit its schema: {judged.problems[0]}.")
    became = "was blocked" if blocked else "brought nothing"
    warning = f"Going on with the answer {became} ({reason or 'no reason given'}): it is not complete."
    return _complete_answer(before, text, judged, (warning,))


def _complete_answer(
    responses: Sequence[Json], text: str, judged: Structured, warnings: tuple[str, ...]
) -> CompleteAnswer:
    """Return the final answer. If its value was repaired, its text is the repaired JSON."""
    spoken = json.dumps(judged.value, ensure_ascii=False) if judged.remarks else text
    merged = _merged(responses, spoken, rewritten=bool(judged.remarks))
    return CompleteAnswer(merged, spoken, judged.value, warnings, judged.remarks)


def cut_in_loop(phrase: str, tokens: int) -> Json:
    """Return the last piece of an answer whose stream was closed, since it repeated `phrase` over and over.

    `tokens`: the number of its tokens, used if the service has counted fewer.
    """
    candidate: Json = {"index": 0, "finishReason": "MAX_TOKENS", "loop": phrase}
    return {"candidates": [candidate], "cutBy": "loop", "cutTokens": tokens}


def _phrase_of_cut_loop(candidate: Json) -> str | None:
    phrase = candidate.get("loop")
    return phrase if isinstance(phrase, str) else None


def _cut_off_message(candidate: Json, reason: str | None, problem: str, loop_phrase: str | None) -> str:
    if loop_phrase is not None and _phrase_of_cut_loop(candidate):
        return f"The answer was caught in a loop and was cut off: {_describe_loop(loop_phrase)}"
    if loop_phrase is not None:
        return f"The answer was caught in a loop and ended at the token limit: {_describe_loop(loop_phrase)}"
    if reason == "MAX_TOKENS":
        return (
            f"The answer ended at the token limit before its JSON was whole ({problem}). "
            "Raise max_tokens or ask for less."
        )
    return f"The answer broke off before its JSON was whole ({explained(reason)}; {problem}). Ask for less."


def _describe_loop(phrase: str) -> str:
    short = phrase if len(phrase) <= 40 else f"{phrase[:40].rstrip()}…"
    return f"it repeats “{short}” over and over."


def _incompleteness_warnings(candidate: Json, reason: str | None, loop_phrase: str | None) -> tuple[str, ...]:
    if loop_phrase is not None and _phrase_of_cut_loop(candidate):
        return (f"The answer was caught in a loop; it was cut off and not continued: {_describe_loop(loop_phrase)}",)
    if loop_phrase is not None:
        limit = "The answer ended at the token limit, caught in a loop, and was not continued"
        return (f"{limit}: {_describe_loop(loop_phrase)}",)
    if reason == "RECITATION":
        return ("The model stopped because it was reciting a known text (RECITATION): the answer is not complete.",)
    match finish_reasons.ending_of(reason):
        case "whole":
            return ()
        case "cut" if reason == "MAX_TOKENS":
            return ("The answer ended at the token limit: it is not complete.",)
        case "cut":
            return (f"The answer ended at {explained(reason).partition(': ')[2]} ({reason}): it is not complete.",)
        case "blocked":
            return (f"The model stopped early ({explained(reason)}): the answer is not complete.",)
        case _ if reason is None:
            return ("The answer came without a finish reason: it may not be complete.",)
        case _:
            message = f"The model stopped for an unusual reason ({explained(reason)})"
            return (f"{message}: the answer may not be complete.",)


def _turns(text: str, answer_text: str) -> tuple[Json, ...]:
    """Return the model's turn and the user's reply. Empty turns are left out: the service refuses them."""
    user: Json = {"role": "user", "parts": [{"text": answer_text}]}
    return ({"role": "model", "parts": [{"text": text}]}, user) if text.strip() else (user,)


def _merged(responses: Sequence[Json], text: str, *, rewritten: bool = False) -> Json:
    """Return the last response with the whole text, and with the usage and the grounding of all rounds.

    Rounds whose text was not kept are included, since their text was sent to the model again.
    """
    last = responses[-1]
    if len(responses) == 1 and not rewritten:
        return last
    candidate = answer.candidates(last)[0]
    others = [part for part in answer.parts(candidate) if "text" not in part or part.get("thought")]
    merged: Json = {**candidate, "content": {"role": "model", "parts": cast(JsonValue, [*others, {"text": text}])}}
    rounds = [first.get("groundingMetadata") for response in responses for first in answer.candidates(response)[:1]]
    if len(responses) > 1 and (grounding := grounding_of_answers(rounds)) is not None:
        merged["groundingMetadata"] = grounding
    return {**last, "candidates": [merged], "usageMetadata": total_usage(responses)}
