"""One question is one request on the wire, whatever comes of it; what the SDK cannot send fails for good."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from local.standins.serve import HttpServer
from shared.clock import MovableClock
from shared.cloud.gemini import Gemini
from shared.domain.answer.response import Json
from shared.domain.errors import (
    ConnectionBroken,
    PermanentFailure,
    TaskFailure,
    Throttled,
    TransientFailure,
    Unavailable,
)

ASKED: Json = {"contents": [{"role": "user", "parts": [{"text": "Say something."}]}]}
TOKEN = base64.b64encode(b"checkpoint").decode()
Answer = Callable[[Send], Coroutine[Any, Any, None]]


class Hangup(Exception):
    """The server ends the connection without another byte."""


class Wire:
    """A server that answers every request in one scripted way, and counts them."""

    def __init__(self) -> None:
        self.answer: Answer = _said
        self.requests: list[tuple[str, Json]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.requests.append((scope["path"], json.loads(body or b"{}")))
        try:
            await self.answer(send)
        except Hangup:
            send.__self__.transport.abort()  # type: ignore[attr-defined]


def _piece(text: str, *, reason: str | None = None, token: str | None = None) -> bytes:
    candidate: Json = {"content": {"role": "model", "parts": [{"text": text}]}}
    candidate |= {"finishReason": reason} if reason else {}
    candidate |= {"continuationToken": token} if token else {}
    return b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"


async def _start(send: Send, status: int = 200) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send(send: Send, *pieces: bytes, end: bool = True) -> None:
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if end:
        await send({"type": "http.response.body", "body": b""})


async def _said(send: Send) -> None:
    await _start(send)
    await _send(send, _piece("All of it."), _piece("", reason="STOP"))


async def _dropped(send: Send) -> None:
    raise Hangup


async def _dropped_before_the_first_byte(send: Send) -> None:
    await _start(send)
    await _send(send, end=False)
    raise Hangup


async def _cut_in_the_middle(send: Send) -> None:
    await _start(send)
    await _send(send, _piece("Half of"), end=False)
    await asyncio.sleep(0.02)
    raise Hangup


async def _cut_after_a_token(send: Send) -> None:
    await _start(send)
    await _send(send, _piece("Half of", token=TOKEN), end=False)
    await asyncio.sleep(0.02)
    raise Hangup


async def _ended_after_a_token(send: Send) -> None:
    await _start(send)
    await _send(send, _piece("Half of", token=TOKEN))


async def _to_be_continued(send: Send) -> None:
    await _start(send)
    await _send(send, _piece("Half of", reason="CONTINUATION", token=TOKEN))


async def _at_the_limit_with_a_token(send: Send) -> None:
    await _start(send)
    await _send(send, _piece("Half of", reason="MAX_TOKENS", token=TOKEN))


async def _failed_in_the_stream(send: Send) -> None:
    await _start(send)
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    await _send(send, _piece("Half of", token=TOKEN), b"data: " + json.dumps(error).encode() + b"\r\n\r\n")


def _refused(status: int, word: str) -> Answer:
    async def answer(send: Send) -> None:
        await _start(send, status)
        await _send(send, json.dumps({"error": {"code": status, "message": "no", "status": word}}).encode())

    return answer


def _raw(*pieces: bytes) -> Answer:
    async def answer(send: Send) -> None:
        await _start(send)
        await _send(send, *pieces)

    return answer


async def _slow(send: Send) -> None:
    await _start(send)
    for _ in range(5):
        await _send(send, _piece("word "), end=False)
        await asyncio.sleep(0.02)
    await _send(send, _piece("", reason="STOP"))


async def _never(send: Send) -> None:
    await _start(send)
    await _send(send, _piece("Half of", token=TOKEN), end=False)
    await asyncio.sleep(3)


@pytest.fixture
async def wire(environment: pytest.MonkeyPatch) -> AsyncIterator[Wire]:
    wire = Wire()
    server = HttpServer(wire)
    environment.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{await server.start()}")
    environment.delenv("GOOGLE_API_KEY", raising=False)
    yield wire
    await server.stop()


@pytest.fixture
async def gemini(wire: Wire, clock: MovableClock) -> AsyncIterator[Gemini]:
    gemini = Gemini("any", clock, threads=1)
    yield gemini
    await gemini.aclose()


async def asked(gemini: Gemini, model: str = "gemini-4-argon", body: Json = ASKED, timeout: float = 60) -> list[Json]:
    return [piece async for piece in gemini.stream(model, body, timeout=timeout)]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (_said, None),
        (_slow, None),
        (_ended_after_a_token, None),
        (_to_be_continued, None),
        (_at_the_limit_with_a_token, None),
        (_dropped, ConnectionBroken),
        (_dropped_before_the_first_byte, ConnectionBroken),
        (_cut_in_the_middle, ConnectionBroken),
        (_cut_after_a_token, ConnectionBroken),
        (_failed_in_the_stream, Unavailable),
        (_refused(500, "INTERNAL"), TransientFailure),
        (_refused(503, "UNAVAILABLE"), Unavailable),
        (_refused(504, "DEADLINE_EXCEEDED"), Unavailable),
        (_refused(429, "RESOURCE_EXHAUSTED"), Throttled),
        (_refused(400, "INVALID_ARGUMENT"), PermanentFailure),
        (_raw(b"<html>It works!</html>\n"), ConnectionBroken),
        (_raw(b"data: {\r\n\r\n"), ConnectionBroken),
        (_raw(b'data: {"candidates": 3}\r\n\r\n'), ConnectionBroken),
        (_raw(b"data: \xff\xfe\r\n\r\n"), ConnectionBroken),
        (_raw(b"data: []\r\n\r\n"), None),
        (_raw(b"x" * (9 << 20)), ConnectionBroken),
        (_raw(), None),
    ],
)
async def test_a_question_is_one_request_whatever_becomes_of_it(
    wire: Wire, gemini: Gemini, answer: Answer, raised: type[TaskFailure] | None
) -> None:
    wire.answer = answer
    if raised is None:
        await asked(gemini)
    else:
        with pytest.raises(raised):
            await asked(gemini)
    assert len(wire.requests) == 1


async def test_a_question_that_takes_too_long_is_one_request(wire: Wire, gemini: Gemini) -> None:
    wire.answer = _never
    with pytest.raises(ConnectionBroken):
        await asked(gemini, timeout=1)
    assert len(wire.requests) == 1


async def test_an_answer_to_be_continued_comes_with_its_own_reason(wire: Wire, gemini: Gemini) -> None:
    wire.answer = _to_be_continued
    (piece,) = await asked(gemini)
    candidates: Any = piece["candidates"]
    assert candidates[0]["finishReason"] == "CONTINUATION"


async def test_a_call_of_a_function_is_not_answered_by_the_sdk(wire: Wire, gemini: Gemini) -> None:
    call = {
        "candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}, "finishReason": "STOP"}]
    }
    wire.answer = _raw(b"data: " + json.dumps(call).encode() + b"\r\n\r\n")
    tools: Json = {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}]}
    await asked(gemini, body={**ASKED, "tools": [tools]})
    ((_, body),) = wire.requests
    assert "automaticContinuation" not in json.dumps(body)
    assert "automaticFunctionCalling" not in json.dumps(body)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_counting_is_one_request_too(wire: Wire, gemini: Gemini, status: int) -> None:
    wire.answer = _refused(status, "ANY")
    with pytest.raises(TaskFailure):
        await gemini.count_tokens("gemini-4-argon", ASKED)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("model", ["", "a/../b", "gemini?x", "gemini&x"])
async def test_a_model_name_that_cannot_be_sent_fails_for_good_unsent(wire: Wire, gemini: Gemini, model: str) -> None:
    for ask in (asked(gemini, model), gemini.count_tokens(model, ASKED)):
        with pytest.raises(PermanentFailure) as raised:
            await ask
        assert raised.value.code == "invalid_param"
    assert wire.requests == []


@pytest.mark.parametrize(
    "body",
    [
        {**ASKED, "generationConfig": {"temperature": "warm"}},
        {**ASKED, "generationConfig": {"noSuchField": 1}},
        {"contents": [{"role": "user", "parts": [{"nothing": 1}]}]},
    ],
)
async def test_a_body_that_cannot_be_sent_fails_for_good_and_names_the_field(
    wire: Wire, gemini: Gemini, body: Json
) -> None:
    with pytest.raises(PermanentFailure) as raised:
        await asked(gemini, body=body)
    assert raised.value.code == "invalid_param"
    assert any(name in raised.value.message for name in ("temperature", "noSuchField", "nothing"))
    assert wire.requests == []


@pytest.mark.parametrize("megabytes", [1, 2, 20])
async def test_a_question_with_large_inline_data_is_sent_whole_and_without_a_warning(
    wire: Wire, gemini: Gemini, megabytes: int
) -> None:
    """Warnings are errors here; aiohttp warns of `bytes` from 1 MiB on."""
    picture: Json = {"inlineData": {"mimeType": "image/png", "data": "A" * (megabytes << 20)}}
    body: Json = {"contents": [{"role": "user", "parts": [picture, {"text": "What is this?"}]}]}
    await asked(gemini, body=body, timeout=60)
    wire.answer = _refused(503, "UNAVAILABLE")
    with pytest.raises(Unavailable):
        await gemini.count_tokens("gemini-4-argon", body)
    assert [len(json.dumps(sent)) >> 20 for _, sent in wire.requests] == [megabytes] * 2
