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

from local.standins.pubsub.push import PushDelivery
from local.standins.serve import HttpServer
from shared.clock import Clock
from tests.local.standins.pubsub.bench import TOPIC, Bench, message, subscription_with

# It lets a test look without waiting.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")
MOMENT = {"nanos": 1_000_000}
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


async def wait_for(event: asyncio.Event) -> None:
    async with asyncio.timeout(60):
        await event.wait()


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
        await wait_for(arrived)
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
        await wait_for(second_arrived)


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
        await wait_for(done)
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
        push, retry = {"push_endpoint": url}, {"minimum_backoff": MOMENT, "maximum_backoff": MOMENT}
        await bench.subscribe("failing", push_config=push, dead_letter_policy=policy, retry_policy=retry)
        await bench.publish(b"one")
        await wait_for(fifth)
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
        await wait_for(arrived)
        await bench.subscriber.modify_push_config(subscription=path, push_config={})
    await bench.publish(b"two")
    assert [message.message.data for message in await bench.pull(path)] == [b"two"]


async def test_what_is_being_sent_is_given_back_when_a_subscription_is_pushed_no_more(bench: Bench) -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def answer(request: Request, body: dict[str, Any]) -> int:
        arrived.set()
        await ended.wait()
        return 204

    async with endpoint(answer) as url:
        path = await bench.subscribe("both", push_config={"push_endpoint": url})
        await bench.publish(b"one")
        await wait_for(arrived)
        await bench.subscriber.modify_push_config(subscription=path, push_config={})
        assert [message.message.data for message in await bench.pull(path)] == [b"one"]
        ended.set()


async def test_what_is_being_sent_ends_when_its_subscription_is_detached(bench: Bench) -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def answer(request: Request, body: dict[str, Any]) -> int:
        arrived.set()
        assert (await request.receive())["type"] == "http.disconnect"
        ended.set()
        return 204

    async with endpoint(answer) as url:
        push = {"push_endpoint": url}
        path = await bench.subscribe("detached", push_config=push, ack_deadline_seconds=600)
        await bench.publish(b"one")
        await wait_for(arrived)
        await bench.publisher.detach_subscription(request={"subscription": path})
        await wait_for(ended)


async def test_a_message_that_cannot_be_sent_is_given_back(bench: Bench) -> None:
    letters = "projects/test/topics/letters"
    await bench.publisher.create_topic(name=letters)
    await bench.subscriber.create_subscription(name="projects/test/subscriptions/letters", topic=letters)
    # A part of a host's name has 63 characters at most, so that this one is never looked up.
    push, policy = {"push_endpoint": f"https://{'a' * 70}.example/"}, {"dead_letter_topic": letters}
    retry = {"minimum_backoff": MOMENT, "maximum_backoff": MOMENT}
    settings = {"push_config": push, "dead_letter_policy": policy, "retry_policy": retry}
    await bench.subscribe("unsent", ack_deadline_seconds=600, **settings)
    await bench.publish(b"one")
    async with asyncio.timeout(60):
        while not (pulled := await bench.pull("projects/test/subscriptions/letters")):
            await asyncio.sleep(0.05)
    assert pulled[0].message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


class StoppedClock(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1e9

    def time(self) -> float:
        return self.seconds


async def test_a_message_is_leased_for_longer_than_the_request_that_pushes_it() -> None:
    arrived, ended, clock = asyncio.Event(), asyncio.Event(), StoppedClock()

    async def answer(request: Request, body: dict[str, Any]) -> int:
        arrived.set()
        await ended.wait()
        return 204

    async with endpoint(answer) as url:
        subscription = subscription_with(clock, ack_deadline_seconds=60, push_config={"push_endpoint": url})
        pushing = PushDelivery(subscription, lambda: None, lambda email, audience: "")
        subscription.add(message(clock, 1))
        await wait_for(arrived)
        clock.seconds += 60.5
        assert subscription.lease(1) == []
        ended.set()
        await pushing.stop()


async def test_a_push_that_has_ended_with_an_error_can_still_be_stopped() -> None:
    def fail() -> None:
        failed.set()
        raise RuntimeError

    failed = asyncio.Event()
    pushing = PushDelivery(subscription_with(StoppedClock()), fail, lambda email, audience: "")
    await wait_for(failed)
    await pushing.stop()
