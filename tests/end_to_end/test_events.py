"""Every ended task's event arrives, whatever happens on the way; none for a task that did not end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.system import TOPIC
from tests.running import Running, until

# It lets a test look without waiting.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")
SUBSCRIPTION = "projects/dropsight-local/subscriptions/everything"


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with Running(DROPSIGHT_EVENTS_TOPIC=TOPIC, DROPSIGHT_LEASE_SECONDS="5") as running:
        yield running


@pytest.fixture(scope="module")
def subscriber(system: Running) -> Iterator[Any]:
    channel = grpc.insecure_channel(system.endpoints.pubsub)
    client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
    client.create_subscription(request={"name": SUBSCRIPTION, "topic": TOPIC})
    yield client
    channel.close()


def pulled(subscriber: Any) -> list[Any]:
    request = {"subscription": SUBSCRIPTION, "max_messages": 1000, "return_immediately": True}
    received = list(subscriber.pull(request=request).received_messages)
    if received:
        subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[each.ack_id for each in received])
    return [each.message for each in received]


def test_an_ended_task_is_told_with_its_results(system: Running, subscriber: Any) -> None:
    task = system.end_of(system.drop("told.txt", b"Some text.\n", "text/plain"))
    system.wait_for_documents(1)
    (message,) = pulled(subscriber)
    assert message.attributes["ce-id"] == task["id"]
    assert message.attributes["ce-type"] == "dropsight.task.completed"
    assert message.attributes["inbox"] == system.endpoints.inbox
    data = json.loads(message.data)
    assert data["results"][0]["choices"][0]["message"]["content"]
    assert data["outputs"], "the event goes out once the files are published"


def test_every_event_arrives_though_pubsub_refuses_and_generate_is_killed(system: Running, subscriber: Any) -> None:
    earlier = {document["id"] for document in system.documents()}
    for skip in range(2, 40, 3):
        system.fault("pubsub", "Publish", skip=skip, times=1, status=429)
    system.fault("pubsub", "Publish", skip=5, times=1, drop="after")
    names = [f"many/{number}.txt" for number in range(40)]
    system.drop_many(names, lambda name: f"The text of {name}.\n".encode())
    until(lambda: len(system.calls("pubsub", "Publish")) > 8, 60, lambda: f"{system.states()}")
    system.control("POST", "/kill", {"function": "generate"})
    seen: set[str] = set()

    def all_told() -> bool:
        seen.update(message.attributes["ce-id"] for message in pulled(subscriber))
        if system.open_documents():
            system.advance("2s")
        return len(system.documents()) == len(earlier) + 40 and not system.open_documents()

    until(all_told, 120, lambda: f"{system.states()}, {system.open_documents()} open")
    seen.update(message.attributes["ce-id"] for message in pulled(subscriber))
    ended = {document["id"] for document in system.documents()}
    assert seen == ended - earlier
