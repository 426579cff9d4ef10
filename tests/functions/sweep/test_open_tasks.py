"""What counts as lost, and that only what is lost is put back on the road."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from functions.sweep.open_tasks import overdue, redrive
from shared.clock import MovableClock
from shared.cloud.firestore import Stored
from shared.domain import claims
from shared.domain.claims import Outcome
from shared.domain.task import Source, Task, new_task
from shared.wiring import Sweep

GRACE = timedelta(seconds=120)
LEASE = timedelta(seconds=60)
DONE = Outcome(results=({"id": "chatcmpl-1"},))
OLD = datetime(2025, 1, 1, tzinfo=UTC)


def made(clock: MovableClock, age: timedelta = timedelta(0)) -> Task:
    source = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=OLD)
    return new_task(source, owner="inbox:inbox", model="m", now=clock.now() - age, keep=timedelta(days=30))


async def stored(road: Sweep, task: Task) -> Stored:
    await road.tasks.create(task)
    found = await road.tasks.get(task.id)
    assert found is not None
    return found


async def swept(road: Sweep, known: Stored) -> dict[str, int]:
    found: Counter[str] = Counter()
    await redrive(road, known, found)
    assert found.pop("open_tasks") == 1
    return dict(found)


async def test_what_is_late_by_less_than_the_grace_is_on_its_way(road: Sweep, clock: MovableClock) -> None:
    assert not overdue(road, made(clock, GRACE - timedelta(seconds=5)))
    assert overdue(road, made(clock, GRACE))


async def test_the_latest_of_all_moments_counts(road: Sweep, clock: MovableClock) -> None:
    old, now = made(clock, timedelta(days=3)), clock.now()
    due = {"dispatch_at": now + timedelta(hours=1)}
    leased = {"dispatch_at": None, "lease_until": now + LEASE}
    ended = {"dispatch_at": None, "lease_until": now - GRACE}
    assert overdue(road, old)
    assert not overdue(road, old.model_copy(update=due)), "it waits for its time"
    assert not overdue(road, old.model_copy(update=leased)), "somebody works on it"
    assert overdue(road, old.model_copy(update=ended)), "whoever worked on it is gone"
    assert not overdue(road, old.model_copy(update={"accepted_at": now})), "an old object, taken just now"


async def test_a_task_whose_dispatch_is_on_the_queue_is_left_alone(road: Sweep, clock: MovableClock) -> None:
    known = await stored(road, made(clock, timedelta(hours=1)))
    await road.dispatches.put(known.task, at=clock.now() + timedelta(hours=1))
    assert await swept(road, known) == {}
    assert await road.tasks.get(known.task.id) == known


async def test_a_lost_dispatch_is_put_again_under_the_next_epoch(road: Sweep, clock: MovableClock) -> None:
    known = await stored(road, made(clock, timedelta(hours=1)))
    assert await swept(road, known) == {"dispatches_lost": 1}
    found = await road.tasks.get(known.task.id)
    assert found is not None
    assert found.task.epoch == 1
    assert await road.dispatches.waits(found.task)
    assert await swept(road, found) == {}, "a second run finds nothing to do"


async def test_a_lease_that_ended_long_ago_is_redriven_whatever_is_on_the_queue(
    road: Sweep, clock: MovableClock
) -> None:
    """Its dispatch may be one that a sleeping holder never answers."""
    held = claims.claim(made(clock, timedelta(hours=1)), now=clock.now() - timedelta(hours=1), lease=LEASE)
    known = await stored(road, held)
    await road.dispatches.put(known.task)
    assert await swept(road, known) == {"leases_expired": 1}


async def test_after_work_that_nobody_finished_is_redriven(road: Sweep, clock: MovableClock) -> None:
    then = clock.now() - timedelta(hours=1)
    held = claims.claim(made(clock, timedelta(hours=1)), now=then, lease=LEASE)
    known = await stored(road, claims.finish(held, 1, DONE, now=then))
    assert await swept(road, known) == {"after_work_unfinished": 1}


async def test_two_sweeps_at_once_redrive_a_task_once(road: Sweep, clock: MovableClock) -> None:
    known = await stored(road, made(clock, timedelta(hours=1)))
    first, second = await swept(road, known), await swept(road, known)
    assert (first, second) == ({"dispatches_lost": 1}, {})


@pytest.mark.parametrize("change", ["claimed", "renewed", "put off", "closed"])
async def test_a_task_that_moved_on_since_it_was_listed_is_left_alone(
    change: str, road: Sweep, clock: MovableClock
) -> None:
    """Sweep lists hundreds at once; until it comes to one, somebody may have taken it up."""
    now, task = clock.now(), made(clock, timedelta(hours=1))
    held = claims.claim(task, now=now - timedelta(hours=1), lease=LEASE)
    ended = claims.finish(held, 1, DONE, now=now - timedelta(hours=1))
    known = await stored(road, {"claimed": task, "closed": ended}.get(change, held))

    def moved_on(current: Task) -> Task:
        match change:
            case "claimed":
                return claims.claim(current, now=now, lease=LEASE)
            case "renewed":
                return claims.renew(current, 1, now=now, lease=LEASE)
            case "put off":
                return claims.put_off(current, 1, now=now, until=now + LEASE, reason="rate_limited")
        return claims.tidy(current, current.after)

    moved = await road.tasks.change(known, moved_on)
    assert moved is not None
    assert await swept(road, known) == {}
    assert await road.tasks.get(task.id) == moved
