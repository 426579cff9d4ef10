"""What passes through the front door, and how."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx2
import pytest

from shared.clock import MovableClock
from tests.local.front_door.conftest import METHODS, Serve, Worker, until


async def test_a_request_reaches_the_function_as_it_was_sent(serve: Serve) -> None:
    door = await serve()
    sent = {"Host": "api.example", "X-Mine": "1", "Authorization": "Bearer sk-a.b.c"}
    answer = await door.http.post("/a%2Fb?x=1&y=%20", content=b"hello", headers=sent)
    seen = answer.json()
    headers = dict(seen["headers"])
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("POST", "/a%2Fb", "x=1&y=%20", "hello")
    assert headers["host"] == "api.example"
    assert headers["x-mine"] == "1"
    assert headers["authorization"] == "Bearer sk-a.b.c", "a public function checks its callers itself"
    assert answer.headers["x-worker"] == "yes"
    assert len(answer.headers.get_list("server")) == len(answer.headers.get_list("date")) == 1


async def test_space_around_a_header_s_value_is_no_part_of_it(serve: Serve) -> None:
    # httpx2 sends no such header.
    url = urlsplit((await serve()).url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nX-Mine: \t 1 \t\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b'["x-mine","1"]' in body


async def test_every_method_passes(serve: Serve) -> None:
    door = await serve()
    for method in METHODS:
        answer = await door.http.request(method, "/any")
        assert answer.status_code == 200
        assert answer.content == b"" if method == "HEAD" else answer.json()["method"] == method


async def test_the_platform_s_headers_are_added(serve: Serve) -> None:
    door = await serve()
    headers = dict((await door.http.get("/")).json()["headers"])
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    trace = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", headers["traceparent"])
    assert trace
    assert headers["x-cloud-trace-context"] == f"{trace[1]}/{int(trace[2], 16)};o=1"


async def test_the_caller_s_trace_is_kept_and_its_forwarding_chain_goes_on(serve: Serve) -> None:
    door = await serve()
    sent = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "gopher"}
    headers = dict((await door.http.get("/", headers=sent)).json()["headers"])
    assert headers["traceparent"] == sent["traceparent"]
    assert headers["x-forwarded-for"] == "9.9.9.9, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"


async def test_hop_by_hop_headers_stay_behind(serve: Serve) -> None:
    door = await serve()
    sent = {"Connection": "keep-alive, X-Secret", "X-Secret": "1", "TE": "trailers"}
    headers = dict((await door.http.get("/", headers=sent)).json()["headers"])
    assert not {"connection", "x-secret", "te"} & headers.keys()


async def test_a_stream_flows_chunk_by_chunk(serve: Serve, worker: Worker) -> None:
    door = await serve()
    async with door.http.stream("GET", "/stream") as answer:
        received = answer.aiter_raw()
        for number in range(3):
            worker.chunks.put_nowait(f"data: {number}\n\n".encode())
            assert await anext(received) == f"data: {number}\n\n".encode()
        worker.chunks.put_nowait(None)
        assert [chunk async for chunk in received] == []


async def test_a_request_s_body_flows_while_it_is_sent(serve: Serve, worker: Worker) -> None:
    door = await serve()

    async def body() -> AsyncIterator[bytes]:
        for sent in range(1, 4):
            yield b"x" * 1000
            await until(lambda sent=sent: worker.received == sent * 1000)  # type: ignore[misc]

    answer = await door.http.post("/swallow", content=body())
    assert answer.text == "3000"


async def test_a_caller_that_hangs_up_ends_the_function_s_request_at_once(serve: Serve, worker: Worker) -> None:
    door = await serve()
    async with door.http.stream("GET", "/stream") as answer:
        worker.chunks.put_nowait(b"data: 1\n\n")
        await anext(answer.aiter_raw())
        assert door.door.in_flight("api") == 1
    await until(lambda: worker.streams == 0)
    await until(lambda: door.door.in_flight("api") == 0)


async def test_hundreds_of_streams_are_open_at_once(serve: Serve, worker: Worker) -> None:
    door = await serve(concurrency=500)

    async def listen(client: httpx2.AsyncClient) -> bytes:
        async with client.stream("GET", "/stream") as answer:
            return b"".join([chunk async for chunk in answer.aiter_raw()])

    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=door.url, timeout=60, trust_env=False, limits=limits) as client:
        listeners = [asyncio.create_task(listen(client)) for _ in range(200)]
        await until(lambda: worker.streams == 200)
        assert door.door.in_flight("api") == 200
        for _ in range(200):
            worker.chunks.put_nowait(None)
        assert await asyncio.gather(*listeners) == [b""] * 200


async def test_the_largest_body_passes_and_a_larger_one_is_413(serve: Serve, worker: Worker) -> None:
    door = await serve()
    largest = b"x" * (32 << 20)
    assert (await door.http.post("/swallow", content=largest)).text == str(len(largest))
    assert (await door.http.post("/swallow", content=largest + b"x")).status_code == 413
    assert worker.received == len(largest)


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(serve: Serve) -> None:
    door = await serve()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b"x" * (1 << 20)

    assert (await door.http.post("/swallow", content=body())).status_code == 413


async def test_paths_that_cloud_run_keeps_for_itself_are_404(serve: Serve) -> None:
    door = await serve()
    for path in ("/healthz", "/statusz", "/_ah/warmup", "/eventlog"):
        answer = await door.http.get(path)
        assert (path, answer.status_code, answer.headers.get("x-worker")) == (path, 404, None)


async def test_a_longer_path_may_end_in_z(serve: Serve) -> None:
    door = await serve()
    for path in ("/v1/tasks/task-llm-1776874565-yq3szvcz", "/health", "/v1/z", "/"):
        assert (path, (await door.http.get(path)).headers.get("x-worker")) == (path, "yes")


async def test_an_answer_past_the_timeout_is_504_and_the_function_goes_on(
    serve: Serve, worker: Worker, clock: MovableClock
) -> None:
    door = await serve(timeout=60)
    call = asyncio.create_task(door.http.get("/hold"))
    await until(lambda: worker.held == 1)
    clock.advance(61)
    answer = await call
    assert (answer.status_code, answer.text) == (504, "upstream request timeout")
    worker.release.set()
    await until(lambda: worker.finished == 1)


async def test_a_stream_past_the_timeout_breaks_off(serve: Serve, worker: Worker, clock: MovableClock) -> None:
    door = await serve(timeout=60)
    async with door.http.stream("GET", "/stream") as answer:
        worker.chunks.put_nowait(b"data: 1\n\n")
        received = answer.aiter_raw()
        await anext(received)
        clock.advance(61)
        with pytest.raises(httpx2.TransportError):
            await anext(received)
