"""What callers see of a function whose instances are busy, starting, restarting or dying."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from local.standins.serve import HttpServer
from shared.clock import MovableClock
from tests.environment import free_port
from tests.local.front_door.conftest import Door, Serve, Worker, until


async def test_requests_beyond_the_concurrency_wait_for_their_turn(serve: Serve, worker: Worker) -> None:
    door = await serve(max_instances=1, concurrency=2)
    calls = [asyncio.create_task(door.http.get("/hold")) for _ in range(3)]
    await until(lambda: worker.held == 2 and door.door.in_flight("api") == 3)
    worker.release.set()
    assert [(await call).status_code for call in calls] == [200] * 3


async def test_a_request_that_waits_too_long_for_its_turn_is_429(
    serve: Serve, worker: Worker, clock: MovableClock
) -> None:
    door = await serve(max_instances=1, concurrency=1)
    first = asyncio.create_task(door.http.get("/hold"))
    await until(lambda: worker.held == 1)
    second = asyncio.create_task(door.http.get("/"))
    await until(lambda: door.door.in_flight("api") == 2)
    clock.advance(11)
    answer = await second
    assert (answer.status_code, answer.text) == (429, "Rate exceeded.")
    worker.release.set()
    assert (await first).status_code == 200
    assert (await door.http.get("/")).status_code == 200, "the place of the one that gave up is not lost"


async def test_a_worker_that_is_restarting_is_waited_for(serve: Serve, worker: Worker) -> None:
    port = free_port()
    asked = asyncio.Event()

    async def backend() -> str:
        asked.set()
        return f"http://127.0.0.1:{port}"

    door = await serve(backend=backend)
    call = asyncio.create_task(door.http.post("/echo", content=b"kept"))
    await asked.wait()
    server = HttpServer(worker.app())
    await server.start(port)
    assert (await call).json()["body"] == "kept"
    await server.stop()


async def test_a_worker_that_stays_away_is_503(serve: Serve) -> None:
    async def backend() -> str:
        return "http://127.0.0.1:1"

    door = await serve(backend=backend, restart_patience=0.1)
    assert (await door.http.get("/")).status_code == 503


async def test_an_instance_that_cannot_be_started_is_503(serve: Serve) -> None:
    async def backend() -> str:
        raise RuntimeError("no such function")

    door = await serve(backend=backend)
    assert (await door.http.get("/")).status_code == 503


async def test_a_cold_start_counts_towards_the_timeout(serve: Serve, clock: MovableClock) -> None:
    starting = asyncio.Event()

    async def backend() -> str:
        starting.set()
        await asyncio.Event().wait()
        return ""

    door = await serve(backend=backend, timeout=60)
    call = asyncio.create_task(door.http.get("/"))
    await starting.wait()
    clock.advance(61)
    assert (await call).status_code == 504


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", 503),
        (b"HTTP/1.1 200 OK\r\ncontent-le", 503),
        (b"this is not HTTP\r\n\r\n", 502),
    ],
)
async def test_a_worker_that_dies_before_its_answer_is_an_error(serve: Serve, said: bytes, status: int) -> None:
    door, server = await _raw_worker(serve, said)
    answer = await door.http.post("/", content=b"x")
    assert answer.status_code == status
    server.close()


async def test_a_worker_that_dies_amid_its_answer_breaks_the_answer_off(serve: Serve) -> None:
    door, server = await _raw_worker(serve, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    async with door.http.stream("GET", "/") as answer:
        received = answer.aiter_raw()
        assert await anext(received) == b"abc"
        with pytest.raises(httpx2.TransportError):
            await anext(received)
    server.close()


async def test_an_answer_before_the_whole_body_was_read_is_passed_on(serve: Serve) -> None:
    refusal = b"HTTP/1.1 422 Unprocessable\r\ncontent-length: 4\r\n\r\nlong"
    door, server = await _raw_worker(serve, refusal, hang_up=False)
    answer = await door.http.post("/", content=b"x" * 100_000)
    assert (answer.status_code, answer.text) == (422, "long")
    server.close()


async def _raw_worker(serve: Serve, said: bytes, *, hang_up: bool = True) -> tuple[Door, asyncio.Server]:
    """A worker that says these bytes to whoever calls."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        if not hang_up:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def backend() -> str:
        return url

    return await serve(backend=backend), server
