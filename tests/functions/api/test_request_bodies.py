"""Bodies that come slowly, break off or are too many: nobody else waits for them, and nothing is logged as a fault."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from functions.api import request_bodies as module
from functions.api.follower import followers
from functions.api.request_bodies import SMALL_BYTES, bodies
from tests.functions.api.conftest import System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/v1/llm/generations"
LARGE = 1 << 20
SOON = 60.0
"""Seconds in which what waits for nobody is answered, however busy the machine is."""


def large_body(size: int = LARGE) -> bytes:
    """A request of this size that is refused at once when it is read: what a body costs is what is tried here."""
    return json.dumps({"colour": "x" * (size - 14)}).encode()


class Sender:
    """A caller at the level of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def head(self, secret: str, length: int | str, *, method: str = "POST", path: str = PATH) -> None:
        length_header = f"Content-Length: {length}" if length != "chunked" else "Transfer-Encoding: chunked"
        lines = [f"{method} {path} HTTP/1.1", "Host: here", f"Authorization: Bearer {secret}", length_header]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def status(self) -> int:
        async with asyncio.timeout(SOON):
            return int((await self._reader.readline()).split()[1])

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(SOON):
            await self._reader.readuntil(text)

    async def ended(self) -> None:
        async with asyncio.timeout(SOON):
            while await self._reader.read(1 << 16):
                pass

    def leave(self) -> None:
        """As a process that is killed does: what is unread makes it a reset."""
        self._writer.transport.abort()


@asynccontextmanager
async def sender(system: System) -> AsyncIterator[Sender]:
    host, port = system.url.removeprefix("http://").split(":")
    made = Sender(*await asyncio.open_connection(host, int(port)))
    try:
        yield made
    finally:
        made.leave()


async def until_held(size: int) -> None:
    """Until the bodies under way hold so many bytes."""
    async with asyncio.timeout(SOON):
        while bodies()._bytes != size:
            await asyncio.sleep(0.01)


async def refused_in_time(system: System, secret: str) -> None:
    started = time.monotonic()
    async with system.client(secret) as client:
        answer = await client.post(PATH, content=large_body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_param")
    assert time.monotonic() - started < SOON


async def test_slow_senders_keep_no_large_body_waiting_not_even_of_their_own_key(system: System) -> None:
    secret = await system.key("slow-senders")
    async with sender(system) as one, sender(system) as two, sender(system) as three, sender(system) as unsaid:
        for each in (one, two, three):
            await each.head(secret, LARGE)
            await each.send(large_body()[: SMALL_BYTES + 1000])
        await unsaid.head(secret, "chunked")
        await until_held(3000)
        await refused_in_time(system, secret)
        await one.send(large_body()[SMALL_BYTES + 1000 :])
        assert await one.status() == 422
    await until_held(0)


async def test_a_body_that_does_not_come_is_not_waited_for(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.2)
    for sent in (b"", b"{", large_body()[: SMALL_BYTES + 1]):
        monkeypatch.setattr(module, "_SLOWEST_BYTES_A_SECOND", 1 << 30)
        async with sender(system) as slow:
            await slow.head(await system.key(f"late-{len(sent)}"), LARGE)
            await slow.send(sent)
            assert await slow.status() == 408
            await slow.ended()
    await until_held(0)


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", PATH, "application/json"),
        ("POST", "/v1/chat/completions", "application/json"),
        ("POST", "/v1/audio/transcriptions", "multipart/form-data; boundary=x"),
        ("POST", "/v1/files", "multipart/form-data; boundary=x"),
        ("POST", "/mcp", "application/json"),
        ("PUT", "/process", "application/pdf"),
        ("POST", "/v1/resume", "application/json"),
    ],
)
async def test_a_compressed_body_is_refused_by_its_encoding(
    system: System, method: str, path: str, content_type: str
) -> None:
    async with system.client(await system.key("compressed", scopes=("submit", "read", "operate"))) as client:
        for encoding in ("gzip", "br"):
            headers = {"Content-Encoding": encoding, "Content-Type": content_type}
            answer = await client.request(method, path, content=b"{}", headers=headers)
            assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
            assert encoding in answer.json()["error"]["message"]
        plain = await client.request(method, path, content=b"{}", headers={"Content-Encoding": "identity"})
    assert plain.status_code != 415


async def test_a_body_that_drips_is_cut_off_however_long_it_goes_on(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.3)
    async with sender(system) as slow:
        await slow.head(await system.key("dripping"), LARGE)
        answered = asyncio.create_task(slow.status())
        while not answered.done():
            await slow.send(b"x")
            await asyncio.sleep(0.02)
        assert await answered == 408


async def test_bodies_that_find_no_room_are_told_to_come_back_and_room_is_given_back(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUDGET_BYTES", LARGE)
    monkeypatch.setattr(module, "_BUDGET_WAIT_SECONDS", 0.1)
    secret = await system.key("crowded")
    async with sender(system) as first:
        await first.head(secret, LARGE)
        await first.send(large_body()[:-1])
        await until_held(LARGE - SMALL_BYTES - 1)
        async with system.client(secret) as client:
            refused = await client.post(PATH, content=large_body())
            small = await client.post(PATH, json={"colour": "red"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert small.status_code == 422
    await until_held(0)
    await refused_in_time(system, secret)


async def test_one_key_cannot_take_all_the_room(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUDGET_OF_A_KEY", LARGE)
    monkeypatch.setattr(module, "_BUDGET_WAIT_SECONDS", 0.1)
    greedy, modest = await system.key("greedy"), await system.key("modest")
    async with sender(system) as first:
        await first.head(greedy, LARGE)
        await first.send(large_body()[:-1])
        await until_held(LARGE - SMALL_BYTES - 1)
        async with system.client(greedy) as client:
            assert (await client.post(PATH, content=large_body())).status_code == 503
        await refused_in_time(system, modest)
    await until_held(0)


async def test_a_body_that_says_it_is_too_large_is_not_read(system: System) -> None:
    async with sender(system) as large:
        await large.head(await system.key("too-large"), 2 << 30)
        assert await large.status() == 422


async def test_callers_who_leave_are_no_errors(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    secret = await system.key("leavers")
    async with system.client(secret) as client:
        task = (await client.post(PATH, json=request(stream=True))).json()
    for length, sent in ((LARGE, large_body()[: SMALL_BYTES + 10]), (100, b"{"), ("chunked", b"5\r\n12345\r\n")):
        for path in (PATH, f"/v1/tasks/{task['id']}/rerun"):
            async with sender(system) as leaver:
                await leaver.head(secret, length, path=path)
                await leaver.send(sent)
                await asyncio.sleep(0.05)
    await until_held(0)
    for path in (task["urls"]["stream"], f"{task['urls']['get']}?wait=5"):
        async with sender(system) as reader:
            await reader.head(secret, 0, method="GET", path=path)
            await reader.until(b"HTTP/1.1 200 OK\r\n")
    await system.quiet()
    async with asyncio.timeout(SOON):
        while followers()._active:
            await asyncio.sleep(0.02)
    output = capsys.readouterr()
    assert output.out.count('"action": "client_gone"') == 6
    assert '"severity": "ERROR"' not in output.out
    assert "Traceback" not in output.out + output.err


async def test_a_reader_who_is_away_half_way_leaves_nothing_behind(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    system.gemini.set_model({"text": "word " * 500, "latency": 3600})
    secret = await system.key("half-way")
    async with system.client(secret) as client:
        task = (await client.post(PATH, json=request(stream=True))).json()
        async with sender(system) as reader, sender(system) as waiter:
            await reader.head(secret, 0, method="GET", path=task["urls"]["stream"])
            await reader.until(b"text/event-stream")
            await waiter.head(secret, 0, method="GET", path=f"{task['urls']['get']}?wait=60")
            async with asyncio.timeout(SOON):
                while task["id"] not in followers()._active:
                    await asyncio.sleep(0.01)
        async with asyncio.timeout(SOON):
            while followers()._active:
                await asyncio.sleep(0.02)
        await client.post(f"/v1/tasks/{task['id']}/cancel")
    system.clock.advance(3600)
    await system.quiet()
    output = capsys.readouterr()
    assert '"action": "request_failed"' not in output.out
    assert "Traceback" not in output.out + output.err
