"""Continuation tokens: hops, checkpoints, resumption, and how many requests Google's client makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import errors, types

from local.standins.faults import Fault
from tests.local.standins.gemini.conftest import Running

MODEL = "gemini-4-argon"
LONG = " ".join(f"word{number}" for number in range(400))
ON, OFF = types.GenerateContentConfig(), types.GenerateContentConfig(automatic_continuation=False)


def ask(running: Running, config: types.GenerateContentConfig, model: str = MODEL) -> types.GenerateContentResponse:
    return running.client.models.generate_content(model=model, contents="Hello", config=config)


def stream(
    running: Running, config: types.GenerateContentConfig, into: list[types.GenerateContentResponse] | None = None
) -> list[types.GenerateContentResponse]:
    chunks = [] if into is None else into
    for chunk in running.client.models.generate_content_stream(model=MODEL, contents="Hello", config=config):
        chunks.append(chunk)
    return chunks


def joined(chunks: list[types.GenerateContentResponse]) -> str:
    return "".join(chunk.text or "" for chunk in chunks)


def requests(running: Running) -> int:
    """How many generations came over the wire."""
    return sum("enerateContent" in str(call["path"]) for call in running.tap.ledger.calls("gemini"))


def first(answer: types.GenerateContentResponse) -> types.Candidate:
    assert answer.candidates
    return answer.candidates[0]


def test_a_client_that_continues_by_itself_joins_the_hops_at_a_request_each(own: Running) -> None:
    own.set_model(text=LONG, hop_tokens=200)
    answer = ask(own, ON)
    assert answer.text == LONG
    assert first(answer).finish_reason == types.FinishReason.STOP
    assert requests(own) == -(-len(LONG) // 800) > 1


def test_a_client_that_does_not_continue_gets_one_hop_and_its_token(own: Running) -> None:
    own.set_model(text=LONG, hop_tokens=200)
    answer = ask(own, OFF)
    assert answer.text == LONG[:800]
    assert first(answer).finish_reason == types.FinishReason.CONTINUATION
    assert first(answer).continuation_token
    assert requests(own) == 1


def test_the_same_request_with_its_token_is_answered_from_there_on(own: Running) -> None:
    own.set_model(text=LONG, hop_tokens=200)
    pieces: list[str] = []
    token: bytes | None = None
    while not pieces or token:
        answer = ask(own, types.GenerateContentConfig(automatic_continuation=False, continuation_token=token))
        pieces.append(answer.text or "")
        token = first(answer).continuation_token
    assert "".join(pieces) == LONG
    assert max(map(len, pieces)) == 800


def test_each_hop_reads_the_prompt_again_and_pays_for_its_own_words(own: Running) -> None:
    own.set_model(text=LONG, hop_tokens=200)
    answer = ask(own, OFF)
    again = types.GenerateContentConfig(
        automatic_continuation=False, continuation_token=first(answer).continuation_token
    )
    usages = [answer.usage_metadata, ask(own, again).usage_metadata]
    assert [usage.prompt_token_count for usage in usages if usage] == [2, 2]
    assert [usage.candidates_token_count for usage in usages if usage] == [200, 200]


def test_hops_end_at_the_services_limits_where_none_is_set(own: Running) -> None:
    own.set_model(loop="again ")
    alone = ask(own, OFF)
    streamed = stream(own, OFF)
    assert first(alone).finish_reason == types.FinishReason.CONTINUATION
    assert len(alone.text or "") == 32_768 * 4
    assert len(joined(streamed)) == 65_536 * 4


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3.5-flash-lite"])
def test_older_models_give_no_tokens_and_take_none(own: Running, model: str) -> None:
    own.set_model(text=LONG, hop_tokens=200, checkpoint_every=1)
    answer = ask(own, ON, model)
    assert answer.text == LONG
    assert first(answer).continuation_token is None
    with pytest.raises(errors.ClientError, match="Continuation token is not supported"):
        ask(own, types.GenerateContentConfig(continuation_token=b"anything"), model)


def test_any_model_can_be_made_to_give_tokens(own: Running) -> None:
    own.set_model(text=LONG, hop_tokens=200, continuation_tokens=True)
    assert ask(own, ON, "gemini-2.5-flash").text == LONG
    assert requests(own) > 1
    own.set_model(continuation_tokens=False)
    assert first(ask(own, OFF)).finish_reason == types.FinishReason.STOP


def test_an_answer_at_its_own_limit_carries_a_token_too(own: Running) -> None:
    own.set_model(text=LONG)
    answer = ask(own, types.GenerateContentConfig(max_output_tokens=100))
    assert first(answer).finish_reason == types.FinishReason.MAX_TOKENS
    assert first(answer).continuation_token
    assert requests(own) == 1


@pytest.mark.parametrize("token", [b"", b"nonsense", b'{"request": 1}', b'{"request": "x", "at": 3, "check": "y"}'])
def test_a_token_that_was_never_given_is_refused(own: Running, token: bytes) -> None:
    body: dict[str, Any] = {"contents": [{"parts": [{"text": "Hello"}]}], "continuationToken": "eA=="}
    assert own.wire.post(f"/v1/models/{MODEL}:generateContent", json=body).status_code == 400
    if token:
        with pytest.raises(errors.ClientError, match="continuation token is invalid"):
            ask(own, types.GenerateContentConfig(continuation_token=token))


def test_a_token_of_another_request_is_refused(own: Running) -> None:
    own.set_model(text=LONG, hop_tokens=200)
    token = first(ask(own, OFF)).continuation_token
    with pytest.raises(errors.ClientError, match="must be sent with the request that it was given for"):
        ask(own, types.GenerateContentConfig(continuation_token=token, temperature=0.5))


def cut(after: int, times: int | None = 1) -> Fault:
    return Fault(service="gemini", match=":streamGenerateContent", cut_after=after, times=times)


def test_a_stream_that_breaks_behind_a_checkpoint_is_resumed_without_a_word_lost(own: Running) -> None:
    own.set_model(text=LONG, chunks=8, checkpoint_every=2)
    own.tap.faults.add([cut(after=4)])
    assert joined(stream(own, ON)) == LONG
    assert requests(own) == 2


def test_a_broken_stream_is_asked_once_by_a_client_that_does_not_continue(own: Running) -> None:
    own.set_model(text=LONG, chunks=8, checkpoint_every=2)
    own.tap.faults.add([cut(after=4)])
    got: list[types.GenerateContentResponse] = []
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnect|reset"):
        stream(own, OFF, got)
    assert requests(own) == 1
    tokens = [first(chunk).continuation_token for chunk in got]
    assert [token is not None for token in tokens] == [False, True, False, True]
    rest = stream(own, types.GenerateContentConfig(automatic_continuation=False, continuation_token=tokens[-1]))
    assert joined(got) + joined(rest) == LONG


def test_a_stream_that_breaks_before_any_checkpoint_is_not_resumed(own: Running) -> None:
    own.set_model(text=LONG, chunks=8)
    own.tap.faults.add([cut(after=4)])
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnect|reset"):
        stream(own, ON)
    assert requests(own) == 1


def test_a_stream_that_always_breaks_costs_a_request_a_checkpoint(own: Running) -> None:
    own.set_model(text=LONG[:96], chunks=2, checkpoint_every=1)
    own.tap.faults.add([cut(after=1, times=None)])
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnect|reset"):
        stream(own, ON)
    assert requests(own) > 5


@pytest.mark.parametrize("ending", ["error_after", "end_after"])
def test_a_stream_can_end_behind_a_checkpoint_in_an_error_or_without_a_word(own: Running, ending: str) -> None:
    own.set_model(text=LONG, chunks=4, checkpoint_every=1, **{ending: 2})
    got: list[types.GenerateContentResponse] = []
    failed = False
    try:
        stream(own, OFF, got)
    except errors.ServerError:
        failed = True
    assert failed == (ending == "error_after")
    assert [first(chunk).finish_reason for chunk in got] == [None, None]
    assert requests(own) == 1
    own.set_model(**{ending: None})
    token = first(got[-1]).continuation_token
    rest = stream(own, types.GenerateContentConfig(automatic_continuation=False, continuation_token=token))
    assert joined(got) + joined(rest) == LONG


def test_streamed_hops_are_joined(own: Running) -> None:
    own.set_model(text=LONG, hop_tokens=200)
    assert joined(stream(own, ON)) == LONG
    assert requests(own) > 1


def test_a_scripted_continuation_ends_where_nothing_is_left(own: Running) -> None:
    own.set_model(text=LONG, finish_reason="CONTINUATION")
    assert first(ask(own, OFF)).finish_reason == types.FinishReason.CONTINUATION
    assert ask(own, ON).text == LONG


def test_gemini_4_refuses_what_it_does_not_take(own: Running) -> None:
    refused: list[dict[str, Any]] = [
        {"thinking_config": {"thinking_budget": 100}},
        {"thinking_config": {"thinking_level": "MINIMAL"}},
        {"frequency_penalty": 0.5},
        {"presence_penalty": 0.5},
        {"candidate_count": 2},
    ]
    for config in refused:
        with pytest.raises(errors.ClientError):
            ask(own, types.GenerateContentConfig.model_validate(config))
    with pytest.raises(errors.ClientError, match="not supported for createCachedContent"):
        own.client.caches.create(model=MODEL, config={"contents": "word " * 9000})
