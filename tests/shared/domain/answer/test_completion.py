"""What the model answers is what OpenAI's own types accept."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from shared.domain.answer.completion import chunk, completion, finish_reason, tool_call, usage
from shared.domain.answer.response import Json

TASK, MODEL, CREATED = "task-llm-1776874565-yq3szvcu", "gemini-2.5-flash", 1_776_874_565
CALL: Json = {"functionCall": {"name": "look_up", "args": {"city": "Zürich"}}}
PAGE: Json = {"web": {"uri": "https://example.org/a", "title": "A"}}

BLOCKED_REASONS = ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR"]
OTHER_REASONS = [
    "OTHER",
    "CONTINUATION",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "A_REASON_OF_TOMORROW",
    None,
]


def candidate(*parts: Json, reason: str | None = "STOP", index: int = 0, **fields: object) -> Json:
    found: Json = {"index": index, "content": {"role": "model", "parts": list(parts)}, **cast(Json, fields)}
    return {**found, "finishReason": reason} if reason is not None else found


def completed(*candidates: Json, reasoning: bool = False, **response: object) -> tuple[Json, ChatCompletion]:
    answer: Json = {"candidates": list(candidates), **cast(Json, response)}
    made = completion(answer, task_id=TASK, created=CREATED, model=MODEL, reasoning=reasoning)
    return made, ChatCompletion.model_validate(made, strict=True)


@pytest.mark.parametrize(
    ("reason", "public"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        *[(blocked_reason, "content_filter") for blocked_reason in BLOCKED_REASONS],
        *[(other_reason, "length") for other_reason in OTHER_REASONS],
    ],
)
def test_every_finish_reason_makes_a_valid_completion(reason: str | None, public: str) -> None:
    _, checked = completed(candidate({"text": "Words"}, reason=reason))
    choice = checked.choices[0]
    assert (choice.finish_reason, choice.message.content, choice.message.role) == (public, "Words", "assistant")
    assert (checked.id, checked.object, checked.created, checked.model) == (
        f"chatcmpl-{TASK}", "chat.completion", CREATED, MODEL,
    )  # fmt: skip


@pytest.mark.parametrize("reason", BLOCKED_REASONS)
def test_a_blocked_answer_without_words_says_why(reason: str) -> None:
    _, checked = completed({"index": 0, "finishReason": reason})
    message = checked.choices[0].message
    assert message.refusal is not None
    assert reason in message.refusal
    assert not message.content


def test_function_calls_are_tool_calls_with_their_arguments_as_json() -> None:
    named: Json = {"functionCall": {"id": "abc", "name": "stop"}}
    _, checked = completed(candidate(CALL, named))
    message = checked.choices[0].message
    assert checked.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert message.tool_calls is not None
    first, second = cast(list[Any], message.tool_calls)
    assert (first.id, first.function.name) == ("call_0", "look_up")
    assert json.loads(first.function.arguments) == {"city": "Zürich"}
    assert (second.id, second.function.arguments) == ("abc", "{}")


def test_a_tool_call_that_was_cut_off_is_not_passed_on_as_one() -> None:
    _, checked = completed(candidate({"text": "I"}, CALL, reason="MAX_TOKENS"))
    assert checked.choices[0].finish_reason == "length"
    assert checked.choices[0].message.tool_calls is None


def test_several_candidates_are_several_choices() -> None:
    _, checked = completed(
        candidate({"text": "One"}), candidate({"text": "Two"}, index=1), candidate(CALL, index=2, reason="STOP")
    )
    assert [(choice.index, choice.message.content, choice.finish_reason) for choice in checked.choices] == [
        (0, "One", "stop"), (1, "Two", "stop"), (2, None, "tool_calls"),
    ]  # fmt: skip


def test_thoughts_are_told_only_where_they_are_asked_for() -> None:
    thinking = candidate({"text": "Hm.", "thought": True}, {"text": "Yes."})
    made, checked = completed(thinking, reasoning=True)
    assert cast(Any, made)["choices"][0]["message"]["reasoning_content"] == "Hm."
    assert checked.choices[0].message.content == "Yes."
    assert "Hm." not in json.dumps(completed(thinking)[0])


def test_pages_that_an_answer_rests_on_are_annotations() -> None:
    support: Json = {"segment": {"text": "Yes."}, "groundingChunkIndices": [0, 7]}
    grounded = candidate(
        {"text": "Yes."}, groundingMetadata={"groundingChunks": [PAGE], "groundingSupports": [support]}
    )
    _, checked = completed(grounded)
    (found,) = checked.choices[0].message.annotations or []
    assert (found.url_citation.url, found.url_citation.start_index, found.url_citation.end_index) == (
        "https://example.org/a", 0, 4,
    )  # fmt: skip


def test_usage_counts_the_thinking_as_completion() -> None:
    counted: Json = {
        "promptTokenCount": 100, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 20, "thoughtsTokenCount": 7,
        "totalTokenCount": 132, "cachedContentTokenCount": 50,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 64}, {"modality": "TEXT", "tokenCount": 36}],
    }  # fmt: skip
    _, checked = completed(candidate({"text": "x"}), usageMetadata=counted)
    found = checked.usage
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (105, 27, 132)
    assert found.prompt_tokens_details is not None
    assert (found.prompt_tokens_details.cached_tokens, found.prompt_tokens_details.audio_tokens) == (50, 64)
    assert found.completion_tokens_details is not None
    assert found.completion_tokens_details.reasoning_tokens == 7


def test_usage_that_was_not_told_is_zero_and_the_total_is_added_up() -> None:
    assert usage({})["total_tokens"] == 0
    assert usage({"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4}})["total_tokens"] == 7


@pytest.mark.parametrize("finish", [None, "stop", "length", "content_filter", "tool_calls"])
def test_every_chunk_is_a_valid_chunk(finish: Any) -> None:
    call = tool_call(cast(Json, CALL["functionCall"]), 0)
    deltas: list[Json] = [
        {},
        {"role": "assistant", "content": ""},
        {"content": "x"},
        {"tool_calls": [{"index": 0, **call}]},
    ]
    for delta in deltas:
        made = chunk(delta, task_id=TASK, created=CREATED, model=MODEL, finish=finish, index=1)
        checked = ChatCompletionChunk.model_validate(made, strict=True)
        assert (checked.choices[0].index, checked.choices[0].finish_reason) == (1, finish)
        assert checked.id == f"chatcmpl-{TASK}"


PARTS = st.one_of(
    st.builds(lambda text: {"text": text}, st.text(max_size=10)),
    st.builds(lambda text: {"text": text, "thought": True}, st.text(max_size=10)),
    st.just(CALL),
    st.just({"inlineData": {"mimeType": "image/png", "data": "AA=="}}),
    st.just({"executableCode": {"language": "PYTHON", "code": "1"}}),
    st.just({}),
)
REASONS = st.sampled_from(["STOP", "MAX_TOKENS", *BLOCKED_REASONS, *OTHER_REASONS])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    answers=st.lists(st.tuples(st.lists(cast(Any, PARTS), max_size=5), REASONS), max_size=4),
    counted=st.dictionaries(
        st.sampled_from(["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"]),
        st.none() | st.integers(0, 10**9),
    ),
    reasoning=st.booleans(),
)
def test_whatever_is_answered_is_a_valid_completion(
    answers: list[tuple[list[Json], str | None]], counted: Json, reasoning: bool
) -> None:
    candidates = [candidate(*parts, reason=reason, index=index) for index, (parts, reason) in enumerate(answers)]
    _, checked = completed(*candidates, reasoning=reasoning, usageMetadata=counted)
    assert [each.finish_reason for each in checked.choices] == [finish_reason(each) for each in candidates]
    for choice in checked.choices:
        assert bool(choice.message.tool_calls) == (choice.finish_reason == "tool_calls")
