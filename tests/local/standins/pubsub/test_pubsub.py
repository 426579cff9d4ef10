"""Topics and subscriptions through the real clients: filters, acks, redelivery, push."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from google.api_core import exceptions as api_errors
from google.pubsub_v1.services.publisher import PublisherAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber import SubscriberAsyncClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport
from starlette.requests import Request
from starlette.responses import Response

from local.standins.grpc_refusals import Refusal
from local.standins.pubsub import PubSubStandIn
from local.standins.pubsub.filters import parse_filter
from local.standins.serve import HttpServer
from local.standins.wire_tap import Tap
from shared.clock import MovableClock

# It lets a test look without waiting.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")
TOPIC = "projects/test/topics/events"


class Bench:
    def __init__(self, endpoint: str, clock: MovableClock) -> None:
        self.clock = clock
        channels = [grpc.aio.insecure_channel(endpoint) for _ in range(2)]
        self.publisher: Any = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channels[0]))
        self.subscriber: Any = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channels[1]))

    async def subscribe(self, name: str, **settings: object) -> str:
        path = f"projects/test/subscriptions/{name}"
        await self.subscriber.create_subscription(request={"name": path, "topic": TOPIC, **settings})
        return path

    async def publish(self, data: bytes, **attributes: str) -> str:
        message = {"data": data, "attributes": attributes}
        answer = await self.publisher.publish(topic=TOPIC, messages=[message])
        return str(answer.message_ids[0])

    async def pull(self, path: str) -> list[Any]:
        request = {"subscription": path, "max_messages": 10, "return_immediately": True}
        return list((await self.subscriber.pull(request=request)).received_messages)


@pytest.fixture
async def bench(clock: MovableClock, tap: Tap) -> AsyncIterator[Bench]:
    stand_in = PubSubStandIn(clock=clock, tap=tap, sign=lambda email, audience: f"{email} {audience}", topics=[TOPIC])
    made = Bench(f"127.0.0.1:{await stand_in.start()}", clock)
    yield made
    await made.publisher.transport.close()
    await made.subscriber.transport.close()
    await stand_in.stop()


async def test_a_message_stays_until_it_is_acknowledged(bench: Bench) -> None:
    path = await bench.subscribe("all")
    await bench.publish(b"one", kind="a")
    (received,) = await bench.pull(path)
    assert (received.message.data, dict(received.message.attributes)) == (b"one", {"kind": "a"})
    assert await bench.pull(path) == []
    bench.clock.advance(11)
    (again,) = await bench.pull(path)
    assert again.message.message_id == received.message.message_id
    await bench.subscriber.acknowledge(subscription=path, ack_ids=[received.ack_id])
    bench.clock.advance(11)
    (third,) = await bench.pull(path)
    await bench.subscriber.acknowledge(subscription=path, ack_ids=[third.ack_id])
    bench.clock.advance(601)
    assert await bench.pull(path) == []


async def test_a_message_that_is_given_back_is_delivered_at_once(bench: Bench) -> None:
    path = await bench.subscribe("given-back")
    await bench.publish(b"one")
    (received,) = await bench.pull(path)
    await bench.subscriber.modify_ack_deadline(subscription=path, ack_ids=[received.ack_id], ack_deadline_seconds=0)
    assert len(await bench.pull(path)) == 1


async def test_each_subscription_gets_what_its_filter_lets_through(bench: Bench) -> None:
    every, failed = (
        await bench.subscribe("every"),
        await bench.subscribe("failed", filter='attributes.status = "failed"'),
    )
    await bench.publish(b"1", status="completed")
    await bench.publish(b"2", status="failed")
    assert [message.message.data for message in await bench.pull(every)] == [b"1", b"2"]
    assert [message.message.data for message in await bench.pull(failed)] == [b"2"]


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("attributes:recipe", True),
        ("NOT attributes:recipe", False),
        ("-attributes:other", True),
        ('attributes.recipe != "minutes"', False),
        ('attributes.other != "x"', False),
        ('hasPrefix(attributes.owner, "inbox:")', True),
        ('attributes.recipe = "minutes" AND attributes.status = "failed"', False),
        ('attributes.status = "failed" OR (attributes.recipe = "minutes" AND attributes:owner)', True),
        ('attributes."ce-type" = "t"', True),
        ('attributes.ce-type = "t"', True),
    ],
)
def test_filters_mean_what_the_service_says(text: str, matches: bool) -> None:
    attributes = {"recipe": "minutes", "status": "completed", "owner": "inbox:a", "ce-type": "t"}
    assert parse_filter(text)(attributes) is matches


@pytest.mark.parametrize("text", ["attributes", "recipe = 1", 'attributes.a = b', '(attributes:a', "x" * 300,
                                  'attributes:a AND attributes:b OR attributes:c'])  # fmt: skip
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        parse_filter(text)


async def test_what_the_service_refuses_is_refused(bench: Bench) -> None:
    for message in ({}, {"data": b"x", "attributes": {"a": "v" * 1025}}, {"data": b"x", "attributes": {"googx": "v"}}):
        with pytest.raises(api_errors.InvalidArgument):
            await bench.publisher.publish(topic=TOPIC, messages=[message])
    with pytest.raises(api_errors.NotFound):
        await bench.publisher.publish(topic="projects/test/topics/other", messages=[{"data": b"x"}])
    with pytest.raises(api_errors.AlreadyExists):
        await bench.publisher.create_topic(name=TOPIC)
    with pytest.raises(api_errors.MethodNotImplemented):
        await bench.subscribe("ordered", enable_message_ordering=True)


async def test_a_push_carries_a_token_and_is_repeated_until_it_is_accepted(bench: Bench) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []
    arrived = asyncio.Event()

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        seen.append((request.headers["authorization"], json.loads(await request.body())))
        await Response(status_code=500 if len(seen) == 1 else 204)(scope, receive, send)
        if len(seen) == 2:
            arrived.set()

    server = HttpServer(endpoint)
    url = f"http://127.0.0.1:{await server.start()}/events"
    try:
        push = {"push_endpoint": url, "oidc_token": {"service_account_email": "push@test"}}
        path = await bench.subscribe("pushed", push_config=push)
        await bench.publish(b"one", kind="a")
        while not arrived.is_set():
            bench.clock.advance(1)
            await asyncio.sleep(0.05)
    finally:
        await server.stop()
    token, body = seen[0]
    assert token == f"Bearer push@test {url}"
    assert body["subscription"] == path
    assert base64.b64decode(body["message"]["data"]) == b"one"
    assert body["message"]["attributes"] == {"kind": "a"}
    assert seen[1][1]["message"]["messageId"] == body["message"]["messageId"]


async def test_a_stream_delivers_what_is_published_and_takes_acks(bench: Bench) -> None:
    path = await bench.subscribe("streamed")
    await bench.publish(b"one")
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    received.put_nowait({"subscription": path, "stream_ack_deadline_seconds": 10})

    async def requests() -> AsyncIterator[Any]:
        while True:
            yield await received.get()

    stream = await bench.subscriber.streaming_pull(requests=requests())
    async for answer in stream:
        (message,) = answer.received_messages
        assert message.message.data == b"one"
        received.put_nowait({"ack_ids": [message.ack_id]})
        break
    await bench.publish(b"two")
    async for answer in stream:
        assert [received_message.message.data for received_message in answer.received_messages] == [b"two"]
        break
    stream.cancel()


async def test_a_topic_lists_its_own_subscriptions(bench: Bench) -> None:
    first, second = await bench.subscribe("first"), await bench.subscribe("second")
    other = "projects/test/topics/other"
    await bench.publisher.create_topic(name=other)
    await bench.subscriber.create_subscription(name="projects/test/subscriptions/third", topic=other)
    listed = await bench.publisher.list_topic_subscriptions(topic=TOPIC)
    assert [name async for name in listed] == [first, second]
    with pytest.raises(api_errors.NotFound):
        await bench.publisher.list_topic_subscriptions(topic="projects/test/topics/missing")


async def test_a_policy_is_kept_and_an_outdated_one_is_refused(bench: Bench) -> None:
    policy = await bench.publisher.get_iam_policy(request={"resource": TOPIC})
    policy.bindings.add(role="roles/pubsub.viewer", members=["group:readers@example.com"])
    changed = await bench.publisher.set_iam_policy(request={"resource": TOPIC, "policy": policy})
    assert await bench.subscriber.get_iam_policy(request={"resource": TOPIC}) == changed
    with pytest.raises(api_errors.Aborted):
        await bench.publisher.set_iam_policy(request={"resource": TOPIC, "policy": policy})
    with pytest.raises(api_errors.NotFound):
        await bench.publisher.get_iam_policy(request={"resource": "projects/test/topics/missing"})
    request = {"resource": TOPIC, "permissions": ["pubsub.topics.publish"]}
    granted = await bench.publisher.test_iam_permissions(request=request)
    assert list(granted.permissions) == ["pubsub.topics.publish"]


async def test_a_request_of_ten_million_bytes_is_refused_and_a_smaller_one_is_published(bench: Bench) -> None:
    assert await bench.publish(b"x" * 9_900_000)
    with pytest.raises(api_errors.InvalidArgument):
        await bench.publish(b"x" * 10_000_000)
