"""Every ended task's event arrives, whatever happens on the way; none for a task that did not end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.layout import TOPIC
from tests.chaos.promises import assert_each_object_has_one_completed_task, settle
from tests.running import Running, until

# It lets a test look without waiting.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")
SUBSCRIPTION = "projects/dropsight-local/subscriptions/everything"
_FILES = 1000
_KILLS = 3


@contextmanager
def subscribed(system: Running) -> Iterator[Any]:
    channel = grpc.insecure_channel(system.endpoints.pubsub)
    client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
    client.create_subscription(request={"name": SUBSCRIPTION, "topic": TOPIC})
    yield client
    channel.close()


def pull_all(subscriber: Any) -> list[Any]:
    messages: list[Any] = []
    request = {"subscription": SUBSCRIPTION, "max_messages": 1000, "return_immediately": True}
    while received := list(subscriber.pull(request=request).received_messages):
        subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[one.ack_id for one in received])
        messages += [one.message for one in received]
    return messages


def test_every_event_arrives_though_pubsub_refuses_every_third_and_generate_is_killed(system: Running) -> None:
    system.fault("pubsub", "Publish", every=3, status=429)
    system.fault("pubsub", "Publish", every=100, drop="after")
    names = [f"many/{number}.txt" for number in range(_FILES)]
    with subscribed(system) as subscriber:
        uris = system.drop_many(names, lambda name: f"The text of {name}.\n".encode())
        for number in range(1, _KILLS + 1):
            some = number * _FILES // (2 * _KILLS)
            until(
                lambda some=some: len(system.calls("pubsub", "Publish")) >= some,  # type: ignore[misc]
                240,
                lambda: f"{system.states()}",
            )
            ended = {document["id"] for document in system.documents() if document["completed_at"]}
            assert len(ended) < _FILES, "the kill comes while tasks are under way"
            system.control("POST", "/kill", {"function": "generate"})
        settle(system, _FILES, seconds=400)
        messages = pull_all(subscriber)
    assert_each_object_has_one_completed_task(system, uris)
    documents = {document["id"]: document for document in system.documents()}
    assert {message.attributes["ce-id"] for message in messages} == documents.keys()
    assert {message.attributes["ce-type"] for message in messages} == {"dropsight.task.completed"}
