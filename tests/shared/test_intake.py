"""Objects become tasks once, under the guards against storms, through the real clients of Firestore and Cloud Tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.standins.cloud_tasks import QueueSpec, QueueStandIn
from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.firestore import Stored, Tasks
from shared.cloud.queue import Dispatches, Queue
from shared.daily_limits import inbox_day
from shared.domain.tasks import claims
from shared.domain.tasks.task import Source, Task, derive_id, new_task
from shared.intake import Intake, Overwrites, ignore_reason
from shared.settings import Inbox, Settings

ROOT = Path(__file__).parents[2]
QUEUE = "projects/test/locations/here/queues/work"
CAP = 5


@pytest.fixture
async def dispatches(clock: MovableClock, tap: Tap) -> AsyncIterator[Dispatches]:
    """On a queue that calls nobody: it is paused."""
    stand_in = QueueStandIn(clock=clock, data=None, tap=tap, sign=lambda email, audience: "", queues=[QueueSpec(QUEUE)])
    endpoint = f"127.0.0.1:{await stand_in.start()}"
    queue = Queue(path=QUEUE, url="http://127.0.0.1:9/", invoker="i@test", endpoint=endpoint)
    client: Any = queue._client
    await client.pause_queue(name=QUEUE)
    yield Dispatches(queue)
    await client.transport.close()
    await stand_in.stop()


@pytest.fixture
def settings() -> Settings:
    inbox = Inbox(daily_cap=CAP, prefixes=("in/", "also/"), ignore=("*.bak",))
    return Settings(
        project="test", inboxes={"inbox": inbox, "other": Inbox()}, requests_bucket="requests", results_bucket="results"
    )


@pytest.fixture
def intake(settings: Settings, clock: MovableClock, tasks: Tasks, dispatches: Dispatches) -> Intake:
    return Intake(settings, clock, tasks, dispatches, settle_seconds=10)


def source(clock: MovableClock, name: str = "in/a.txt", generation: int = 1, bucket: str = "inbox") -> Source:
    now = clock.now()
    return Source(kind="object", bucket=bucket, name=name, generation=generation, size=3, created_at=now)


async def every(tasks: Tasks) -> list[Task]:
    return [stored.task async for stored in tasks.open_tasks() if isinstance(stored, Stored)]


async def test_however_often_and_at_once_an_event_comes_there_is_one_task_and_one_dispatch(
    intake: Intake, tasks: Tasks, clock: MovableClock, tap: Tap
) -> None:
    dropped = source(clock)
    taken = await asyncio.gather(*(intake.take(dropped) for _ in range(8)))
    assert len({task.id for task in taken}) == 1
    (task,) = await every(tasks)
    assert (task.source, task.owner, task.status, task.waiting) == (dropped, "inbox:inbox", "pending", None)
    created = [str(call["status"]) for call in tap.ledger.calls("queue") if str(call["path"]).endswith("CreateTask")]
    assert sorted(created) == ["ALREADY_EXISTS"] * 7 + ["OK"]


async def test_a_late_duplicate_leaves_an_ended_task_alone(
    intake: Intake, tasks: Tasks, clock: MovableClock, tap: Tap
) -> None:
    dropped = source(clock)
    task = await intake.take(dropped)
    stored = await tasks.get(task.id)
    assert stored is not None
    await tasks.change(stored, lambda current: claims.cancel(current, now=clock.now()))
    calls = len(tap.ledger.calls("queue"))
    again = await intake.take(dropped)
    assert (again.id, again.status) == (task.id, "failed")
    assert len(tap.ledger.calls("queue")) == calls


async def test_an_id_that_another_object_took_is_salted(intake: Intake, tasks: Tasks, clock: MovableClock) -> None:
    dropped = source(clock)
    squatters = []
    for salt in range(2):
        taken = derive_id(dropped.bucket, dropped.name, dropped.generation, dropped.created_at, salt)
        other = source(clock, f"in/other-{salt}.txt")
        squatters.append(
            new_task(other, owner="o", model="m", now=clock.now(), keep=timedelta(days=1), task_id=taken)
        )  # fmt: skip
        assert await tasks.create(squatters[-1])
    task = await intake.take(dropped)
    assert task.id == derive_id(dropped.bucket, dropped.name, dropped.generation, dropped.created_at, 2)
    assert (await intake.take(dropped)).id == task.id
    for squatter in squatters:
        found = await tasks.get(squatter.id)
        assert found is not None
        assert found.task.source == squatter.source


async def test_no_day_has_more_tasks_than_the_cap_however_many_come_at_once(
    intake: Intake, tasks: Tasks, clock: MovableClock
) -> None:
    taken = await asyncio.gather(*(intake.take(source(clock, f"in/{number}.txt")) for number in range(3 * CAP + 1)))
    today = clock.now().date()
    days = [inbox_day("inbox", today + timedelta(days=ahead)) for ahead in range(4)]
    assert [await tasks.count_of_day(day) for day in days] == [CAP, CAP, CAP, 1]
    for task in taken:
        later = task.inbox_day != days[0]
        assert (task.waiting is not None) == later
        if task.waiting is not None:
            start = datetime.fromisoformat(task.inbox_day.split("/")[1]).replace(tzinfo=UTC)
            assert (task.waiting.reason, task.waiting.until, task.dispatch_at) == ("inbox_cap", start, start)


async def test_what_waits_for_weeks_is_kept_for_as_long_after_and_dispatched_within_the_queues_horizon(
    intake: Intake, clock: MovableClock
) -> None:
    for number in range(31 * CAP + 1):
        last = await intake.take(source(clock, f"in/{number}.txt"))
    assert last.waiting is not None
    assert last.dispatch_at is not None
    now, admitted = clock.now(), last.waiting.until
    assert admitted - now > timedelta(days=30)
    assert timedelta(days=28) < last.dispatch_at - now < timedelta(days=30)
    assert last.accepted_at == admitted, "its age does not count before"
    assert last.expires_at - admitted == timedelta(days=30)


async def test_an_inbox_that_is_full_keeps_no_other_from_its_work(intake: Intake, clock: MovableClock) -> None:
    for number in range(CAP + 1):
        last = await intake.take(source(clock, f"in/{number}.txt"))
    assert last.waiting is not None
    assert (await intake.take(source(clock, bucket="other"))).waiting is None


async def test_duplicates_take_no_place_under_the_cap(intake: Intake, clock: MovableClock) -> None:
    dropped = source(clock)
    for _ in range(3 * CAP):
        await intake.take(dropped)
    others = [await intake.take(source(clock, f"in/{number}.txt")) for number in range(CAP - 1)]
    assert [task.waiting for task in others] == [None] * (CAP - 1)


async def test_a_task_whose_dispatch_was_not_put_gets_it_with_the_next_delivery(
    intake: Intake, tasks: Tasks, clock: MovableClock, tap: Tap, dispatches: Dispatches
) -> None:
    dropped = source(clock)
    tap.faults.add([Fault(service="queue", match="CreateTask", times=1, status=403)])
    with pytest.raises(Exception, match="planted"):
        await intake.take(dropped)
    (task,) = await every(tasks)
    assert not await dispatches.is_enqueued(task)
    await intake.take(dropped)
    assert await dispatches.is_enqueued(task)


async def test_an_object_that_is_overwritten_within_a_minute_is_left_to_settle(
    intake: Intake, clock: MovableClock
) -> None:
    first = await intake.take(source(clock))
    clock.advance(30)
    dropped = source(clock, generation=2)
    second = await intake.take(dropped)
    assert first.waiting is None
    assert second.waiting is not None
    assert second.waiting.reason == "overwritten"
    assert second.waiting.until == second.dispatch_at == dropped.created_at + timedelta(seconds=10)
    clock.advance(61)
    assert (await intake.take(source(clock, generation=3))).waiting is None


def test_another_name_and_the_same_generation_need_not_settle(clock: MovableClock) -> None:
    seen = Overwrites(10)
    dropped = source(clock)
    assert seen.settle_until(dropped) is None
    assert seen.settle_until(dropped) is None
    assert seen.settle_until(source(clock, "in/b.txt", generation=2)) is None
    assert seen.settle_until(source(clock, generation=2, bucket="other")) is None


def test_only_so_many_names_are_remembered_the_longest_unseen_is_forgotten(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.intake._NAMES_REMEMBERED", 3)
    seen = Overwrites(10)
    for name in ("a", "b", "c", "a", "d"):
        seen.settle_until(source(clock, name))
    assert [name for name in "abcd" if ("inbox", name) in seen._latest] == ["a", "c", "d"]
    assert seen.settle_until(source(clock, "a", generation=2)) is not None


@pytest.mark.parametrize(
    ("bucket", "name", "size", "why"),
    [
        ("inbox", "in/a.txt", 3, None),
        ("inbox", "also/", 3, None),
        ("other", "anything", 0, None),
        ("inbox", "out/a.txt", 3, "no prefix of the inbox matches: in/, also/"),
        ("results", "in/a.txt", 3, "the bucket results is not an inbox"),
        ("inbox", "in/folder/", 0, "it is a folder's placeholder"),
        ("inbox", "in/.DS_Store", 3, "a tool put it down for itself, by its name"),
        ("inbox", "in/old.bak", 3, "the inbox ignores *.bak"),
    ],
)
def test_what_is_no_tasks_source_is_kept_out_with_a_reason(
    bucket: str, name: str, size: int, why: str | None, settings: Settings, clock: MovableClock
) -> None:
    found = source(clock, name, bucket=bucket).model_copy(update={"size": size})
    assert ignore_reason(found, settings) == why
