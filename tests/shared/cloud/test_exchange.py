"""One time limit over a whole exchange, a share per host, and bounds on what the other side may send."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from shared.cloud import callbacks, fetch
from shared.cloud.callbacks import Callbacks
from shared.cloud.exchange import Exchange, HostBusy, Outbound, Shares
from shared.cloud.fetch import Web
from shared.cloud.identity import Identity
from shared.cloud.outbound import NoAnswer, target_of
from shared.domain.errors import PermanentFailure, TransientFailure, Unavailable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Start = Callable[[Serve], Awaitable[int]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SHORT, GENEROUS = 0.4, 30.0
"""Seconds: the limit that is set, and how much later an exchange may end on a busy machine."""


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts servers on loopback, and ends what they are at afterwards."""
    servers: list[asyncio.Server] = []
    running: set[asyncio.Task[None]] = set()

    async def started(serve: Serve) -> int:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            running.add(task)
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                return
            finally:
                writer.close()

        servers.append(await asyncio.start_server(guarded, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield started
    for server in servers:
        server.close()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and never answers; ends when the caller hangs up."""
    while await reader.read(1 << 16):
        pass


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def begun(url: str, *, seconds: float = SHORT, body: bytes | None = None) -> Exchange:
    outbound = Outbound(per_host=4, allow_loopback=True)
    return await outbound.begin("POST", target_of(url), {}, seconds=seconds, patience=seconds, body=body)


async def ends_in_time(url: str, *, body: bytes | None = None) -> None:
    async def whole() -> None:
        exchange = await begun(url, body=body)
        try:
            while await exchange.read(1 << 16):
                pass
        finally:
            exchange.close()

    started = time.monotonic()
    with pytest.raises(NoAnswer, match="did not answer within"):
        await whole()
    assert time.monotonic() - started < SHORT + GENEROUS


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_limit_holds_while_headers_and_a_tls_handshake_are_waited_for(start: Start, scheme: str) -> None:
    await ends_in_time(f"{scheme}://127.0.0.1:{await start(silent)}/")


async def test_the_limit_holds_while_a_body_drips(start: Start) -> None:
    await ends_in_time(f"http://127.0.0.1:{await start(dripping)}/")


async def test_the_limit_holds_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30))
    try:
        await ends_in_time("http://slow.example.com/")
    finally:
        over.set()


async def test_the_limit_holds_while_a_connection_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", nobody)
    await ends_in_time("http://127.0.0.1:9/")


async def test_a_receiver_that_takes_no_body_is_hung_up_on(start: Start) -> None:
    hung_up = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Nobody reads: once its buffer is full, the stream stops taking what comes.
        await asyncio.sleep(2 * SHORT)
        try:
            while await reader.read(1 << 20):
                pass
        finally:
            hung_up.set()

    await ends_in_time(f"http://127.0.0.1:{await start(deaf)}/", body=bytes(32 << 20))
    async with asyncio.timeout(GENEROUS):
        await hung_up.wait()


async def test_an_exchange_that_ends_leaves_no_connection_open(start: Start) -> None:
    ended = asyncio.Event()

    async def watching(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read()
        ended.set()

    exchange = await begun(f"http://127.0.0.1:{await start(watching)}/", seconds=GENEROUS)
    exchange.close()
    exchange.close()
    async with asyncio.timeout(GENEROUS):
        await ended.wait()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"\x00" * 1000,
        b"",
    ],
)
async def test_headers_without_end_or_sense_are_no_answer(start: Start, head: bytes) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await writer.drain()

    with pytest.raises(NoAnswer):
        await begun(f"http://127.0.0.1:{await start(answers)}/", seconds=GENEROUS)


async def test_twenty_slow_receivers_of_one_host_stop_no_callback_to_another(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those for which the host has no place left are put off soon, and hold no place of the queue."""
    monkeypatch.setattr(callbacks, "_PATIENCE_SECONDS", SHORT)

    async def quick(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()

    sent = Callbacks(per_host=4, identity=Identity(), allow_loopback=True)
    slow_url = f"http://127.0.0.1:{await start(silent)}/"
    slow = [asyncio.create_task(sent.deliver(slow_url, {}, b"{}")) for _ in range(20)]
    attempt = await sent.deliver(f"http://127.0.0.1:{await start(quick)}/", {}, b"{}")
    assert attempt.kind == "delivered"
    async with asyncio.timeout(GENEROUS):
        put_off = [await task for task in slow[4:]]
    assert {each.kind for each in put_off} == {"put_off"}
    assert not any(task.done() for task in slow[:4])
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_slow_look_ups_of_one_domain_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def looked_up(host: str, *_: object, **__: object) -> list[object]:
        if host.endswith("slow.example"):
            over.wait(30)
        raise socket.gaierror("there is no such name")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    outbound = Outbound(per_host=4)

    async def asked(host: str) -> str:
        try:
            await outbound.begin("GET", target_of(f"http://{host}/"), {}, seconds=GENEROUS, patience=GENEROUS)
        except NoAnswer as error:
            return str(error)
        return ""

    slow = [asyncio.create_task(asked(f"{number}.slow.example")) for number in range(100)]
    try:
        await asyncio.sleep(0)
        assert "cannot be resolved" in await asked("quick.example.org")
    finally:
        over.set()
        await asyncio.gather(*slow)


async def test_a_share_is_given_back_once_and_forgotten_when_nobody_holds_it() -> None:
    shares = Shares(1)
    give_back = await shares.take("a")
    waiting = asyncio.create_task(shares.take("a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    give_back()
    give_back()
    second = await waiting
    cancelled = asyncio.create_task(shares.take("a"))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    second()
    assert shares._places == {}


async def test_a_host_that_is_fetched_from_enough_delays_a_task_without_counting_against_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_PATIENCE_SECONDS", 0.05)
    url = f"http://127.0.0.1:{await start(dripping)}/"
    web, stop = Web(threads=2, allow_loopback=True), threading.Event()
    first = asyncio.create_task(web.open(url, stop=stop, seconds=GENEROUS))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as raised:
        await web.open(url, stop=stop, seconds=GENEROUS)
    assert isinstance(raised.value.__cause__, HostBusy)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


@pytest.mark.parametrize(
    ("place", "location"),
    [("HTTPS://example.com/a", "http://example.com/b"), ("hTTps://example.com/a", "HTTP://example.com/b"),
     ("HTTPS://example.com/a", "//example.com:80/../\\b"), ("https://example.com/a", "ftp://example.com/")],
)  # fmt: skip
async def test_no_redirect_leaves_https_however_it_is_written(place: str, location: str) -> None:
    class Redirect:
        def header(self, name: str) -> str | None:
            return location if name == "Location" else None

    with pytest.raises(PermanentFailure) as raised:
        fetch._redirect_target(place, Redirect())  # type: ignore[arg-type]
    assert raised.value.code == "url_not_fetchable"
    assert fetch._redirect_target("HTTP://example.com/a", Redirect()) if location.startswith("HTTP:") else True  # type: ignore[arg-type]


async def test_a_large_file_passes_in_constant_memory(start: Start) -> None:
    size, piece = 48 << 20, bytes(1 << 20)

    async def large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // len(piece)):
            writer.write(piece)
            await writer.drain()

    web = Web(threads=2, allow_loopback=True)
    file = await web.open(f"http://127.0.0.1:{await start(large)}/", stop=threading.Event(), seconds=60)

    def read() -> int:
        seen = 0
        while data := file.read(1 << 20):
            seen += len(data)
        return seen

    tracemalloc.start()
    try:
        assert await asyncio.to_thread(read) == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        file.close()
    assert peak < 16 << 20


async def test_a_file_is_not_read_by_the_thread_that_brings_it(start: Start) -> None:
    web = Web(threads=2, allow_loopback=True)

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(500_000))
        await writer.drain()

    file = await web.open(f"http://127.0.0.1:{await start(half)}/", stop=threading.Event(), seconds=GENEROUS)
    with pytest.raises(RuntimeError, match="a thread of its own"):
        file.read()
    with pytest.raises(TransientFailure, match="broke"):
        await asyncio.to_thread(file.read)
    file.close()


@pytest.mark.parametrize("function", ["api", "ingest"])
def test_functions_that_fetch_nothing_load_no_client_for_it(function: str) -> None:
    """google-cloud-tasks loads aiohttp by itself; nothing of ours does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DROPSIGHT_")}
    code = (
        "import sys, shared.settings\n"
        "shared.settings.refuse_misconfiguration = lambda kind: None\n"
        f"import functions.{function}.main, shared.cloud.firestore, shared.cloud.storage, shared.cloud.keys\n"
        "import shared.request_intake, shared.cloud.queue, shared.cloud.chunk_store\n"
        "assert 'shared.cloud.exchange' not in sys.modules, 'the client was loaded'\n"
    )
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
