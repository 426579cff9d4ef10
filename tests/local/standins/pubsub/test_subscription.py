"""What a subscription does with many messages, and with one that fails for days."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from shared.clock import MovableClock
from tests.local.standins.pubsub.bench import message, subscription_with


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


def lines_run_by(call: Callable[[], object]) -> int:
    """Count the lines of Python that a call runs: its work, however slow the machine is."""
    lines, before = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def test_a_message_that_has_failed_more_than_a_thousand_times_is_delivered_again(clock: MovableClock) -> None:
    backoff = {"minimum_backoff": {"seconds": 1}, "maximum_backoff": {"seconds": 1}}
    subscription = subscription_with(clock, retry_policy=backoff)
    subscription.add(message(clock, 1))
    for number in range(1100):
        (leased,) = subscription.lease(1, 10)
        assert leased.attempt == number + 1
        subscription.modify_deadline([leased.ack_id], 0)
        clock.advance(2)


@pytest.mark.parametrize("settings", [{}, {"enable_message_ordering": True}, {"retain_acked_messages": True}])
def test_the_work_for_one_message_is_the_same_however_many_others_there_are(
    clock: MovableClock, settings: dict[str, bool]
) -> None:
    def work(others: int) -> int:
        """For a subscription with as many messages in each state, and one that is taken and acknowledged."""
        subscription = subscription_with(clock, **settings)
        for number in range(others * 3):
            subscription.add(message(clock, number, key=f"key {number % 7}"))
        taken = subscription.lease(others * 2, 600)
        subscription.acknowledge([leased.ack_id for leased in taken[:others]])
        subscription.add(message(clock, others * 3, key="another key"))

        def poll() -> None:
            subscription.take_undeliverable()
            for leased in subscription.lease(1):
                subscription.acknowledge([leased.ack_id])

        return lines_run_by(poll)

    assert work(200) <= work(20) + 20


def test_leases_end_at_their_times_in_whatever_order_they_began(clock: MovableClock) -> None:
    subscription = subscription_with(clock)
    for number in range(3):
        subscription.add(message(clock, number))
    for seconds in (300, 100, 200):
        subscription.lease(1, seconds)
    ends = list[bytes]()
    for _ in range(3):
        clock.advance(100)
        (leased,) = subscription.lease(3, 600)
        ends.append(leased.message.data)
    assert ends == [b"1", b"2", b"0"]


def test_a_lease_that_was_made_longer_does_not_end_at_its_first_deadline(clock: MovableClock) -> None:
    subscription = subscription_with(clock)
    subscription.add(message(clock, 1))
    (leased,) = subscription.lease(1, 100)
    subscription.modify_deadline([leased.ack_id], 500)
    clock.advance(150)
    assert subscription.lease(1) == []
    assert subscription.acknowledge([leased.ack_id]) == []


def test_what_has_become_too_old_does_not_hold_up_the_rest_of_its_key(clock: MovableClock) -> None:
    subscription = subscription_with(clock, enable_message_ordering=True, message_retention_duration={"seconds": 600})
    subscription.add(message(clock, 1, key="a"))
    subscription.lease(1, 600)
    clock.advance(300)
    subscription.add(message(clock, 2, key="a"))
    assert subscription.lease(1) == []
    clock.advance(300)
    assert [leased.message.data for leased in subscription.lease(2)] == [b"2"]
