"""Topics and subscriptions through the real clients: filters, acks, redelivery, streams, lists, policies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.api_core import exceptions as api_errors

from local.standins.grpc_refusals import Refusal
from local.standins.pubsub.filters import parse_filter
from tests.local.standins.pubsub.bench import TOPIC, Bench

# It lets a test look without waiting.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")


async def test_a_message_stays_until_it_is_acknowledged(bench: Bench) -> None:
    path = await bench.subscribe("all")
    await bench.publish(b"one", kind="a")
    (received,) = await bench.pull(path)
    assert (received.message.data, dict(received.message.attributes)) == (b"one", {"kind": "a"})
    assert await bench.pull(path) == []
    bench.clock.advance(11)
    (again,) = await bench.pull(path)
    assert again.message.message_id == received.message.message_id
    await bench.subscriber.acknowledge(subscription=path, ack_ids=[again.ack_id])
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
    path = await bench.subscribe("refusing")
    for message in ({}, {"data": b"x", "attributes": {"a": "v" * 1025}}, {"data": b"x", "attributes": {"googx": "v"}}):
        with pytest.raises(api_errors.InvalidArgument):
            await bench.publisher.publish(topic=TOPIC, messages=[message])
    with pytest.raises(api_errors.NotFound):
        await bench.publisher.publish(topic="projects/test/topics/other", messages=[{"data": b"x"}])
    with pytest.raises(api_errors.AlreadyExists):
        await bench.publisher.create_topic(name=TOPIC)
    with pytest.raises(api_errors.MethodNotImplemented):
        await bench.subscribe("stored", cloud_storage_config={"bucket": "b"})
    with pytest.raises(api_errors.MethodNotImplemented, match="CreateSnapshot"):
        await bench.subscriber.create_snapshot(name="projects/test/snapshots/s", subscription=path)
    assert [snapshot async for snapshot in await bench.subscriber.list_snapshots(project="projects/test")] == []
    with pytest.raises(api_errors.MethodNotImplemented, match="snapshot"):
        await bench.subscriber.seek(request={"subscription": path, "snapshot": "projects/test/snapshots/s"})
    schema = {"schema": "projects/test/schemas/s", "encoding": "JSON"}
    with pytest.raises(api_errors.MethodNotImplemented, match="schema_settings"):
        await bench.publisher.create_topic(request={"name": f"{TOPIC}-typed", "schema_settings": schema})


async def test_a_stream_delivers_what_is_published_and_takes_acks(bench: Bench) -> None:
    path = await bench.subscribe("streamed")
    await bench.publish(b"one")
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    received.put_nowait({"subscription": path, "stream_ack_deadline_seconds": 10})
    stream = await bench.subscriber.streaming_pull(requests=_taken_from(received))
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


async def test_a_list_comes_in_pages_of_the_size_that_was_asked_for(bench: Bench) -> None:
    for name in ("a-topic", "b-topic"):
        await bench.publisher.create_topic(name=f"projects/test/topics/{name}")
    await bench.publisher.create_topic(name="projects/test2/topics/other")
    pages = [page async for page in (await bench.publisher.list_topics(
        request={"project": "projects/test", "page_size": 2})).pages]  # fmt: skip
    names = [[topic.name.rpartition("/")[2] for topic in page.topics] for page in pages]
    assert names == [["a-topic", "b-topic"], ["events"]]


async def test_an_update_changes_the_fields_of_its_mask_only(bench: Bench) -> None:
    path = await bench.subscribe("changing", labels={"a": "1"})
    new = {"name": path, "ack_deadline_seconds": 60, "retain_acked_messages": True}
    request = {"subscription": new, "update_mask": {"paths": ["ack_deadline_seconds"]}}
    updated = await bench.subscriber.update_subscription(request=request)
    assert (updated.ack_deadline_seconds, updated.retain_acked_messages, dict(updated.labels)) == (
        60,
        False,
        {"a": "1"},
    )
    assert await bench.subscriber.get_subscription(subscription=path) == updated
    for paths in ([], ["filter"], ["enable_message_ordering"]):
        with pytest.raises(api_errors.InvalidArgument):
            await bench.subscriber.update_subscription(request={"subscription": new, "update_mask": {"paths": paths}})
    request = {"topic": {"name": TOPIC, "labels": {"b": "2"}}, "update_mask": {"paths": ["labels"]}}
    assert dict((await bench.publisher.update_topic(request=request)).labels) == {"b": "2"}


async def test_a_detached_subscription_gets_nothing_and_cannot_be_pulled_from(bench: Bench) -> None:
    path = await bench.subscribe("detached")
    await bench.publish(b"one")
    await bench.publisher.detach_subscription(request={"subscription": path})
    await bench.publish(b"two")
    assert (await bench.subscriber.get_subscription(subscription=path)).detached
    with pytest.raises(api_errors.FailedPrecondition):
        await bench.pull(path)
    assert [name async for name in await bench.publisher.list_topic_subscriptions(topic=TOPIC)] == []


async def test_a_stream_delivers_no_more_than_its_subscriber_has_room_for(bench: Bench) -> None:
    path = await bench.subscribe("limited")
    for number in range(5):
        await bench.publish(b"%d" % number)
    requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    first = {"subscription": path, "stream_ack_deadline_seconds": 10, "max_outstanding_messages": 2}
    requests.put_nowait(first)
    received = list[bytes]()
    async for answer in await bench.subscriber.streaming_pull(requests=_taken_from(requests)):
        assert len(answer.received_messages) <= 2
        received += [message.message.data for message in answer.received_messages]
        if len(received) == 5:
            break
        # Only what is acknowledged makes room.
        requests.put_nowait({"ack_ids": [message.ack_id for message in answer.received_messages]})
    assert received == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_stream_ends_with_its_subscription(bench: Bench) -> None:
    path = await bench.subscribe("short-lived")
    requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    requests.put_nowait({"subscription": path, "stream_ack_deadline_seconds": 10})
    stream = await bench.subscriber.streaming_pull(requests=_taken_from(requests))
    await bench.subscriber.delete_subscription(subscription=path)
    with pytest.raises(api_errors.NotFound):
        async for _ in stream:
            pass


async def test_a_stream_ends_with_its_subscription_also_if_another_has_its_name_at_once(bench: Bench) -> None:
    path = await bench.subscribe("short-lived")
    requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    requests.put_nowait({"subscription": path, "stream_ack_deadline_seconds": 10})
    await bench.publish(b"one")
    stream = aiter(await bench.subscriber.streaming_pull(requests=_taken_from(requests)))
    await anext(stream)
    await bench.subscriber.delete_subscription(subscription=path)
    await bench.subscribe("short-lived")
    with pytest.raises(api_errors.NotFound):
        async with asyncio.timeout(60):
            await anext(stream)


async def test_a_pull_answers_with_no_more_than_grpcs_clients_accept(bench: Bench) -> None:
    path = await bench.subscribe("large")
    published = [await bench.publish(b"x" * 700_000) for _ in range(6)]
    first = await bench.pull(path)
    assert len(first) == 4
    second = await bench.pull(path)
    assert [message.message.message_id for message in (*first, *second)] == published


async def test_a_stream_refuses_a_request_that_contradicts_itself(bench: Bench) -> None:
    path = await bench.subscribe("strict")
    requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    requests.put_nowait({"subscription": path, "stream_ack_deadline_seconds": 10})
    requests.put_nowait({"modify_deadline_ack_ids": ["a:1"], "modify_deadline_seconds": []})
    stream = await bench.subscriber.streaming_pull(requests=_taken_from(requests))
    with pytest.raises(api_errors.InvalidArgument):
        async for _ in stream:
            pass


async def _taken_from(requests: asyncio.Queue[dict[str, Any]]) -> AsyncIterator[Any]:
    while True:
        yield await requests.get()
