"""Whatever reason the model stops for, it has a meaning; only one of them makes a whole answer."""

from __future__ import annotations

import pytest
from google.genai.types import FinishReason
from pydantic import JsonValue

from shared.domain.answer import finish_reasons
from shared.domain.answer.completion import completion
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed, Step, next_step

REASONS = [each.value for each in FinishReason]
CUT = ["MAX_TOKENS", "CONTINUATION"]
UNUSABLE = ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL"]
BLOCKED = [each for each in REASONS if finish_reasons.ending_of(each) == "blocked"]
TOMORROW = "A_REASON_OF_TOMORROW"


def ended(text: str | None, reason: str | None, *more: Json) -> Json:
    said: list[Json] = [] if text is None else [{"text": text}]
    parts: list[JsonValue] = [*said, *more]
    candidate: Json = {"content": {"role": "model", "parts": parts}}
    return {"candidates": [candidate | ({} if reason is None else {"finishReason": reason})]}


def step(*responses: Json, schema: Json | None = None, repairs: int = 1) -> Step:
    return next_step(responses, schema, continuations=0, repairs=repairs)


def test_every_reason_that_the_sdk_knows_is_known_here() -> None:
    assert [reason for reason in REASONS if "not known here" in finish_reasons.explained(reason)] == []
    assert len(REASONS) == 24


@pytest.mark.parametrize("reason", [*REASONS, TOMORROW, None])
def test_only_a_model_that_came_to_its_end_says_stop(reason: str | None) -> None:
    made = completion(ended("Words", reason), task_id="x", created=1, model="m")
    choices = made["choices"]
    assert isinstance(choices, list)
    assert isinstance(choices[0], dict)
    assert (choices[0]["finish_reason"] == "stop") == (reason == "STOP")
    assert (choices[0]["finish_reason"] == "content_filter") == (reason in BLOCKED)


@pytest.mark.parametrize("repairs", [0, 1])
@pytest.mark.parametrize("reason", [*REASONS, TOMORROW, None])
def test_words_with_any_other_end_come_with_a_warning_or_fail_by_its_name(reason: str | None, repairs: int) -> None:
    found = step(ended("Words", reason), repairs=repairs)
    if isinstance(found, AskAgain):
        assert reason in UNUSABLE
        found = step(ended("Words", reason), ended("Words", reason))
    name = "finish reason" if reason in (None, "FINISH_REASON_UNSPECIFIED") else reason
    assert name is not None
    match found:
        case CompleteAnswer():
            assert (found.warnings == ()) == (reason == "STOP")
            assert reason == "STOP" or name in found.warnings[0] or reason == "MAX_TOKENS"
        case Failed():
            assert reason in UNUSABLE
            assert name in found.message
        case _:
            raise AssertionError(found)


@pytest.mark.parametrize("reason", [*REASONS, TOMORROW, None])
def test_no_words_twice_fail_whatever_the_end_and_name_it(reason: str | None) -> None:
    first = step(ended(None, reason))
    asked_twice = isinstance(first, AskAgain)
    found = step(ended(None, reason), ended(None, reason)) if asked_twice else first
    assert isinstance(found, Failed)
    at_once = [*BLOCKED, "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"]
    assert asked_twice == (reason not in at_once)
    if reason in BLOCKED:
        assert found.code == "content_policy_violation"
    elif reason in [*UNUSABLE, *at_once]:
        assert found.code == "upstream_error"
    else:
        assert found.code == "empty_answer"
    assert reason in (None, "FINISH_REASON_UNSPECIFIED") or str(reason) in found.message


@pytest.mark.parametrize("reason", UNUSABLE)
def test_an_answer_that_cannot_be_used_is_asked_for_again_once(reason: str) -> None:
    again = step(ended("Half a call", reason))
    assert isinstance(again, AskAgain)
    assert reason in str(again.turns)
    whole = step(ended("Half a call", reason), ended("All of it.", "STOP"))
    assert isinstance(whole, CompleteAnswer)
    assert (whole.text, whole.warnings) == ("All of it.", ())


@pytest.mark.parametrize("reason", CUT)
def test_an_answer_cut_off_is_gone_on_with(reason: str) -> None:
    again = next_step([ended("Half of", reason)], None, continuations=1)
    assert isinstance(again, AskAgain)
    assert again.kind == "continue"


def test_a_call_that_comes_without_a_reason_is_passed_on_with_a_warning() -> None:
    call: Json = {"functionCall": {"name": "f", "args": {}}}
    whole = step(ended(None, None, call))
    assert isinstance(whole, CompleteAnswer)
    assert "without a finish reason" in whole.warnings[0]


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "OTHER", "UNEXPECTED_TOOL_CALL"])
def test_a_call_that_may_not_be_whole_is_no_answer(reason: str) -> None:
    call: Json = {"functionCall": {"name": "f", "args": {}}}
    assert isinstance(step(ended(None, reason, call)), AskAgain)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"text": ""}],
        [{"text": " \n\t"}],
        [{"text": "\u200b\ufeff\u00a0"}],
        [{"text": "```json\n```"}],
        [{"text": "Hm.", "thought": True}],
        [{"text": "Hm.", "thought": True}, {"text": "\n"}],
        [{}],
    ],
)
def test_what_shows_nothing_is_no_answer(parts: list[Json]) -> None:
    response = ended(None, "STOP", *parts)
    assert isinstance(step(response), AskAgain)
    failed = step(response, response)
    assert isinstance(failed, Failed)
    assert failed.code == "empty_answer"
    whole = step(response, ended("Words", "STOP"))
    assert isinstance(whole, CompleteAnswer)
    assert whole.text == "Words"


@pytest.mark.parametrize("response", [{}, {"candidates": []}, {"usageMetadata": {"promptTokenCount": 3}}])
def test_a_response_without_candidates_is_no_answer(response: Json) -> None:
    assert isinstance(step(response), AskAgain)
    failed = step(response, response)
    assert isinstance(failed, Failed)
    assert failed.code == "empty_answer"


def test_a_second_answer_is_not_asked_for_a_third_time() -> None:
    schema: Json = {"type": "object", "required": ["name"]}
    empty, file_misfit = ended("", "STOP"), ended("{}", "STOP")
    for first, second in ((empty, file_misfit), (file_misfit, empty), (empty, ended("x", "MALFORMED_RESPONSE"))):
        assert isinstance(step(first, second, schema=schema), Failed)


def test_a_continuation_that_brings_nothing_leaves_what_there_is_with_a_warning() -> None:
    whole = next_step([ended("Half of", "MAX_TOKENS"), ended("", "STOP")], None, continuations=3)
    assert isinstance(whole, CompleteAnswer)
    assert whole.text == "Half of"
    assert "brought nothing" in whole.warnings[0]
