"""What the service refuses, with the status that it refuses it with."""

from __future__ import annotations

import argparse
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as api_errors

from local.standins.pubsub import add_arguments
from tests.local.standins.pubsub.bench import TOPIC, Bench

# It lets a test look without waiting.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")
LETTERS = "projects/test/topics/letters"


async def sent(*requests: dict[str, Any]) -> AsyncIterator[Any]:
    for request in requests:
        yield request


async def test_a_deadline_of_a_message_may_be_shorter_than_a_subscriptions(bench: Bench) -> None:
    path = await bench.subscribe("hasty", ack_deadline_seconds=600)
    await bench.publish(b"one")
    (received,) = await bench.pull(path)
    request = {"subscription": path, "ack_ids": [received.ack_id]}
    await bench.subscriber.modify_ack_deadline(request={**request, "ack_deadline_seconds": 5})
    bench.clock.advance(5)
    assert len(await bench.pull(path)) == 1
    for seconds in (-1, 601):
        with pytest.raises(api_errors.InvalidArgument):
            await bench.subscriber.modify_ack_deadline(request={**request, "ack_deadline_seconds": seconds})


@pytest.mark.parametrize("seconds", [-1, 601])
async def test_a_stream_refuses_the_same_deadlines_of_messages(bench: Bench, seconds: int) -> None:
    path = await bench.subscribe("streamed")
    first = {"subscription": path, "stream_ack_deadline_seconds": 10}
    change = {"modify_deadline_ack_ids": ["a:1"], "modify_deadline_seconds": [seconds]}
    with pytest.raises(api_errors.InvalidArgument):
        async for _ in await bench.subscriber.streaming_pull(requests=sent(first, change)):
            pass


async def test_a_stream_without_a_request_is_refused(bench: Bench) -> None:
    with pytest.raises(api_errors.InvalidArgument, match="first request"):
        async for _ in await bench.subscriber.streaming_pull(requests=sent()):
            pass


@pytest.mark.parametrize("path", ["nope", "name", "labels.x.y", "labels.x", "message_storage_policy.nope", "state"])
async def test_an_update_of_what_a_topic_does_not_have_or_keeps_for_good_is_refused(bench: Bench, path: str) -> None:
    request = {"topic": {"name": TOPIC}, "update_mask": {"paths": [path]}}
    with pytest.raises(api_errors.InvalidArgument, match="update_mask"):
        await bench.publisher.update_topic(request=request)


@pytest.mark.parametrize("path", ["nope", "push_config.nope", "labels.x", "ack_deadline_seconds.x", "detached"])
async def test_an_update_of_what_a_subscription_does_not_have_or_keeps_for_good_is_refused(
    bench: Bench, path: str
) -> None:
    request = {"subscription": {"name": await bench.subscribe("fixed")}, "update_mask": {"paths": [path]}}
    with pytest.raises(api_errors.InvalidArgument, match="update_mask"):
        await bench.subscriber.update_subscription(request=request)


async def test_an_update_may_change_a_part_of_a_field(bench: Bench) -> None:
    backoff = {"minimum_backoff": {"seconds": 20}, "maximum_backoff": {"seconds": 60}}
    path = await bench.subscribe("changing", retry_policy=backoff)
    new = {"name": path, "retry_policy": {"minimum_backoff": {"seconds": 30}}}
    request = {"subscription": new, "update_mask": {"paths": ["retry_policy.minimum_backoff"]}}
    policy = (await bench.subscriber.update_subscription(request=request)).retry_policy
    assert (policy.minimum_backoff.seconds, policy.maximum_backoff.seconds) == (30, 60)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://localhost:nope/",
        "http://127.0.0.1:70000/",
        "http://example.com/",
        "http://localhost.example.com:80/",
        "https://",
        "https://[::1/",
        "https://example.com/\u20ac",
        "nope",
    ],
)
async def test_an_endpoint_that_nothing_can_be_sent_to_is_refused(bench: Bench, endpoint: str) -> None:
    with pytest.raises(api_errors.InvalidArgument, match="push endpoint"):
        await bench.subscribe("pushed", push_config={"push_endpoint": endpoint})


async def test_a_thousand_invalid_ack_ids_are_refused_and_some_of_them_named(bench: Bench) -> None:
    path = await bench.subscribe("once", enable_exactly_once_delivery=True)
    ack_ids = [f"{number:016d}:{number}" for number in range(1000)]
    with pytest.raises(api_errors.FailedPrecondition) as refused:
        await bench.subscriber.acknowledge(subscription=path, ack_ids=ack_ids)
    (info,) = refused.value.details
    assert set(info.metadata) < set(ack_ids)
    assert info.metadata


async def test_a_subscription_whose_dead_letter_topic_is_gone_can_be_changed(bench: Bench) -> None:
    await bench.publisher.create_topic(name=LETTERS)
    path = await bench.subscribe("failing", dead_letter_policy={"dead_letter_topic": LETTERS})
    await bench.publisher.delete_topic(topic=LETTERS)
    await bench.subscriber.modify_push_config(subscription=path, push_config={})
    new = {"name": path, "ack_deadline_seconds": 60, "dead_letter_policy": {"dead_letter_topic": LETTERS}}
    request = {"subscription": new, "update_mask": {"paths": ["ack_deadline_seconds"]}}
    assert (await bench.subscriber.update_subscription(request=request)).ack_deadline_seconds == 60
    for changed in ("dead_letter_policy", "dead_letter_policy.dead_letter_topic"):
        with pytest.raises(api_errors.NotFound):
            await bench.subscriber.update_subscription(
                request={"subscription": new, "update_mask": {"paths": [changed]}}
            )


async def test_a_subscription_cannot_be_made_detached(bench: Bench) -> None:
    path = await bench.subscribe("attached", detached=True)
    assert not (await bench.subscriber.get_subscription(subscription=path)).detached
    await bench.publish(b"one")
    assert len(await bench.pull(path)) == 1


@pytest.mark.parametrize("name", ["t", "google-things", "1st"])
async def test_the_refusal_of_a_name_tells_what_a_name_is(bench: Bench, name: str) -> None:
    with pytest.raises(api_errors.InvalidArgument, match=r"3 to 255 characters.*goog"):
        await bench.publisher.create_topic(name=f"projects/test/topics/{name}")


def test_the_command_in_the_documentation_names_a_topic_that_is_accepted() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    text = (Path(__file__).parents[4] / "docs" / "standins.md").read_text()
    (topic,) = re.findall(r"dropsight pubsub .*--topic (\S+)", text)
    assert parser.parse_args(["--topic", topic]).topic == [topic]
