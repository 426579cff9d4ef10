"""Push subscriptions: tokens, repeats, order, and dead letters, with an endpoint that a test serves."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from local.standins.serve import HttpServer
from tests.local.standins.pubsub.bench import TOPIC, Bench

# It lets a test look without waiting.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")
Answer = Callable[[Request, dict[str, Any]], Awaitable[int]]
"""The status for a request and its JSON."""


@asynccontextmanager
async def endpoint(answer: Answer) -> AsyncIterator[str]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await Response(status_code=await answer(request, await request.json()))(scope, receive, send)

    server = HttpServer(app)
    try:
        yield f"http://127.0.0.1:{await server.start()}/events"
    finally:
        await server.stop()


async def until(bench: Bench, event: asyncio.Event) -> None:
    """Let the clock run until the event."""
    async with asyncio.timeout(60):
        while not event.is_set():
            bench.clock.advance(1)
            await asyncio.sleep(0.05)


async def test_a_push_carries_a_token_and_is_repeated_until_it_is_accepted(bench: Bench) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []
    arrived = asyncio.Event()

    async def answer(request: Request, body: dict[str, Any]) -> int:
        seen.append((request.headers["authorization"], body))
        if len(seen) == 2:
            arrived.set()
        return 500 if len(seen) == 1 else 204

    async with endpoint(answer) as url:
        push = {"push_endpoint": url, "oidc_token": {"service_account_email": "push@test"}}
        path = await bench.subscribe("pushed", push_config=push)
        await bench.publish(b"one", kind="a")
        await until(bench, arrived)
    token, body = seen[0]
    assert token == f"Bearer push@test {url}"
    assert body["subscription"] == path
    assert base64.b64decode(body["message"]["data"]) == b"one"
    assert body["message"]["attributes"] == {"kind": "a"}
    assert seen[1][1]["message"]["messageId"] == body["message"]["messageId"]


async def test_an_endpoint_that_hangs_holds_up_none_but_its_own_message(bench: Bench) -> None:
    second_arrived = asyncio.Event()

    async def answer(request: Request, body: dict[str, Any]) -> int:
        if base64.b64decode(body["message"]["data"]) == b"two":
            second_arrived.set()
        await second_arrived.wait()
        return 204

    async with endpoint(answer) as url:
        await bench.subscribe("hanging", push_config={"push_endpoint": url})
        await bench.publish(b"one")
        await bench.publish(b"two")
        async with asyncio.timeout(60):
            await second_arrived.wait()


async def test_pushes_of_an_ordering_key_wait_for_the_one_before(bench: Bench) -> None:
    accepted, done = list[bytes](), asyncio.Event()
    refused = list[bytes]()

    async def answer(request: Request, body: dict[str, Any]) -> int:
        data = base64.b64decode(body["message"]["data"])
        assert body["message"]["orderingKey"] == "k"
        if data == b"0" and not refused:
            refused.append(data)
            return 503
        accepted.append(data)
        if len(accepted) == 3:
            done.set()
        return 204

    async with endpoint(answer) as url:
        await bench.subscribe("ordered", push_config={"push_endpoint": url}, enable_message_ordering=True)
        messages = [{"data": b"%d" % number, "ordering_key": "k"} for number in range(3)]
        await bench.publisher.publish(topic=TOPIC, messages=messages)
        await until(bench, done)
    assert accepted == [b"0", b"1", b"2"]


async def test_a_push_tells_the_attempt_where_dead_letters_are_kept(bench: Bench) -> None:
    letters = "projects/test/topics/letters"
    await bench.publisher.create_topic(name=letters)
    await bench.subscriber.create_subscription(name="projects/test/subscriptions/letters", topic=letters)
    attempts, fifth = list[int](), asyncio.Event()

    async def answer(request: Request, body: dict[str, Any]) -> int:
        attempts.append(body["deliveryAttempt"])
        if len(attempts) == 5:
            fifth.set()
        return 500

    async with endpoint(answer) as url:
        policy = {"dead_letter_topic": letters, "max_delivery_attempts": 5}
        await bench.subscribe("failing", push_config={"push_endpoint": url}, dead_letter_policy=policy)
        await bench.publish(b"one")
        await until(bench, fifth)
        async with asyncio.timeout(60):
            while not (pulled := await bench.pull("projects/test/subscriptions/letters")):
                await asyncio.sleep(0.05)
    assert attempts == [1, 2, 3, 4, 5]
    assert pulled[0].message.data == b"one"


async def test_a_subscription_becomes_a_push_subscription_and_a_pull_subscription_again(bench: Bench) -> None:
    arrived = asyncio.Event()

    async def answer(request: Request, body: dict[str, Any]) -> int:
        arrived.set()
        return 204

    async with endpoint(answer) as url:
        path = await bench.subscribe("both")
        await bench.publish(b"one")
        await bench.subscriber.modify_push_config(subscription=path, push_config={"push_endpoint": url})
        async with asyncio.timeout(60):
            await arrived.wait()
        await bench.subscriber.modify_push_config(subscription=path, push_config={})
    await bench.publish(b"two")
    assert [message.message.data for message in await bench.pull(path)] == [b"two"]
