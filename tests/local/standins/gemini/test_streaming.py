"""Streamed answers, in both forms, and how they break."""

from __future__ import annotations

import json
import queue
import threading
import time

import pytest
from google import genai
from google.genai import errors, types

from local.standins.faults import Fault
from tests.local.standins.gemini.conftest import Running

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

MODEL = "gemini-2.5-flash-lite"
HELLO = {"contents": [{"parts": [{"text": "Hello"}]}]}


def test_a_stream_joins_to_the_whole_answer(shared: Running) -> None:
    whole = shared.client.models.generate_content(model=MODEL, contents="Hello")
    chunks = list(shared.client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert len(chunks) > 1
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    reasons = [(chunk.candidates or [])[0].finish_reason for chunk in chunks]
    assert reasons[:-1] == [None] * (len(chunks) - 1)
    assert reasons[-1] == types.FinishReason.STOP
    assert chunks[-1].usage_metadata == whole.usage_metadata
    assert {chunk.response_id for chunk in chunks} == {chunks[0].response_id}


async def test_the_async_client_streams_too(aio: genai.client.AsyncClient) -> None:
    chunks = [chunk async for chunk in await aio.models.generate_content_stream(model=MODEL, contents="Hello")]
    assert chunks[-1].usage_metadata is not None
    assert "".join(chunk.text or "" for chunk in chunks)


def test_events_are_framed_as_server_sent_events(shared: Running) -> None:
    answer = shared.wire.post(f"/v1/models/{MODEL}:streamGenerateContent?alt=sse", json=HELLO)
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in answer.text.split("\r\n\r\n") if block]
    assert all(block.startswith("data: {") for block in blocks)
    assert json.loads(blocks[-1][6:])["candidates"][0]["finishReason"] == "STOP"


def test_without_sse_a_stream_is_one_json_array(shared: Running) -> None:
    answer = shared.wire.post(f"/v1/models/{MODEL}:streamGenerateContent", json=HELLO)
    assert answer.headers["content-type"].startswith("application/json")
    chunks = answer.json()
    assert len(chunks) > 1
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_a_refusal_before_the_stream_is_a_plain_error(shared: Running) -> None:
    with pytest.raises(errors.ClientError) as error:
        list(shared.client.models.generate_content_stream(model="gemini-9", contents="Hello"))
    assert error.value.code == 404


def test_as_many_chunks_come_as_are_set(own: Running) -> None:
    own.set_model(chunks=7, text="0123456789")
    chunks = list(own.client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert len(chunks) == 7
    assert "".join(chunk.text or "" for chunk in chunks) == "0123456789"


def test_chunks_are_spread_over_the_latency(own: Running) -> None:
    own.set_model(chunks=4, latency="400s")
    arrived = queue.SimpleQueue[bool]()

    def read() -> None:
        for _ in own.client.models.generate_content_stream(model=MODEL, contents="Hello"):
            arrived.put(True)

    reading = threading.Thread(target=read)
    reading.start()
    moved = 0
    for number in range(1, 5):
        while arrived.empty():
            own.clock.advance(10)
            moved += 10
            time.sleep(0.01)
        arrived.get()
        assert moved > 90 * number
    reading.join(60)
    assert not reading.is_alive()


def test_a_stream_can_end_in_an_error_event(own: Running) -> None:
    own.set_model(chunks=5, error_after=2, error_status=503)
    got: list[types.GenerateContentResponse] = []
    with pytest.raises(errors.ServerError) as error:
        got.extend(own.client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert error.value.code == 503
    assert error.value.status == "UNAVAILABLE"
    received = own.wire.post(f"/v1/models/{MODEL}:streamGenerateContent", json=HELLO).json()
    assert len(received) == 3
    assert received[-1]["error"]["code"] == 503


def test_a_stream_can_be_cut_off(own: Running) -> None:
    own.tap.faults.add([Fault(service="gemini", match=":streamGenerateContent", cut_after=2, times=1)])
    own.set_model(chunks=6)
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnect|reset"):
        list(own.client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert len(list(own.client.models.generate_content_stream(model=MODEL, contents="Hello"))) == 6


def test_thoughts_come_before_the_answer(shared: Running) -> None:
    chunks = list(
        shared.client.models.generate_content_stream(
            model=MODEL, contents="Hello", config={"thinking_config": {"include_thoughts": True, "thinking_budget": -1}}
        )
    )
    assert chunks[0].parts is not None
    assert chunks[0].parts[0].thought
    assert chunks[1].parts is not None
    assert not chunks[1].parts[0].thought
