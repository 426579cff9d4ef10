"""An answer is called whole only when it is: its form, its end, and its recording."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.answer import Json
from shared.domain.checks import (
    Again,
    Failed,
    Whole,
    join_without_overlap,
    next_step,
    read,
    repeated_phrase,
    transcript_warnings,
)
from shared.domain.recipe import Range
from shared.domain.schemas import misfits, schema_flaw

NAMED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}


def said(text: str | None, reason: str = "STOP", tokens: int = 5, **extra: Any) -> Json:
    parts: list[JsonValue] = [] if text is None else [{"text": text}]
    return {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": reason}],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": tokens,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 9}, {"modality": "TEXT", "tokenCount": 1}],
        },
        **extra,
    }


def step(*responses: Json, schema: dict[str, JsonValue] | None = None, continuations: int = 3) -> Any:
    return next_step(responses, schema, continuations=continuations)


def test_an_answer_that_stopped_by_itself_is_whole() -> None:
    first = said("All of it.")
    assert step(first) == Whole(first, "All of it.", None, ())


def test_an_answer_that_fits_its_schema_is_whole_with_its_value() -> None:
    whole = step(said('```json\n{"name": "Ann"}\n```'), schema=NAMED)
    assert isinstance(whole, Whole)
    assert whole.value == {"name": "Ann"}


@pytest.mark.parametrize(("text", "says"), [('{"nom": 1}', '"name" is a required property'), ("Sure! {", "not JSON")])
def test_an_answer_that_does_not_fit_is_to_be_repaired_once_and_told_why(text: str, says: str) -> None:
    again = step(said(text), schema=NAMED)
    assert isinstance(again, Again)
    assert again.kind == "repair"
    assert again.turns[0] == {"role": "model", "parts": [{"text": text}]}
    assert says in json.dumps(again.turns[1]["parts"]).replace('\\"', '"')


def test_a_repaired_answer_is_whole_and_both_calls_are_counted() -> None:
    whole = step(said("{}", tokens=3), said('{"name": "Ann"}', tokens=4), schema=NAMED)
    assert isinstance(whole, Whole)
    assert whole.value == {"name": "Ann"}
    usage: Any = whole.response["usageMetadata"]
    assert (usage["promptTokenCount"], usage["candidatesTokenCount"]) == (20, 7)
    assert usage["promptTokensDetails"] == [
        {"modality": "AUDIO", "tokenCount": 18},
        {"modality": "TEXT", "tokenCount": 2},
    ]


def test_a_second_answer_that_does_not_fit_fails() -> None:
    failed = step(said("{}"), said("[]"), schema=NAMED)
    assert isinstance(failed, Failed)
    assert failed.code == "schema_not_satisfied"


def test_segments_whose_times_are_none_are_to_be_repaired() -> None:
    text = json.dumps({"segments": [{"start": "soon", "text": "x"}]})
    assert "segments[0]" in read(text, {"type": "object"}).problems[0]


def test_an_answer_cut_off_is_continued_and_joined_without_the_overlap() -> None:
    first, second = said("We met on Monday and", "MAX_TOKENS"), said("on Monday and talked.")
    again = step(first)
    assert isinstance(again, Again)
    assert again.kind == "continue"
    assert "We met on Monday and" in str(again.turns[1])
    whole = step(first, second)
    assert isinstance(whole, Whole)
    assert whole.text == "We met on Monday and talked."
    candidate: Any = whole.response["candidates"]
    assert candidate[0]["content"]["parts"] == [{"text": "We met on Monday and talked."}]
    assert candidate[0]["finishReason"] == "STOP"


def test_a_structured_answer_cut_off_is_whole_once_its_pieces_are_joined() -> None:
    pieces = said('{"name": "Ann of Green', "MAX_TOKENS"), said('"Ann of Green Gables"}')
    whole = step(*pieces, schema=NAMED)
    assert isinstance(whole, Whole)
    assert whole.value == {"name": "Ann of Green Gables"}


def test_continuing_ends_and_what_is_still_short_says_so() -> None:
    pieces = [said(f"part {number} ", "MAX_TOKENS") for number in range(3)]
    assert isinstance(step(*pieces[:2], continuations=2), Again)
    whole = step(*pieces, continuations=2)
    assert isinstance(whole, Whole)
    assert whole.warnings == ("The answer ended at the token limit: it is not complete.",)


def test_a_structured_answer_still_cut_off_fails_instead_of_being_repaired() -> None:
    failed = step(said('{"name": "A', "MAX_TOKENS"), schema=NAMED, continuations=0)
    assert isinstance(failed, Failed)
    assert failed.code == "schema_not_satisfied"
    assert "max_tokens" in failed.message


def test_a_limit_used_up_by_thinking_is_not_continued_and_says_so() -> None:
    whole = step(said(None, "MAX_TOKENS"))
    assert isinstance(whole, Whole)
    assert "thinking" in whole.warnings[0]


def test_a_continuation_that_is_blocked_leaves_what_there_is_with_a_warning() -> None:
    whole = step(said("Half of", "MAX_TOKENS"), said(None, "SAFETY"))
    assert isinstance(whole, Whole)
    assert whole.text == "Half of"
    assert "SAFETY" in whole.warnings[0]


@pytest.mark.parametrize(
    ("response", "code", "says"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "content_policy_violation", "blocked the prompt (SAFETY)"),
        (said(None, "RECITATION"), "content_policy_violation", "RECITATION"),
        (said(None, "PROHIBITED_CONTENT"), "content_policy_violation", "before the first word"),
        ({"candidates": []}, "upstream_error", "without a candidate"),
    ],
)
def test_an_answer_without_words_fails_with_its_reason(response: Json, code: str, says: str) -> None:
    failed = step(response)
    assert isinstance(failed, Failed)
    assert failed.code == code
    assert says in failed.message


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (said("To be, or not", "RECITATION"), "reciting"),
        (said("I will", "SAFETY"), "SAFETY"),
        (said("Odd", "OTHER"), "OTHER"),
        (said("   "), "empty"),
        ({"candidates": [{"content": {"parts": [{"text": "Half"}]}}]}, "without a finish reason"),
    ],
)
def test_an_answer_that_is_short_of_whole_says_so(response: Json, says: str) -> None:
    whole = step(response)
    assert isinstance(whole, Whole)
    assert says in whole.warnings[0]


def test_a_call_of_a_function_is_an_answer_without_text() -> None:
    call: Json = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}]}
    whole = step(call, schema=NAMED)
    assert isinstance(whole, Whole)
    assert whole.warnings == ()


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("one two three", " four", "one two three four"),
        ("one two three", "two three four", "one two three four"),
        ("the quick bro", "the quick brown fox", "the quick brown fox"),
        ("…and so it went on", "… so it went on and on", "…and so it went on and on"),
        ("the", "then", "thethen"),
        ("", "all", "all"),
        ("all", "", "all"),
        ("aaaaaaaaaaaa", "aaaaaaaaaaaab", "aaaaaaaaaaaab"),
    ],
)
def test_pieces_are_joined_with_what_is_repeated_once(first: str, second: str, joined: str) -> None:
    assert join_without_overlap(first, second) == joined


@given(st.text(min_size=8), st.text(), st.text(alphabet="abc ", min_size=8, max_size=40))
def test_a_repeated_end_never_loses_what_comes_after_it(first: str, rest: str, seam: str) -> None:
    joined = join_without_overlap(first + seam, seam + rest)
    assert joined.startswith(first + seam)
    assert joined.endswith(rest)


def test_a_transcript_that_ends_early_is_warned_of() -> None:
    spoken = "[00:00] Hello.\n[08:58] And"
    assert any("ends at 08:58 of 01:13:00" in warning for warning in transcript_warnings(spoken, None, 73 * 60))


def test_a_structured_transcript_is_compared_with_its_recording() -> None:
    value: JsonValue = {
        "segments": [
            {"start": "00:00", "end": "00:05", "text": "a"},
            {"start": "00:30", "end": "00:35", "text": "b"},
            {"start": "00:10", "end": "00:20", "text": "c"},
            {"start": "09:00", "end": "30:00", "text": "d"},
        ]
    }
    warnings = transcript_warnings("", value, 600)
    assert [warning.split(":")[0] for warning in warnings] == [
        "The transcript's times go backwards 1 times, first at 00",
        "The transcript names 30",
        "The transcript says nothing between 00",
    ]


def test_a_whole_transcript_raises_no_warning() -> None:
    timed = "\n".join(f"[{minute:02}:00] What was said in the minute {minute}." for minute in range(10))
    assert transcript_warnings(timed, None, 610) == ()
    assert transcript_warnings("word " + " ".join(f"w{n}" for n in range(1500)), None, 600) == ()
    assert transcript_warnings("今日は良い天気ですね、" * 3 + "少し散歩に行きましょう" * 3, None, 170) == ()


def test_a_plain_transcript_with_far_too_few_words_is_warned_of() -> None:
    assert "words for 73 minutes" in transcript_warnings("We begin. Thank you all.", None, 73 * 60)[0]


def test_a_range_is_what_its_transcript_is_measured_by() -> None:
    spoken = "[02:31] Hello.\n[03:20] Bye."
    assert transcript_warnings(spoken, None, 3600, Range(start=150, end=209)) == ()
    assert transcript_warnings(spoken, None, 3600, Range(start=150, end=600)) != ()


def test_a_model_caught_in_a_loop_is_warned_of() -> None:
    assert repeated_phrase("so we went " + "and then we left " * 8) == "and then we left"
    assert repeated_phrase("no " * 11) is None
    assert repeated_phrase("no " * 13) == "no"
    same: JsonValue = [{"start": f"00:0{second}", "text": "Thank you."} for second in range(6)]
    assert any("loop" in warning for warning in transcript_warnings("", same, 7))


def test_a_recording_of_unknown_length_is_not_guessed_at() -> None:
    assert transcript_warnings("[00:01] Hi", None, None) == ()


def test_misfits_name_the_place_and_are_few() -> None:
    schema: dict[str, JsonValue] = {
        "type": "array",
        "items": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }
    found = misfits([{"n": "x"}] * 40, schema)
    assert found[0].startswith("[0].n: ")
    assert len(found) == 10


def test_a_pattern_that_would_run_away_gives_up() -> None:
    schema: dict[str, JsonValue] = {"type": "string", "pattern": "^(a|a)*(?=b)$"}
    assert misfits("a" * 5000, schema) != []


@pytest.mark.parametrize(
    "schema", [None, [], {}, {"type": "nothing"}, {"pattern": "("}, {"items": {"$ref": "other.json"}}, {"required": 1}]
)
def test_what_is_no_schema_is_told(schema: Any) -> None:
    assert schema_flaw(schema)


def test_a_schema_may_refer_to_its_own_parts() -> None:
    schema: dict[str, JsonValue] = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}
    assert schema_flaw(schema) is None
    assert misfits("x", schema) != []
