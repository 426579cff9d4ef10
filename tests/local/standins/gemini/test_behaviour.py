"""What `PUT /model` sets, what markers in a prompt do, keys, planted faults, and what the ledger counts."""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pydantic
import pytest
from google import genai
from google.genai import errors, types

from local.standins.faults import Fault
from local.standins.gemini import Behaviour, add_arguments, from_arguments
from local.standins.wire_tap import Tap
from shared.clock import Clock
from tests.local.standins.gemini.conftest import Running, together
from tests.local.standins.gemini.media_samples import wav

MODEL = "gemini-2.5-flash-lite"


def ask(running: Running, contents: str = "Hello", **config: Any) -> types.GenerateContentResponse:
    return running.client.models.generate_content(
        model=MODEL, contents=contents, config=types.GenerateContentConfig.model_validate(config)
    )


def reason(answer: types.GenerateContentResponse) -> str | None:
    assert answer.candidates
    found = answer.candidates[0].finish_reason
    return found.value if found else None


def test_a_fixed_text_is_answered_word_for_word(own: Running) -> None:
    own.set_model(text="Exactly this.")
    assert ask(own).text == "Exactly this."
    own.set_model(text=None)
    assert ask(own).text != "Exactly this."


def test_latency_is_waited_for(own: Running) -> None:
    own.set_model(latency="300ms")
    began = time.monotonic()
    ask(own)
    assert time.monotonic() - began >= 0.3


def test_moving_the_clock_ends_the_wait(own: Running) -> None:
    own.set_model(latency="1h")
    other = genai.Client(api_key="k", http_options={"base_url": own.url, "timeout": 200})
    with pytest.raises(httpx2.TimeoutException):
        other.models.generate_content(model=MODEL, contents="Hello")
    other.close()
    own.clock.advance(3600)
    own.set_model(latency="0s")
    assert ask(own).text


@pytest.mark.parametrize("wanted", ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII"])
def test_an_answer_can_be_withheld(own: Running, wanted: str) -> None:
    own.set_model(finish_reason=wanted)
    answer = ask(own)
    assert reason(answer) == wanted
    assert not answer.text
    own.set_model(finish_reason=None)
    assert reason(ask(own, f"dropsight:finish={wanted}")) == wanted


@pytest.mark.parametrize("wanted", [reason.value for reason in types.FinishReason])
def test_every_finish_reason_of_the_sdk_can_be_scripted(own: Running, wanted: str) -> None:
    own.set_model(finish_reason=wanted, text="The answer of the model.")
    assert reason(ask(own)) == wanted
    streamed = list(own.client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert reason(streamed[-1]) == wanted


@pytest.mark.parametrize(
    "parts",
    [[], [{"text": ""}], [{"text": " \n\t"}], [{"text": "Hm.", "thought": True}], [{"text": "A"}, {"text": ""}]],
)
def test_an_answer_without_words_can_be_scripted(own: Running, parts: list[dict[str, Any]]) -> None:
    own.set_model(parts=parts)
    words = "".join(part["text"] for part in parts if not part.get("thought"))
    answer = ask(own)
    assert (answer.text or "") == words
    assert reason(answer) == "STOP"
    assert [part.text for part in answer.parts or []] == [part["text"] for part in parts]
    streamed = list(own.client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert "".join(chunk.text or "" for chunk in streamed) == words
    assert reason(streamed[-1]) == "STOP"


def test_a_response_without_candidates_can_be_scripted(own: Running) -> None:
    own.set_model(no_candidates=True)
    answer = ask(own)
    assert not answer.candidates
    assert answer.prompt_feedback is None
    assert not [chunk for chunk in own.client.models.generate_content_stream(model=MODEL, contents="Hi") if chunk.text]


@pytest.mark.parametrize("config", [{}, {"max_output_tokens": 1000}])
def test_an_answer_can_go_round_in_circles_up_to_the_limit_of_tokens(own: Running, config: dict[str, Any]) -> None:
    own.set_model(loop="And again.\n", thoughts=0)
    answer = ask(own, **config)
    limit = config.get("max_output_tokens", 65_536)
    assert reason(answer) == "MAX_TOKENS"
    assert (answer.text or "").startswith("And again.\nAnd again.\n")
    assert len(answer.text or "") == limit * 4


def test_a_reset_sets_every_field_back_but_for_those_beside_it(own: Running) -> None:
    own.set_model(latency="1h", text="Old.", finish_reason="SAFETY", error_after=1, key="invalid", store_mib=1)
    own.set_model(reset=True, text="New.")
    assert own.stand_in.behaviour == Behaviour(text="New.")
    assert ask(own).text == "New."
    own.set_model(reset=True)
    assert own.stand_in.behaviour == Behaviour()
    own.set_model(text="Kept.")
    own.set_model(reset=False, chunks=3)
    assert own.stand_in.behaviour == Behaviour(text="Kept.", chunks=3)
    with pytest.raises(pydantic.ValidationError):
        own.set_model(reset="yes")


@pytest.mark.parametrize("wanted", ["MAX_TOKENS", "RECITATION"])
def test_an_answer_can_be_broken_off(own: Running, wanted: str) -> None:
    whole = ask(own).text or ""
    own.set_model(finish_reason=wanted)
    answer = ask(own)
    assert reason(answer) == wanted
    assert whole.startswith(answer.text or "none")
    assert len(answer.text or "") < len(whole)


def test_a_prompt_can_be_blocked(own: Running) -> None:
    for prompt in ("Say dropsight:block", "Hello"):
        answer = ask(own, prompt)
        assert answer.prompt_feedback is not None
        assert answer.prompt_feedback.block_reason == types.BlockedReason.SAFETY
        assert not answer.candidates
        assert answer.usage_metadata is not None
        assert answer.usage_metadata.candidates_token_count is None
        own.set_model(block_reason="SAFETY")
    streamed = list(own.client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert streamed[-1].prompt_feedback is not None


def test_thoughts_can_be_set(own: Running) -> None:
    own.set_model(thoughts=1234)
    usage = ask(own).usage_metadata
    assert usage is not None
    assert usage.thoughts_token_count == 1234
    assert usage.total_token_count == ((usage.prompt_token_count or 0) + (usage.candidates_token_count or 0) + 1234)


def test_what_cannot_be_set_is_refused(own: Running) -> None:
    for wrong in ({"colour": "red"}, {"latency": "soon"}, {"finish_reason": "BORED"}, {"link_mib_s": 0}):
        with pytest.raises(pydantic.ValidationError):
            own.stand_in.set_model(wrong)


@pytest.mark.parametrize(
    ("headers", "code", "status", "words"),
    [
        ({}, 403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers"),
        ({"x-goog-api-key": "bad"}, 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    ],
)
def test_a_key_is_wanted_and_checked(
    start: Callable[..., Running], headers: dict[str, str], code: int, status: str, words: str
) -> None:
    running = start(invalid_keys=frozenset({"bad"}))
    error = httpx2.get(f"{running.url}/v1/models", headers=headers, timeout=60).json()["error"]
    assert (error["code"], error["status"]) == (code, status)
    assert words in error["message"]
    if headers:
        assert error["details"][0]["reason"] == "API_KEY_INVALID"
    assert httpx2.get(f"{running.url}/v1/models?key=good", timeout=60).status_code == 200


def test_every_key_can_be_made_invalid_or_revoked(own: Running) -> None:
    own.set_model(key="invalid")
    with pytest.raises(errors.ClientError) as invalid:
        ask(own)
    assert invalid.value.code == 400
    assert invalid.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    own.set_model(key="revoked")
    with pytest.raises(errors.ClientError) as revoked:
        ask(own)
    assert revoked.value.code == 403
    own.set_model(key="ok")
    assert ask(own).text


def test_uploads_fail_processing_when_told_to(own: Running) -> None:
    own.set_model(fail_processing=True)
    file = own.client.files.upload(file=io.BytesIO(wav(1)), config={"mime_type": "audio/wav"})
    assert file.state == types.FileState.FAILED


@pytest.mark.parametrize(("delay", "span"), [("7s", "PerMinute"), ("5h", "PerDay")])
def test_a_planted_429_looks_like_the_services(own: Running, delay: str, span: str) -> None:
    fault = Fault.model_validate(
        {"service": "gemini", "match": ":generateContent", "status": 429, "retry_delay": delay}
    )
    own.tap.faults.add([fault])
    with pytest.raises(errors.ClientError) as error:
        ask(own)
    assert (error.value.code, error.value.status) == (429, "RESOURCE_EXHAUSTED")
    quota, retry = error.value.details["error"]["details"]
    assert quota["violations"][0]["quotaId"] == f"GenerateRequests{span}PerProjectPerModel-FreeTier"
    assert retry["@type"] == "type.googleapis.com/google.rpc.RetryInfo"
    assert retry["retryDelay"] == {"7s": "7s", "5h": "18000s"}[delay]


def test_the_ledger_counts_calls_bytes_and_notes_files_and_models(own: Running) -> None:
    content = wav(1)
    file = own.client.files.upload(file=io.BytesIO(content), config={"mime_type": "audio/wav", "name": "noted"})
    own.client.models.generate_content(model=MODEL, contents=together(file))
    own.client.models.count_tokens(model=MODEL, contents="Hello")
    list(own.client.models.generate_content_stream(model=MODEL, contents="Hello"))
    own.client.files.get(name="noted")
    own.client.files.delete(name="noted")
    stats = own.tap.ledger.stats()["gemini"]
    for counter in ("uploads", "generateContent", "countTokens", "streamGenerateContent", "files.get", "files.delete"):
        assert stats[counter] == 1
    assert stats["bytes_in"] > len(content)
    assert stats["bytes_out"] > 1000
    calls = own.tap.ledger.calls("gemini")
    assert [call.get("file") for call in calls[:2]] == ["files/noted", "files/noted"]
    assert calls[2]["model"] == MODEL
    assert calls[2]["status"] == 200


async def test_the_stand_in_can_be_made_from_arguments(tmp_path: Any) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(["--latency", "2s", "--processing", "1s", "--invalid-key", "bad"])
    stand_in = from_arguments(args, clock=Clock(), data=tmp_path, tap=Tap())
    assert stand_in.behaviour.latency == 2
    assert stand_in.behaviour.processing == 1
    assert await stand_in.start() > 0
    await stand_in.stop()
