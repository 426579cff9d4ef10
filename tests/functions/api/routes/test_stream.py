"""Streams: read by openai's SDK and by hand, resumed, ended early, and once they are over."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from functions.api import follower
from functions.api.routes import stream as streaming
from functions.generate.lease import Lease
from functions.generate.model.stream_chunks import Answered, store_remaining_chunks
from local.standins.faults import Fault
from shared import wiring
from shared.cloud.firestore import Stored
from shared.domain.answer.chunks import Chunk, join_chunks
from shared.domain.answer.response import Json
from tests.functions.api.conftest import System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = " ".join(f"word{number}" for number in range(60))


def sdk(system: System, secret: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=secret, base_url=f"{system.url}/v1", max_retries=0)


async def read(client: openai.AsyncOpenAI, path: str, **options: Any) -> list[ChatCompletionChunk]:
    stream = await client.get(
        path, cast_to=ChatCompletionChunk, stream=True, stream_cls=openai.AsyncStream[ChatCompletionChunk], **options
    )
    return [chunk async for chunk in stream]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def total_of(chunks: list[ChatCompletionChunk]) -> int:
    assert chunks[-1].model_extra is not None
    return int(chunks[-1].model_extra["total_chunks"])


async def submitted(system: System, secret: str, **fields: Any) -> dict[str, Any]:
    async with system.client(secret) as client:
        answer = await client.post("/v1/llm/generations", json=request(stream=True, **fields))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


async def finished(system: System, secret: str, task_id: str) -> dict[str, Any]:
    async with system.client(secret) as client:
        return dict((await client.get(f"/v1/tasks/{task_id}", params={"wait": 60})).json())


async def test_the_sdk_reads_a_stream_that_tells_the_answer_piece_by_piece(system: System) -> None:
    system.gemini.set_model({"text": TEXT, "chunks": 20, "latency": "1s"})
    secret = await system.key("streamer")
    began = system.clock.time()
    task = await submitted(system, secret)
    async with sdk(system, secret) as client:
        chunks = await read(client, task["stream"]["url"].removeprefix("/v1"))
    took = system.clock.time() - began
    completion = ChatCompletion.model_validate((await finished(system, secret, task["id"]))["results"][0])
    assert text_of(chunks) == TEXT == completion.choices[0].message.content
    assert 2 <= len(chunks) - 1 <= 4 + 4 * took, "about four a second, not twenty"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == completion.usage.total_tokens
    assert total_of(chunks) == len(chunks) - 1


async def test_a_stream_is_resumed_at_any_offset_and_says_nothing_past_its_end(system: System) -> None:
    system.gemini.set_model({"text": TEXT, "chunks": 8, "latency": "800ms"})
    secret = await system.key("resumer")
    task = await submitted(system, secret)
    path = task["stream"]["url"]
    async with sdk(system, secret) as client, system.client(secret) as http:
        whole = await read(client, path.removeprefix("/v1"))
        total = total_of(whole)
        for offset in range(total):
            rest = await read(client, path.removeprefix("/v1"), options={"params": {"offset": offset}})
            assert text_of(rest) == text_of(whole[offset:])
        resumed = await http.get(path, headers={"Last-Event-ID": "0"})
        past = await http.get(path, headers={"Last-Event-ID": str(total - 1)})
    assert "id: 0\n" not in resumed.text
    assert resumed.text.startswith("retry: 2000\nid: 1\nevent: chunk\ndata: ")
    assert resumed.text.endswith("\n\ndata: [DONE]\n\n")
    assert (past.status_code, past.content) == (204, b"")


async def test_a_synchronous_stream_is_the_answer_to_the_submit_itself(system: System) -> None:
    system.gemini.set_model({"text": TEXT, "chunks": 6})
    secret = await system.key("sync-streamer")
    async with sdk(system, secret) as client:
        stream = await client.post(
            "/llm/generations",
            body=request(sync=True, stream=True),
            cast_to=ChatCompletionChunk,
            stream=True,
            stream_cls=openai.AsyncStream[ChatCompletionChunk],
        )
        chunks = [chunk async for chunk in stream]
    assert text_of(chunks) == TEXT


async def test_heartbeats_between_chunks_do_not_disturb_the_sdk(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_SECONDS", 0.1)
    system.gemini.set_model({"text": TEXT, "chunks": 3, "latency": "1500ms"})
    secret = await system.key("heartbeat")
    task = await submitted(system, secret)
    async with sdk(system, secret) as client, system.client(secret) as http:
        chunks, raw = await asyncio.gather(
            read(client, task["stream"]["url"].removeprefix("/v1")), http.get(task["stream"]["url"])
        )
    assert text_of(chunks) == TEXT
    assert ": ping\n" in raw.text
    assert ": ping\n\n" not in raw.text


async def test_a_failed_answer_ends_the_stream_with_the_tasks_error(system: System) -> None:
    system.gemini.set_model({"block_reason": "SAFETY"})
    secret = await system.key("blocked")
    task = await submitted(system, secret)
    async with sdk(system, secret) as client:
        with pytest.raises(openai.APIError) as raised:
            await read(client, task["stream"]["url"].removeprefix("/v1"))
    ended = await finished(system, secret, task["id"])
    assert raised.value.code == ended["error"]["code"] == "content_policy_violation"


async def test_a_second_attempt_ends_the_stream_as_interrupted_while_the_answer_still_comes(system: System) -> None:
    system.gemini.set_model({"text": TEXT, "chunks": 8, "latency": "2s", "error_after": 5})
    secret = await system.key("interrupted")
    task = await submitted(system, secret)
    async with sdk(system, secret) as client:
        with pytest.raises(openai.APIError) as raised:
            await read(client, task["stream"]["url"].removeprefix("/v1"))
        system.gemini.set_model({"error_after": None})
        ended = await finished(system, secret, task["id"])
        with pytest.raises(openai.APIError) as later:
            await read(client, task["stream"]["url"].removeprefix("/v1"))
    assert raised.value.code == later.value.code == "stream_interrupted"
    assert ended["status"] == "completed"
    assert ended["results"][0]["choices"][0]["message"]["content"] == TEXT


async def test_an_answer_that_goes_on_by_its_token_is_one_stream_without_doubled_text(system: System) -> None:
    going_on = {"continuation_tokens": True, "checkpoint_every": 1, "hop_tokens": 40}
    system.gemini.set_model({"text": TEXT, "chunks": 8, **going_on})
    system.tap.faults.add([Fault(service="gemini", match="streamGenerateContent", cut_after=5, times=2)])
    secret = await system.key("going-on")
    task = await submitted(system, secret)
    async with sdk(system, secret) as client:
        chunks = await read(client, task["stream"]["url"].removeprefix("/v1"))
    ended = await finished(system, secret, task["id"])
    assert ended["results"][0]["choices"][0]["message"]["content"] == TEXT
    assert text_of(chunks) == TEXT
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert total_of(chunks) == len(chunks) - 1
    system.gemini.set_model(dict.fromkeys(going_on))


CALLS: list[Json] = [
    {"text": "I look it up. "},
    {"functionCall": {"name": "look", "args": {"number": 1}}},
    {"text": "And this. "},
    {"functionCall": {"name": "look", "args": {"number": 2}}},
]
LOOK: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def calls_of(chunks: list[ChatCompletionChunk]) -> list[tuple[int, str]]:
    """The calls as a client joins them: by their indices, the arguments' pieces behind each other."""
    joined: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                joined[call.index] = joined.get(call.index, "") + (call.function.arguments or "")
    return list(joined.items())


async def test_readers_of_both_apis_get_each_call_once_wherever_the_answer_breaks(system: System) -> None:
    going_on = {"continuation_tokens": True, "checkpoint_every": 1, "chunks": 2, "parts": CALLS}
    system.gemini.set_model(going_on)
    secret = await system.key("calls")
    expected = [(0, '{"number": 1}'), (1, '{"number": 2}')]
    for cut_after in range(1, 6):
        messages: Any = [{"role": "user", "content": f"Look {cut_after}."}]
        fault = Fault(service="gemini", match="streamGenerateContent", cut_after=cut_after, times=1)
        async with sdk(system, secret) as client:
            system.tap.faults.add([fault])
            body = {"model": "gemini-2.5-flash-lite", "messages": messages, "tools": [LOOK], "stream": True}
            async with system.client(secret) as http:
                task = (await http.post("/v1/llm/generations", json=body)).json()
            of_task = await read(client, task["stream"]["url"].removeprefix("/v1"))
            system.tap.faults.add([fault])
            stream = await client.chat.completions.create(
                model="gemini-2.5-flash-lite", messages=messages, tools=[LOOK], stream=True
            )
            of_chat = [chunk async for chunk in stream]
        for chunks in (of_task, of_chat):
            assert calls_of(chunks) == expected, cut_after
            assert text_of(chunks) == "I look it up. And this. ", cut_after
            assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "tool_calls"
    system.gemini.set_model(dict.fromkeys(going_on))


async def test_a_stream_longer_than_the_platform_allows_is_cut_with_the_offset_to_go_on_at(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "LARGEST_STREAM", 600)
    system.gemini.set_model({"text": TEXT, "chunks": 8, "latency": "1s"})
    secret = await system.key("cut")
    task = await submitted(system, secret)
    await finished(system, secret, task["id"])
    async with system.client(secret) as http:
        answer = await http.get(task["stream"]["url"])
        monkeypatch.undo()
        reached = answer.text.count("event: chunk")
        rest = await http.get(task["stream"]["url"], params={"offset": reached})
    assert "event: error" in answer.text
    assert f"?offset={reached}" in answer.text
    assert rest.text.startswith(f"retry: 2000\nid: {reached}\n")


async def test_a_task_that_was_not_asked_to_stream_says_so(system: System) -> None:
    secret = await system.key("no-stream")
    async with system.client(secret) as client:
        task = (await client.post("/v1/llm/generations", json=request())).json()
        answer = await client.get(f"/v1/llm/generations/{task['id']}/stream")
    assert answer.status_code == 422
    assert task["stream"] is None


async def test_readers_of_an_ended_stream_cost_no_further_reads(system: System) -> None:
    system.gemini.set_model({"text": TEXT})
    secret = await system.key("cheap")
    task = await submitted(system, secret)
    async with system.client(secret) as http:
        first = await http.get(task["stream"]["url"])
        await system.quiet()
        before = system.tap.ledger.stats()["firestore"].get("reads", 0)
        again = await http.get(task["stream"]["url"])
        after = system.tap.ledger.stats()["firestore"].get("reads", 0)
    assert again.text == first.text
    assert after == before


async def test_open_streams_end_with_an_error_when_the_server_is_told_to_stop(system: System) -> None:
    system.gemini.set_model({"text": TEXT, "chunks": 4, "latency": "3s"})
    secret = await system.key("stopper")
    task = await submitted(system, secret)
    shutdown = follower.followers().shutdown
    async with system.client(secret) as http, http.stream("GET", task["stream"]["url"]) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        shutdown.begin()
        rest = [line async for line in lines]
    shutdown.begun = False
    assert "event: error" in rest
    assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "stream_interrupted"


async def test_chunks_are_kept_for_a_quarter_of_an_hour_after_the_end(system: System) -> None:
    secret = await system.key("late-reader")
    task = await submitted(system, secret)
    await finished(system, secret, task["id"])
    async with system.client(secret) as http:
        system.clock.advance(14 * 60)
        kept = await http.get(task["stream"]["url"])
        system.clock.advance(2 * 60)
        gone = await http.get(task["stream"]["url"])
    assert kept.status_code == 200
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "stream_expired")
    assert gone.headers["link"].startswith(f"</v1/tasks/{task['id']}>")


async def test_what_a_crash_left_untold_of_a_stored_answer_is_told_by_the_next_claim(system: System) -> None:
    secret = await system.key("told-later")
    task = await submitted(system, secret)
    await system.quiet()
    stored = await wiring.api().tasks.get(task["id"])
    assert stored is not None
    answer: Json = {"candidates": [{"content": {"parts": [{"text": "one two three"}]}, "finishReason": "STOP"}]}
    cases: list[tuple[list[str], int, int, str]] = [
        ([], 1, 1, "one two three"),
        (["one "], 1, 2, "one two three"),
        (["one ", "two three"], 1, 3, "one two three"),
        (["une "], 1, 0, "une "),
        (["one "], 2, 0, "one "),
    ]
    for number, (told_before, claim, chunks, text) in enumerate(cases):
        other = stored.task.model_copy(update={"id": f"task-llm-1776874565-{number:08d}"})
        lease = Lease(
            wiring.generate().tasks,
            system.clock,
            Stored(other, None),
            lease=timedelta(60),
            until=system.clock.time() + 60,
        )
        store, expires = wiring.api().chunks, system.clock.now() + timedelta(hours=1)
        for offset, content in enumerate(told_before):
            await store.put(other.id, offset, Chunk(delta={"content": content}, claim=claim, expires_at=expires))
        await store_remaining_chunks(wiring.generate(), lease, [Answered(0, answer, 1)], reasoning=False)
        kept = await store.since(other.id, 0)
        assert lease.stored_chunks == chunks
        assert join_chunks(kept)[0] == text
        assert (kept[-1].finish == "stop") == (chunks > 0)
