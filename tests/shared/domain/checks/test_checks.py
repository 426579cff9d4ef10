"""An answer is called whole only when it is: its form, its end, and its recording."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.answer.schemas import schema_flaw, violations
from shared.domain.checks.continuation import join_without_overlap
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed, next_step
from shared.domain.checks.structure import read

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
    assert step(first) == CompleteAnswer(first, "All of it.", None, ())


def test_an_answer_that_fits_its_schema_is_whole_with_its_value() -> None:
    whole = step(said('```json\n{"name": "Ann"}\n```'), schema=NAMED)
    assert isinstance(whole, CompleteAnswer)
    assert whole.value == {"name": "Ann"}


@pytest.mark.parametrize(("text", "says"), [('{"nom": 1}', '"name" is a required property'), ("Sure! {", "not JSON")])
def test_an_answer_that_does_not_fit_is_to_be_repaired_once_and_told_why(text: str, says: str) -> None:
    again = step(said(text), schema=NAMED)
    assert isinstance(again, AskAgain)
    assert again.kind == "repair"
    assert again.turns[0] == {"role": "model", "parts": [{"text": text}]}
    assert says in json.dumps(again.turns[1]["parts"]).replace('\\"', '"')


@pytest.mark.parametrize("text", ["", " \n", None])
@pytest.mark.parametrize("schema", [None, NAMED])
def test_an_empty_answer_is_asked_for_again_without_an_empty_turn(text: str | None, schema: Any) -> None:
    again = step(said(text), schema=schema)
    assert isinstance(again, AskAgain)
    assert again.kind == "again"
    assert [turn["role"] for turn in again.turns] == ["user"]
    assert "was empty" in str(again.turns[0])


@pytest.mark.parametrize(
    "text",
    [
        'Here is the JSON:\n```json\n{"name": "``` Ann"}\n```',
        '```json\n{"name": "``` Ann"}\n```',
        '```json\r\n{"name": "``` Ann"}\r\n```\r\n',
        '```json\n{"name": "``` Ann"}',
        '\ufeff{"name": "``` Ann"}',
    ],
)
def test_what_stands_around_an_answer_that_fits_is_forgiven(text: str) -> None:
    assert read(text, NAMED).value == {"name": "``` Ann"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1e999}', "too large a number"),
        ('{"a": NaN}', "no JSON value"),
        ("[" * 300 + "]" * 300, "nested"),
        ("[" * 100_000, "not JSON"),
        ('[{"start": 1e300, "text": "x"}]', "past the end of any recording"),
        ('[{"start": 1' + "0" * 400 + ', "text": "x"}]', "too large"),
    ],
)
def test_values_that_could_not_be_published_do_not_fit(text: str, says: str) -> None:
    assert says in read(text, {"type": ["array", "object"]}).problems[0]


def test_a_repaired_answer_is_whole_and_both_calls_are_counted() -> None:
    whole = step(said("{}", tokens=3), said('{"name": "Ann"}', tokens=4), schema=NAMED)
    assert isinstance(whole, CompleteAnswer)
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
    assert isinstance(again, AskAgain)
    assert again.kind == "continue"
    assert "We met on Monday and" in str(again.turns[1])
    whole = step(first, second)
    assert isinstance(whole, CompleteAnswer)
    assert whole.text == "We met on Monday and talked."
    candidate: Any = whole.response["candidates"]
    assert candidate[0]["content"]["parts"] == [{"text": "We met on Monday and talked."}]
    assert candidate[0]["finishReason"] == "STOP"


def test_a_structured_answer_cut_off_is_whole_once_its_pieces_are_joined() -> None:
    pieces = said('{"name": "Ann of Green', "MAX_TOKENS"), said('"Ann of Green Gables"}')
    whole = step(*pieces, schema=NAMED)
    assert isinstance(whole, CompleteAnswer)
    assert whole.value == {"name": "Ann of Green Gables"}


def test_continuing_ends_and_what_is_still_short_says_so() -> None:
    pieces = [said(f"part {number} ", "MAX_TOKENS") for number in range(3)]
    assert isinstance(step(*pieces[:2], continuations=2), AskAgain)
    whole = step(*pieces, continuations=2)
    assert isinstance(whole, CompleteAnswer)
    assert whole.warnings == ("The answer ended at the token limit: it is not complete.",)


def test_a_structured_answer_still_cut_off_fails_instead_of_being_repaired() -> None:
    failed = step(said('{"name": "A', "MAX_TOKENS"), schema=NAMED, continuations=0)
    assert isinstance(failed, Failed)
    assert failed.code == "schema_not_satisfied"
    assert "max_tokens" in failed.message


def test_a_limit_used_up_by_thinking_twice_fails_and_says_so() -> None:
    again = step(said(None, "MAX_TOKENS"))
    assert isinstance(again, AskAgain)
    assert again.kind == "again"
    failed = step(said(None, "MAX_TOKENS"), said(None, "MAX_TOKENS"))
    assert isinstance(failed, Failed)
    assert failed.code == "empty_answer"
    assert "thinking" in failed.message


def test_a_continuation_that_is_blocked_leaves_what_there_is_with_a_warning() -> None:
    whole = step(said("Half of", "MAX_TOKENS"), said(None, "SAFETY"))
    assert isinstance(whole, CompleteAnswer)
    assert whole.text == "Half of"
    assert "SAFETY" in whole.warnings[0]


@pytest.mark.parametrize(
    ("response", "code", "says"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "content_policy_violation", "blocked the prompt (SAFETY)"),
        (said(None, "RECITATION"), "content_policy_violation", "RECITATION"),
        (said(None, "PROHIBITED_CONTENT"), "content_policy_violation", "before the first word"),
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
        ({"candidates": [{"content": {"parts": [{"text": "Half"}]}}]}, "without a finish reason"),
    ],
)
def test_an_answer_that_is_short_of_whole_says_so(response: Json, says: str) -> None:
    whole = step(response)
    assert isinstance(whole, CompleteAnswer)
    assert says in whole.warnings[0]


def test_a_call_of_a_function_is_an_answer_without_text() -> None:
    call: Json = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}]}
    whole = step(call, schema=NAMED)
    assert isinstance(whole, CompleteAnswer)
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


END = "| 17 | Ann of Green Gables, who lives on Prince Edward"


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        (f"Rows:\n{END}", f"Here is the rest:\n\n{END} Island |", f"Rows:\n{END} Island |"),
        (f"Rows:\n{END}", f"Sure! Going on: {END} Island |", f"Rows:\n{END} Island |"),
        (f"Rows:\n{END}", f"```markdown\n{END} Island |\n```", f"Rows:\n{END} Island |"),
        (f"Rows:\n{END}", f"Here it is:\n```markdown\n{END} Island |\n```\n", f"Rows:\n{END} Island |"),
        (f"```md\n{END}", f"```md\n{END} Island |\n```", f"```md\n{END} Island |\n```"),
        ("```md\nHalf a sen", "```md\ntence.\n```", "```md\nHalf a sentence.\n```"),
        ("```\ncode", "\n```\nAnd on.\n```\nmore\n```", "```\ncode\n```\nAnd on.\n```\nmore\n```"),
        ("As follows:\n", "```python\nx\n```", "As follows:\n```python\nx\n```"),
        # A row that comes twice.
        ("a,b\n1,0,0,0\n", "1,0,0,0\n2,0,0,0\n", "a,b\n1,0,0,0\n1,0,0,0\n2,0,0,0\n"),
        ("x\n" + "| no | no |\n" * 40, "| no | no |\n" * 40, "x\n" + "| no | no |\n" * 70),
        # The same words further on, within what is new.
        (f"{END}", f" Island.\n| 18 {END[4:]} too", f"{END} Island.\n| 18 {END[4:]} too"),
    ],
)
def test_pieces_are_joined_without_fences_and_words_of_their_own(first: str, second: str, joined: str) -> None:
    assert join_without_overlap(first, second) == joined


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"name": "Ann of Green', '```json\n"Ann of Green Gables"}\n```'),
        ('{"name": "Ann of Green', '```json\n Gables"}\n```'),
        ('{"name": "Ann of Green', 'Here is the rest:\n```json\n Gables"}\n```\n'),
        ('{"name": "Ann of Green', '```\n Gables"}\n```'),
        ('```json\n{"name": "Ann of Green', '```json\n Gables"}\n```'),
        ('```json\n{"name": "Ann of Green', ' Gables"}\n```\n'),
        ('```json\n{"name": "Ann of Green Gables"}', "\n```\n"),
    ],
)
def test_a_structured_answer_is_whole_whatever_fence_its_continuation_is_in(first: str, second: str) -> None:
    whole = step(said(first, "MAX_TOKENS"), said(second), schema=NAMED)
    assert isinstance(whole, CompleteAnswer)
    assert whole.value == {"name": "Ann of Green Gables"}


@given(st.text(alphabet="ab1,|\n` ", max_size=400), st.text(alphabet="ab1,|\n` ", max_size=400))
def test_what_was_said_is_never_taken_back(first: str, second: str) -> None:
    assert join_without_overlap(first, second).startswith(first)


@given(
    st.text(alphabet="ab1,|\n", min_size=1, max_size=400),
    st.text(alphabet="ab1,|\n", max_size=400),
)
def test_a_quote_as_it_was_asked_for_is_the_seam(first: str, rest: str) -> None:
    if len(first) >= 120:
        assert join_without_overlap(first, first[-120:] + rest) == first + rest


@given(st.text(min_size=8), st.text(), st.text(alphabet="abc ", min_size=8, max_size=40))
def test_a_repeated_end_never_loses_what_comes_after_it(first: str, rest: str, seam: str) -> None:
    joined = join_without_overlap(first + seam, seam + rest)
    assert joined.startswith(first + seam)
    assert joined.endswith(rest)


def test_misfits_name_the_place_and_are_few() -> None:
    schema: dict[str, JsonValue] = {
        "type": "array",
        "items": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }
    problems = violations([{"n": "x"}] * 40, schema)
    assert problems[0].startswith("[0].n: ")
    assert len(problems) == 10


def test_a_pattern_that_would_run_away_gives_up() -> None:
    schema: dict[str, JsonValue] = {"type": "string", "pattern": "^(a|a)*(?=b)$"}
    assert violations("a" * 5000, schema) != []


@pytest.mark.parametrize(
    "schema", [None, [], {}, {"type": "nothing"}, {"pattern": "("}, {"items": {"$ref": "other.json"}}, {"required": 1}]
)
def test_what_is_no_schema_is_told(schema: Any) -> None:
    assert schema_flaw(schema)


def test_a_schema_may_refer_to_its_own_parts() -> None:
    schema: dict[str, JsonValue] = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}
    assert schema_flaw(schema) is None
    assert violations("x", schema) != []
