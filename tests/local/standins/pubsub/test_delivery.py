"""What a subscription can be asked for beyond delivery at least once: order, exactly once, dead letters, seeks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions as api_errors
from google.rpc import error_details_pb2

from tests.local.standins.pubsub.bench import TOPIC, Bench

pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")
LETTERS = "projects/test/topics/letters"


async def publish_in_order(bench: Bench, key: str, *data: bytes) -> None:
    messages = [{"data": one, "ordering_key": key} for one in data]
    await bench.publisher.publish(topic=TOPIC, messages=messages)


async def pulled(bench: Bench, path: str) -> dict[bytes, str]:
    """Return the ack ids of what is delivered, by its data and in its order."""
    return {message.message.data: message.ack_id for message in await bench.pull(path)}


async def acknowledge(bench: Bench, path: str, *ack_ids: str) -> None:
    await bench.subscriber.acknowledge(subscription=path, ack_ids=ack_ids)


async def give_back(bench: Bench, path: str, *ack_ids: str) -> None:
    await bench.subscriber.modify_ack_deadline(subscription=path, ack_ids=ack_ids, ack_deadline_seconds=0)


async def test_messages_of_a_key_wait_while_earlier_ones_are_outstanding(bench: Bench) -> None:
    path = await bench.subscribe("ordered", enable_message_ordering=True)
    await publish_in_order(bench, "a", b"a1", b"a2")
    first = await pulled(bench, path)
    await publish_in_order(bench, "a", b"a3")
    await publish_in_order(bench, "b", b"b1")
    assert list(first) == [b"a1", b"a2"]
    assert list(await pulled(bench, path)) == [b"b1"]
    await acknowledge(bench, path, *first.values())
    assert list(await pulled(bench, path)) == [b"a3"]


@pytest.mark.parametrize("how", ["given back", "its deadline is over"])
async def test_with_a_message_that_is_delivered_again_all_later_ones_of_its_key_are(bench: Bench, how: str) -> None:
    path = await bench.subscribe("ordered", enable_message_ordering=True)
    await publish_in_order(bench, "a", b"a1", b"a2", b"a3")
    first = await pulled(bench, path)
    await acknowledge(bench, path, first[b"a2"])
    if how == "given back":
        await give_back(bench, path, first[b"a1"])
    else:
        bench.clock.advance(11)
    again = await pulled(bench, path)
    assert list(again) == [b"a1", b"a2", b"a3"]
    await acknowledge(bench, path, *again.values())
    bench.clock.advance(601)
    assert await pulled(bench, path) == {}


async def test_without_ordering_a_key_holds_nothing_up(bench: Bench) -> None:
    path = await bench.subscribe("unordered")
    await publish_in_order(bench, "a", b"a1")
    await pulled(bench, path)
    await publish_in_order(bench, "a", b"a2")
    assert list(await pulled(bench, path)) == [b"a2"]


async def test_with_exactly_once_delivery_an_ack_id_that_has_expired_is_refused_by_name(bench: Bench) -> None:
    path = await bench.subscribe("once", enable_exactly_once_delivery=True)
    await bench.publish(b"one")
    await bench.publish(b"two")
    expired = await pulled(bench, path)
    bench.clock.advance(11)
    fresh = await pulled(bench, path)
    with pytest.raises(api_errors.FailedPrecondition) as refused:
        await acknowledge(bench, path, expired[b"one"], fresh[b"two"])
    (info,) = refused.value.details
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert dict(info.metadata) == {expired[b"one"]: "PERMANENT_FAILURE_INVALID_ACK_ID"}
    bench.clock.advance(11)
    assert list(await pulled(bench, path)) == [b"one"]


async def test_without_exactly_once_delivery_an_ack_after_the_deadline_still_counts(bench: Bench) -> None:
    path = await bench.subscribe("at-least-once")
    await bench.publish(b"one")
    expired = await pulled(bench, path)
    bench.clock.advance(11)
    await acknowledge(bench, path, expired[b"one"])
    assert await pulled(bench, path) == {}


async def test_an_ack_counts_also_while_the_message_is_delivered_again(bench: Bench) -> None:
    path = await bench.subscribe("at-least-once")
    await bench.publish(b"one")
    expired = await pulled(bench, path)
    bench.clock.advance(11)
    assert list(await pulled(bench, path)) == [b"one"]
    await acknowledge(bench, path, expired[b"one"])
    bench.clock.advance(601)
    assert await pulled(bench, path) == {}


async def test_late_acks_of_a_key_count_in_its_order_only(bench: Bench) -> None:
    path = await bench.subscribe("ordered", enable_message_ordering=True)
    await publish_in_order(bench, "a", b"a1", b"a2")
    expired = await pulled(bench, path)
    bench.clock.advance(11)
    await acknowledge(bench, path, expired[b"a2"])
    assert list(await pulled(bench, path)) == [b"a1", b"a2"]
    bench.clock.advance(11)
    await acknowledge(bench, path, expired[b"a1"], expired[b"a2"])
    assert await pulled(bench, path) == {}


async def test_an_ack_id_that_was_never_issued_acknowledges_nothing(bench: Bench) -> None:
    path = await bench.subscribe("at-least-once")
    message_id = await bench.publish(b"one")
    await acknowledge(bench, path, f"{message_id}:1000000", "", ":", "other")
    assert list(await pulled(bench, path)) == [b"one"]


async def test_a_stream_with_exactly_once_delivery_confirms_what_it_was_told(bench: Bench) -> None:
    path = await bench.subscribe("once", enable_exactly_once_delivery=True)
    await bench.publish(b"one")
    requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    requests.put_nowait({"subscription": path, "stream_ack_deadline_seconds": 60})

    async def sent() -> AsyncIterator[Any]:
        while True:
            yield await requests.get()

    answers = aiter(await bench.subscriber.streaming_pull(requests=sent()))
    delivered = await anext(answers)
    assert delivered.subscription_properties.exactly_once_delivery_enabled
    ack_id = delivered.received_messages[0].ack_id
    requests.put_nowait({"modify_deadline_ack_ids": [ack_id, "x:1"], "modify_deadline_seconds": [30, 30]})
    changed = (await anext(answers)).modify_ack_deadline_confirmation
    assert (list(changed.ack_ids), list(changed.invalid_ack_ids)) == ([ack_id], ["x:1"])
    requests.put_nowait({"ack_ids": [ack_id, "x:1"]})
    confirmed = (await anext(answers)).acknowledge_confirmation
    assert (list(confirmed.ack_ids), list(confirmed.invalid_ack_ids)) == ([ack_id], ["x:1"])


async def test_exactly_once_delivery_is_refused_to_push_subscriptions(bench: Bench) -> None:
    with pytest.raises(api_errors.InvalidArgument):
        await bench.subscribe("both", enable_exactly_once_delivery=True,
                              push_config={"push_endpoint": "https://example.com/"})  # fmt: skip


async def test_a_message_that_was_delivered_too_often_becomes_a_dead_letter(bench: Bench) -> None:
    await bench.publisher.create_topic(name=LETTERS)
    letters = "projects/test/subscriptions/letters"
    await bench.subscriber.create_subscription(name=letters, topic=LETTERS)
    path = await bench.subscribe("failing", dead_letter_policy={"dead_letter_topic": LETTERS})
    await bench.publish(b"one", kind="a")
    attempts = list[int]()
    for number in range(5):
        (received,) = await bench.pull(path)
        attempts.append(received.delivery_attempt)
        if number % 2:
            await give_back(bench, path, received.ack_id)
        else:
            bench.clock.advance(11)
    assert attempts == [1, 2, 3, 4, 5]
    # Nobody needs to pull from the failing subscription for that.
    (letter,) = await bench.pull(letters)
    assert (letter.message.data, letter.delivery_attempt) == (b"one", 0)
    attributes = dict(letter.message.attributes)
    assert attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert attributes == {
        "kind": "a",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": "failing",
        "CloudPubSubDeadLetterSourceSubscriptionProject": "test",
    }
    assert await bench.pull(path) == []


async def test_a_dead_letter_policy_needs_its_topic_and_5_to_100_attempts(bench: Bench) -> None:
    with pytest.raises(api_errors.NotFound):
        await bench.subscribe("failing", dead_letter_policy={"dead_letter_topic": LETTERS})
    await bench.publisher.create_topic(name=LETTERS)
    for attempts in (4, 101):
        policy = {"dead_letter_topic": LETTERS, "max_delivery_attempts": attempts}
        with pytest.raises(api_errors.InvalidArgument):
            await bench.subscribe("failing", dead_letter_policy=policy)


async def test_the_retry_policy_delays_a_message_longer_each_time(bench: Bench) -> None:
    backoff = {"minimum_backoff": {"seconds": 20}, "maximum_backoff": {"seconds": 60}}
    path = await bench.subscribe("backing-off", retry_policy=backoff)
    await bench.publish(b"one")
    for seconds in (20, 40, 60, 60):
        (received,) = await bench.pull(path)
        await give_back(bench, path, received.ack_id)
        bench.clock.advance(seconds / 2)
        assert await bench.pull(path) == []
        bench.clock.advance(seconds / 2)


async def test_a_seek_back_delivers_what_is_retained_again_and_a_seek_forward_drops_the_rest(bench: Bench) -> None:
    path = await bench.subscribe("retaining", retain_acked_messages=True)
    await bench.publish(b"one")
    bench.clock.advance(60)
    between = datetime.fromtimestamp(bench.clock.time() - 30, UTC)
    await bench.publish(b"two")
    received = await pulled(bench, path)
    await acknowledge(bench, path, *received.values())
    assert await pulled(bench, path) == {}
    await bench.subscriber.seek(request={"subscription": path, "time": between})
    assert list(await pulled(bench, path)) == [b"two"]
    later = datetime.fromtimestamp(bench.clock.time() + 1, UTC)
    await bench.subscriber.seek(request={"subscription": path, "time": later})
    bench.clock.advance(60)
    assert await pulled(bench, path) == {}


async def test_what_nobody_took_is_dropped_after_seven_days(bench: Bench) -> None:
    path = await bench.subscribe("neglected")
    await bench.publish(b"one")
    bench.clock.advance(7 * 86_400 + 1)
    await bench.publish(b"two")
    assert list(await pulled(bench, path)) == [b"two"]


async def test_a_topic_that_keeps_messages_lets_its_subscriptions_seek_back(bench: Bench) -> None:
    path = await bench.subscribe("seeking")
    kept = {"topic": {"name": TOPIC, "message_retention_duration": {"seconds": 10 * 86_400}}}
    await bench.publisher.update_topic(request={**kept, "update_mask": {"paths": ["message_retention_duration"]}})
    since = datetime.fromtimestamp(bench.clock.time(), UTC)
    await bench.publish(b"acknowledged")
    await acknowledge(bench, path, *(await pulled(bench, path)).values())
    await bench.publish(b"neglected")
    bench.clock.advance(8 * 86_400)
    assert list(await pulled(bench, path)) == [b"neglected"]
    await bench.subscriber.seek(request={"subscription": path, "time": since})
    assert list(await pulled(bench, path)) == [b"acknowledged", b"neglected"]
    bench.clock.advance(2 * 86_400)
    await bench.subscriber.seek(request={"subscription": path, "time": since})
    assert await pulled(bench, path) == {}


async def test_an_acknowledged_message_is_kept_only_as_long_as_its_topic_keeps_it(bench: Bench) -> None:
    path = await bench.subscribe("seeking")
    kept = {"name": TOPIC, "message_retention_duration": {"seconds": 600}}
    await bench.publisher.update_topic(
        request={"topic": kept, "update_mask": {"paths": ["message_retention_duration"]}}
    )
    since = datetime.fromtimestamp(bench.clock.time(), UTC)
    await bench.publish(b"acknowledged")
    await acknowledge(bench, path, *(await pulled(bench, path)).values())
    await bench.publish(b"neglected")
    bench.clock.advance(86_400)
    await bench.subscriber.seek(request={"subscription": path, "time": since})
    assert list(await pulled(bench, path)) == [b"neglected"]


async def test_a_dead_letter_is_retained_like_an_acknowledged_message(bench: Bench) -> None:
    await bench.publisher.create_topic(name=LETTERS)
    policy = {"dead_letter_topic": LETTERS}
    path = await bench.subscribe("failing", dead_letter_policy=policy, retain_acked_messages=True)
    since = datetime.fromtimestamp(bench.clock.time(), UTC)
    await bench.publish(b"one")
    for _ in range(5):
        await give_back(bench, path, *(await pulled(bench, path)).values())
    assert await pulled(bench, path) == {}
    await bench.subscriber.seek(request={"subscription": path, "time": since})
    assert list(await pulled(bench, path)) == [b"one"]
