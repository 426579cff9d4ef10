"""When dispatches leave: schedule times, rate, concurrency, backoff, pushback."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from google.api_core.exceptions import NotFound

from local.standins.cloud_tasks.pace import Pace, backoff, exhausted
from local.standins.cloud_tasks.spec import QueueSpec
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from tests.local.standins.cloud_tasks.conftest import QUEUE, Make, Target, task, until


def test_backoff_doubles_then_grows_linearly_as_documented() -> None:
    config = QueueSpec(QUEUE, min_backoff=10, max_backoff=300, max_doublings=3).message().retry_config
    assert [backoff(config, failures) for failures in range(1, 9)] == [10, 20, 40, 80, 160, 240, 300, 300]


def test_backoff_without_doublings_grows_by_the_shortest_wait() -> None:
    config = QueueSpec(QUEUE, min_backoff=1, max_backoff=4, max_doublings=0).message().retry_config
    assert [backoff(config, failures) for failures in range(1, 6)] == [1, 2, 3, 4, 4]


@pytest.mark.parametrize(
    ("attempts", "seconds", "after", "age", "given_up"),
    [
        (3, 0, 2, 1e6, False),
        (3, 0, 3, 0, True),
        (3, 60, 3, 59, False),
        (3, 60, 2, 61, False),
        (3, 60, 3, 61, True),
        (-1, 60, 500, 59, False),
        (-1, 60, 1, 60, True),
        (-1, 0, 10_000, 1e9, False),
    ],
)
def test_a_task_is_given_up_only_when_both_limits_are_reached(
    attempts: int, seconds: float, after: int, age: float, given_up: bool
) -> None:
    config = QueueSpec(QUEUE, max_attempts=attempts, max_retry_duration=seconds).message().retry_config
    assert exhausted(config, after, age) is given_up


def test_the_bucket_lets_a_burst_go_and_then_the_rate() -> None:
    pace, now = Pace(rate=10, burst=5), 1_800_000_000.0
    left: list[float] = []
    while len(left) < 15:
        now = pace.ready_at(now)
        pace.take(now)
        left.append(round(now - 1_800_000_000.0, 2))
    assert left[:5] == [0] * 5
    assert left[5:] == [pytest.approx(0.1 * step, abs=0.02) for step in range(1, 11)]


def test_pushback_halves_the_rate_once_a_second_and_it_recovers() -> None:
    pace, now = Pace(rate=100, burst=20), 1_800_000_000.0
    pace.push_back(now)
    pace.push_back(now + 0.1)
    assert pace.share(now + 0.1) == pytest.approx(0.5, abs=0.01)
    for second in range(1, 20):
        pace.push_back(now + second)
    assert pace.share(now + 19) == pytest.approx(0.01, abs=0.002), "never below one a second"
    assert pace.share(now + 19 + 30) == pytest.approx(0.08, abs=0.02)
    assert pace.share(now + 19 + 100) == 1


async def test_a_scheduled_task_waits_for_its_time_even_if_the_clock_is_moved(
    make: Make, target: Target, clock: MovableClock
) -> None:
    bench = await make()
    due = clock.now() + timedelta(hours=6)
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1") | {"schedule_time": due})
    assert bench.standin.next_due() == pytest.approx(due.timestamp(), abs=0.001)
    assert bench.standin.idle()
    clock.advance(6 * 3600 - 60)
    await bench.client.get_task(name=f"{QUEUE}/tasks/t-1")
    assert target.deliveries == []
    clock.advance(60)
    [delivery] = await target.received(1)
    assert float(delivery.headers["x-cloudtasks-tasketa"]) == pytest.approx(due.timestamp(), abs=0.001)


async def test_a_task_that_becomes_due_earlier_does_not_wait_behind_a_later_one(
    make: Make, target: Target, clock: MovableClock
) -> None:
    bench = await make()
    for name, minutes in (("late", 60), ("early", 5)):
        when = {"schedule_time": clock.now() + timedelta(minutes=minutes)}
        await bench.client.create_task(parent=QUEUE, task=task(target.url, name) | when)
    clock.advance(301)
    [delivery] = await target.received(1)
    assert delivery.headers["x-cloudtasks-taskname"] == "early"


async def test_no_more_than_the_allowed_number_run_at_once(make: Make, target: Target) -> None:
    bench = await make(max_concurrent_dispatches=3)
    target.gate.clear()
    for _ in range(10):
        await bench.client.create_task(parent=QUEUE, task=task(target.url))
    await target.received(3)
    assert bench.standin.in_flight() == 3
    target.gate.set()
    await target.received(10)
    assert target.most_open == 3


async def test_the_rate_holds_dispatches_back_until_the_clock_brings_tokens(
    make: Make, target: Target, clock: MovableClock
) -> None:
    bench = await make(max_dispatches_per_second=0.01)
    burst = (await bench.client.get_queue(name=QUEUE)).rate_limits.max_burst_size
    for _ in range(burst + 3):
        await bench.client.create_task(parent=QUEUE, task=task(target.url))
    await target.received(burst)
    for step in range(1, 4):
        clock.advance(100)
        await target.received(burst + step)
        assert len(target.deliveries) == burst + step


async def test_backoff_is_waited_for_on_the_clock(make: Make, target: Target, clock: MovableClock) -> None:
    bench = await make(min_backoff=100, max_backoff=1000, max_doublings=5)
    target.answers["/go"] = [500]
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go", "t-1"))
    for attempt, wait in enumerate((100, 200, 400, 800, 1000), start=1):
        await target.received(attempt)
        await until(lambda: bench.standin.in_flight() == 0)
        assert bench.standin.next_due() == pytest.approx(clock.time() + wait, abs=5)
        clock.advance(wait)
    await target.received(6)


async def test_the_last_attempt_s_failure_removes_the_task(make: Make, target: Target) -> None:
    bench = await make(max_attempts=3, min_backoff=0.01)
    target.answers["/go"] = [500]
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go", "t-1"))
    await target.received(3)
    await until(bench.standin.idle)
    with pytest.raises(NotFound):
        await bench.client.get_task(name=f"{QUEUE}/tasks/t-1")


async def test_a_task_s_own_retry_settings_go_before_the_queue_s(make: Make, target: Target) -> None:
    bench = await make(max_attempts=100, min_backoff=3000)
    target.answers["/go"] = [500]
    own = {"retry_config": {"max_attempts": 2, "min_backoff": timedelta(milliseconds=10)}}
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go", "t-1") | own)
    await target.received(2)
    await until(lambda: bench.standin.in_flight() == 0)
    assert bench.standin.next_due() is None


async def test_retry_after_puts_the_next_attempt_off(make: Make, target: Target, clock: MovableClock) -> None:
    bench = await make(min_backoff=0.01)
    target.answers["/go"] = [503]
    target.headers["Retry-After"] = "120"
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go"))
    await target.received(1)
    await until(lambda: bench.standin.in_flight() == 0)
    assert bench.standin.next_due() == pytest.approx(clock.time() + 120, abs=5)


@pytest.mark.parametrize("status", [429, 503])
async def test_pushback_slows_the_whole_queue_down(
    make: Make, target: Target, clock: MovableClock, status: int
) -> None:
    bench = await make(max_dispatches_per_second=0.01, min_backoff=3000)
    target.answers["/busy"] = [status]
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/busy"))
    await target.received(1)
    await until(lambda: bench.standin.in_flight() == 0)
    for _ in range(3):
        await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go"))
    await target.received(2)
    await until(lambda: bench.standin.in_flight() == 0)
    assert len(target.deliveries) == 2, "of the burst of ten nine were left, and only one may go"
    clock.advance(101)
    await target.received(3)


async def test_a_paused_queue_holds_its_tasks_and_run_task_goes_ahead(make: Make, target: Target, tap: Tap) -> None:
    bench = await make()
    await bench.client.pause_queue(name=QUEUE)
    for name in ("a", "b"):
        await bench.client.create_task(parent=QUEUE, task=task(target.url, name))
    assert bench.standin.next_due() is None
    ran = await bench.client.run_task(name=f"{QUEUE}/tasks/b")
    assert ran.dispatch_count == 1
    [delivery] = await target.received(1)
    assert delivery.headers["x-cloudtasks-taskname"] == "b"
    await bench.client.resume_queue(name=QUEUE)
    await target.received(2)
    await until(bench.standin.idle)
    assert tap.ledger.stats()["queue"]["dispatches"] == 2


async def test_waiting_tasks_leave_in_order_of_their_times(make: Make, target: Target, clock: MovableClock) -> None:
    bench = await make(max_concurrent_dispatches=1)
    start = clock.now()
    await asyncio.gather(
        *(
            bench.client.create_task(
                parent=QUEUE, task=task(target.url, f"n-{n}") | {"schedule_time": start + timedelta(seconds=600 - n)}
            )
            for n in range(100)
        )
    )
    clock.advance(601)
    deliveries = await target.received(100)
    assert [delivery.headers["x-cloudtasks-taskname"] for delivery in deliveries] == [
        f"n-{n}" for n in reversed(range(100))
    ]
