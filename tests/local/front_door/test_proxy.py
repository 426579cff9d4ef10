"""What passes through the front door, and how."""

from __future__ import annotations

from tests.local.front_door.conftest import Serve, Worker, until


async def test_a_request_reaches_the_function_as_it_was_sent(serve: Serve, worker: Worker) -> None:
    door = await serve()
    answer = await door.http.post("/a%2Fb?x=1&y=%20", content=b"hello", headers={"Host": "api.example", "X-Mine": "1"})
    seen = answer.json()
    headers = dict(seen["headers"])
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("POST", "/a%2Fb", "x=1&y=%20", "hello")
    assert headers["host"] == "api.example"
    assert headers["x-mine"] == "1"
    assert answer.headers["x-worker"] == "yes"


async def test_a_stream_flows_chunk_by_chunk(serve: Serve, worker: Worker) -> None:
    door = await serve()
    async with door.http.stream("GET", "/stream") as answer:
        received = answer.aiter_raw()
        for number in range(3):
            worker.chunks.put_nowait(f"data: {number}\n\n".encode())
            assert await anext(received) == f"data: {number}\n\n".encode()


async def test_a_caller_that_hangs_up_ends_the_function_s_request_at_once(serve: Serve, worker: Worker) -> None:
    door = await serve()
    async with door.http.stream("GET", "/stream") as answer:
        worker.chunks.put_nowait(b"data: 1\n\n")
        await anext(answer.aiter_raw())
        assert door.door.in_flight("api") == 1
    await until(lambda: worker.streams == 0)
    await until(lambda: door.door.in_flight("api") == 0)
