"""Programs with google-cloud-pubsub's own publisher and subscriber, which batch, extend deadlines and reconnect."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.cloud import pubsub_v1  # type: ignore[attr-defined,unused-ignore]
from google.cloud.pubsub_v1.subscriber.exceptions import AcknowledgeStatus

from tests.local.standins.pubsub.bench import TOPIC, Bench

# It lets a test look without waiting.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")
MESSAGES = 1000
_WAIT_SECONDS = 60


class Program:
    """A publisher and subscribers of one process. Its methods block: call them in a thread."""

    def __init__(self) -> None:
        ordering = pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
        self.publisher = pubsub_v1.PublisherClient(publisher_options=ordering)

    def publish(self, data: list[bytes], key: str = "") -> None:
        futures = [self.publisher.publish(TOPIC, one, ordering_key=key) for one in data]
        for future in futures:
            future.result(timeout=_WAIT_SECONDS)

    def receive(self, path: str, callback: Callable[[Any], bool]) -> None:
        """Subscribe until the callback says that it has enough; then close."""
        enough = threading.Event()

        def called(message: Any) -> None:
            if callback(message):
                enough.set()

        flow = pubsub_v1.types.FlowControl(max_messages=50)
        with pubsub_v1.SubscriberClient() as subscriber:
            pulling = subscriber.subscribe(path, called, flow_control=flow, await_callbacks_on_shutdown=True)
            assert enough.wait(_WAIT_SECONDS)
            pulling.cancel()
            pulling.result(timeout=_WAIT_SECONDS)

    def close(self) -> None:
        self.publisher.stop()


@pytest.fixture
def program(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", bench.endpoint)
    made = Program()
    yield made
    made.close()


async def test_a_subscriber_that_is_closed_in_the_middle_leaves_the_rest_to_the_next(
    bench: Bench, program: Program
) -> None:
    path = await bench.subscribe("thousand")
    published = {b"%d" % number for number in range(MESSAGES)}
    await asyncio.to_thread(program.publish, list(published))
    taken, lock = set[bytes](), threading.Lock()

    def take_half(message: Any) -> bool:
        with lock:
            if len(taken) < MESSAGES // 2:
                message.ack()
                taken.add(message.data)
            return len(taken) == MESSAGES // 2

    def take_all(message: Any) -> bool:
        with lock:
            message.ack()
            taken.add(message.data)
            return taken == published

    await asyncio.to_thread(program.receive, path, take_half)
    assert len(taken) == MESSAGES // 2
    # What the first one held without acknowledging it comes again once its deadline is over.
    bench.clock.advance(601)
    await asyncio.to_thread(program.receive, path, take_all)
    assert taken == published
    bench.clock.advance(601)
    assert await bench.pull(path) == []


async def test_a_program_gets_the_messages_of_a_key_in_their_order(bench: Bench, program: Program) -> None:
    path = await bench.subscribe("ordered", enable_message_ordering=True)
    published = [b"%d" % number for number in range(100)]
    received, given_back = list[bytes](), list[bytes]()

    def take(message: Any) -> bool:
        if message.data == b"50" and not given_back:
            given_back.append(message.data)
            message.nack()
        else:
            received.append(message.data)
            message.ack()
        return b"50" in received and received[-1] == b"99"

    await asyncio.to_thread(program.publish, published, "key")
    await asyncio.to_thread(program.receive, path, take)
    # From the message that was given back on, the rest of its key comes again.
    assert received[:50] == published[:50]
    assert received[received.index(b"50") :] == published[50:]


async def test_a_program_gets_more_than_one_answer_can_hold(bench: Bench, program: Program) -> None:
    path = await bench.subscribe("large")
    published = {b"%d" % number * 20_000 for number in range(10_000, 10_080)}
    taken = set[bytes]()

    def take(message: Any) -> bool:
        taken.add(message.data)
        message.ack()
        return taken == published

    await asyncio.to_thread(program.publish, list(published))
    await asyncio.to_thread(program.receive, path, take)
    assert taken == published


async def test_a_program_with_exactly_once_delivery_learns_that_its_acks_are_taken(
    bench: Bench, program: Program
) -> None:
    path = await bench.subscribe("once", enable_exactly_once_delivery=True)
    acks = list[Any]()

    def take(message: Any) -> bool:
        acks.append(message.ack_with_response())
        return len(acks) == 20

    await asyncio.to_thread(program.publish, [b"%d" % number for number in range(20)])
    await asyncio.to_thread(program.receive, path, take)
    statuses = [await asyncio.to_thread(ack.result, _WAIT_SECONDS) for ack in acks]
    assert statuses == [AcknowledgeStatus.SUCCESS] * 20
