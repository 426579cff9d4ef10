"""What counts as lost, and that only what is lost is dispatched again."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from functions.sweep.open_tasks import ReadState, is_overdue, redrive, redrive_all
from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.budgets import Budgets
from shared.clock import MovableClock
from shared.cloud import tracing
from shared.cloud.firestore import Stored
from shared.cloud.keys import Keys
from shared.cloud.notes import Notes
from shared.cloud.reservations import Reservations
from shared.cloud.throttle import Pause, Throttle
from shared.cloud.totals import Totals
from shared.dependencies import SweepDeps
from shared.domain.errors import WaitingReason
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import Callback, Source, Task, new_task
from shared.settings import SweepSettings

GRACE = timedelta(seconds=120)
LEASE = timedelta(seconds=60)
DONE = Outcome(results=({"id": "chatcmpl-1"},))
OLD = datetime(2025, 1, 1, tzinfo=UTC)


def new(clock: MovableClock, age: timedelta = timedelta(0), name: str = "a.txt") -> Task:
    source = Source(kind="object", bucket="inbox", name=name, generation=1, size=3, created_at=OLD)
    return new_task(source, owner="inbox:inbox", model="m", now=clock.now() - age, keep=timedelta(days=30))


async def store(system: SweepDeps, task: Task) -> Stored:
    await system.tasks.create(task)
    stored = await system.tasks.get(task.id)
    assert stored is not None
    return stored


async def swept(system: SweepDeps, known: Stored) -> dict[str, int]:
    tally: Counter[str] = Counter()
    await redrive(system, known, tally)
    assert tally.pop("open_tasks") == 1
    return dict(tally)


async def test_what_is_late_by_less_than_the_grace_is_on_its_way(system: SweepDeps, clock: MovableClock) -> None:
    assert not is_overdue(system, new(clock, GRACE - timedelta(seconds=5)))
    assert is_overdue(system, new(clock, GRACE))


async def test_the_latest_of_all_moments_counts(system: SweepDeps, clock: MovableClock) -> None:
    old, now = new(clock, timedelta(days=3)), clock.now()
    due = {"dispatch_at": now + timedelta(hours=1)}
    leased = {"dispatch_at": None, "lease_until": now + LEASE}
    ended = {"dispatch_at": None, "lease_until": now - GRACE}
    assert is_overdue(system, old)
    assert not is_overdue(system, old.model_copy(update=due)), "it waits for its time"
    assert not is_overdue(system, old.model_copy(update=leased)), "somebody works on it"
    assert is_overdue(system, old.model_copy(update=ended)), "whoever worked on it is gone"
    assert not is_overdue(system, old.model_copy(update={"accepted_at": now})), "an old object, taken just now"


async def test_a_task_whose_dispatch_is_on_the_queue_is_left_alone(system: SweepDeps, clock: MovableClock) -> None:
    known = await store(system, new(clock, timedelta(hours=1)))
    await system.dispatches.enqueue(known.task, at=clock.now() + timedelta(hours=1))
    assert await swept(system, known) == {}
    assert await system.tasks.get(known.task.id) == known


async def test_a_lost_dispatch_is_put_again_under_the_next_epoch(system: SweepDeps, clock: MovableClock) -> None:
    known = await store(system, new(clock, timedelta(hours=1)))
    assert await swept(system, known) == {"dispatches_lost": 1}
    stored = await system.tasks.get(known.task.id)
    assert stored is not None
    assert stored.task.epoch == 1
    assert await system.dispatches.is_enqueued(stored.task)
    assert await swept(system, stored) == {}, "a second run finds nothing to do"


async def test_a_lease_that_ended_long_ago_is_redriven_whatever_is_on_the_queue(
    system: SweepDeps, clock: MovableClock
) -> None:
    """Its dispatch may be one that a sleeping holder never answers."""
    leased = claims.claim(new(clock, timedelta(hours=1)), now=clock.now() - timedelta(hours=1), lease=LEASE)
    known = await store(system, leased)
    await system.dispatches.enqueue(known.task)
    assert await swept(system, known) == {"leases_expired": 1}


async def test_after_work_that_nobody_finished_is_redriven(system: SweepDeps, clock: MovableClock) -> None:
    then = clock.now() - timedelta(hours=1)
    leased = claims.claim(new(clock, timedelta(hours=1)), now=then, lease=LEASE)
    known = await store(system, claims.finish(leased, 1, DONE, now=then))
    assert await swept(system, known) == {"after_work_unfinished": 1}


async def test_two_sweeps_at_once_redrive_a_task_once(system: SweepDeps, clock: MovableClock) -> None:
    known = await store(system, new(clock, timedelta(hours=1)))
    first, second = await swept(system, known), await swept(system, known)
    assert (first, second) == ({"dispatches_lost": 1}, {})


@pytest.mark.parametrize("change", ["claimed", "renewed", "put off", "closed"])
async def test_a_task_that_moved_on_since_it_was_listed_is_left_alone(
    change: str, system: SweepDeps, clock: MovableClock
) -> None:
    """Sweep lists hundreds at once; until it comes to one, somebody may have taken it up."""
    now, task = clock.now(), new(clock, timedelta(hours=1))
    leased = claims.claim(task, now=now - timedelta(hours=1), lease=LEASE)
    ended = claims.finish(leased, 1, DONE, now=now - timedelta(hours=1))
    known = await store(system, {"claimed": task, "closed": ended}.get(change, leased))

    def moved_on(current: Task) -> Task:
        match change:
            case "claimed":
                return claims.claim(current, now=now, lease=LEASE)
            case "renewed":
                return claims.renew(current, 1, now=now, lease=LEASE)
            case "put off":
                return claims.put_off(current, 1, now=now, until=now + LEASE, reason="rate_limited")
        return claims.tidy(current, current.after)

    moved = await system.tasks.change(known, moved_on)
    assert moved is not None
    assert await swept(system, known) == {}
    assert await system.tasks.get(task.id) == moved


async def run(system: SweepDeps, *, stop_at: float = math.inf, scheduled: bool = False) -> dict[str, int]:
    tally: Counter[str] = Counter()
    await redrive_all(system, tally, stop_at=stop_at, scheduled=scheduled)
    return dict(tally)


async def several(system: SweepDeps, clock: MovableClock, count: int) -> list[Task]:
    """Tasks whose dispatch was lost, in the order of their keys."""
    tasks = [new(clock, timedelta(hours=1), f"{number}.txt") for number in range(count)]
    for task in tasks:
        await system.tasks.create(task)
    return sorted(tasks, key=lambda task: task.key)


async def test_a_document_that_cannot_be_read_is_counted_and_those_behind_it_are_redriven(
    system: SweepDeps, clock: MovableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = await several(system, clock, 3)
    await system.tasks.client.collection("tasks").document(first.key).update({"progress": "much"})
    assert await run(system) == {"errors": 1, "open_tasks": 2, "dispatches_lost": 2}
    assert first.key in capsys.readouterr().out
    clock.advance(600)
    assert await run(system) == {"errors": 1, "open_tasks": 2}


async def test_a_task_that_cannot_be_redriven_is_counted_and_the_others_are(
    system: SweepDeps, clock: MovableClock, tap: Tap
) -> None:
    await several(system, clock, 3)
    tap.faults.add([Fault(service="queue", match="CreateTask", times=1, status=403)])
    assert await run(system) == {"errors": 1, "open_tasks": 3, "dispatches_lost": 2}
    clock.advance(600)
    assert await run(system) == {"open_tasks": 3, "dispatches_lost": 1}


async def test_a_run_whose_time_is_over_goes_on_behind_the_last_one(system: SweepDeps, clock: MovableClock) -> None:
    await several(system, clock, 3)
    for _ in range(3):
        assert await run(system, stop_at=-math.inf) == {"open_tasks": 1, "dispatches_lost": 1}
    assert await run(system) == {}, "whether that was the last one was not known"


async def test_a_query_that_breaks_off_keeps_its_place(
    system: SweepDeps, clock: MovableClock, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.cloud.firestore._PAGE", 2)
    await several(system, clock, 3)
    tap.faults.add([Fault(service="firestore", match="RunQuery", skip=1, times=1, status=403)])
    with pytest.raises(Exception, match="planted"):
        await run(system)
    assert await run(system) == {"open_tasks": 1, "dispatches_lost": 1}


async def test_the_schedule_rests_after_many_open_tasks_and_a_command_does_not(
    system: SweepDeps, clock: MovableClock
) -> None:
    """Each of them is read, and billed, every time."""
    await several(system, clock, 1)
    await system.notes.write("open_tasks", ReadState(read=200_000, done_at=clock.now()).model_dump())
    clock.advance(3600)
    assert await run(system, scheduled=True) == {}
    clock.advance(3700)
    assert (await run(system, scheduled=True))["open_tasks"] == 1
    clock.advance(1)
    assert (await run(system, scheduled=True))["open_tasks"] == 1, "after few it hardly rests"
    await system.notes.write("open_tasks", ReadState(read=200_000, done_at=clock.now()).model_dump())
    assert (await run(system))["open_tasks"] == 1


async def test_a_name_that_a_dead_holder_took_for_later_is_passed_over(system: SweepDeps, clock: MovableClock) -> None:
    known = await store(system, new(clock, timedelta(hours=1)))
    assert await system.dispatches.enqueue(known.task, epoch=1, at=clock.now() + timedelta(hours=20))
    assert await swept(system, known) == {"dispatches_lost": 1}
    stored = await system.tasks.get(known.task.id)
    assert stored is not None
    assert stored.task.epoch == 2
    assert await system.dispatches.is_enqueued(stored.task)


async def called_back_never(system: SweepDeps, clock: MovableClock) -> Stored:
    then = clock.now() - timedelta(hours=1)
    task = new(clock, timedelta(hours=1)).model_copy(update={"callback": Callback(url="https://example.org/hook")})
    ended = claims.finish(claims.claim(task, now=then, lease=LEASE), 1, DONE, now=then)
    return await store(system, claims.tidy(ended, ended.after))


async def test_a_callback_whose_notice_was_lost_gets_another(system: SweepDeps, clock: MovableClock) -> None:
    known = await called_back_never(system, clock)
    assert await run(system) == {"open_tasks": 1, "after_work_unfinished": 1}
    assert system.callbacks is not None
    assert await system.callbacks.has_dispatch(f"{known.task.key}-callback-1")
    clock.advance(600)
    assert await run(system) == {"open_tasks": 1}, "it is on the queue"


async def test_a_callback_whose_notice_is_on_the_queue_is_left_alone(system: SweepDeps, clock: MovableClock) -> None:
    known = await called_back_never(system, clock)
    assert system.callbacks is not None
    await system.callbacks.enqueue(f"{known.task.key}-callback", {"task": known.task.id})
    assert await run(system) == {"open_tasks": 1}
    assert await system.tasks.get(known.task.id) == known


@pytest.mark.parametrize("state", ["delivered", "refused"])
async def test_a_callback_that_is_settled_closes_its_task(state: str, system: SweepDeps, clock: MovableClock) -> None:
    known = await called_back_never(system, clock)
    callback = Callback.model_validate({"url": "https://example.org/hook", "state": state})
    assert await system.tasks.change(known, lambda task: claims.record_callback(task, callback))
    assert await run(system) == {}


async def test_where_nobody_can_be_called_back_the_task_says_so(system: SweepDeps, clock: MovableClock) -> None:
    known = await called_back_never(system, clock)
    await run(replace(system, callbacks=None))
    stored = await system.tasks.get(known.task.id)
    assert stored is not None
    assert stored.task.callback is not None
    assert (stored.task.callback.state, stored.task.open) == ("unreachable", False)


@pytest.mark.parametrize("reason", ["paused", "budget"])
async def test_a_task_whose_pause_or_budget_is_over_is_woken_and_another_is_left(
    system: SweepDeps, clock: MovableClock, reason: WaitingReason
) -> None:
    client = system.tasks.client
    throttle = Throttle(Notes(client, "throttle"), clock)
    totals, reservations = Totals(client), Reservations(client)
    budgets = Budgets(system.settings, clock, totals, reservations, Keys(client, clock).daily_budget)
    deps = replace(system, throttle=throttle, budgets=budgets)
    # A task is woken once a minute by the clock.
    clock.advance(60 - clock.time() % 60)
    waiting = claims.keep_waiting(
        new(clock), now=clock.now(), until=clock.now() + timedelta(hours=1), reason=reason, detail="wait"
    )
    known = await store(deps, waiting)
    if reason == "paused":
        await throttle.set_pause("inbox:inbox", Pause(clock.now(), "key:operator"))
        assert await swept(deps, known) == {}
        await throttle.set_pause("inbox:inbox", None)
    assert await swept(deps, known) == {"woken": 1}
    assert await swept(deps, known) == {"woken": 0}, "it has been woken this minute"


async def test_what_sweep_does_for_a_task_is_in_the_tasks_trace(
    system: SweepDeps, clock: MovableClock, settings: SweepSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    tracing.start_tracing("sweep", settings.model_copy(update={"traces": "console"}))
    try:
        traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
        lost = new(clock, GRACE).model_copy(update={"trace": traceparent})
        known = await store(system, lost)
        with tracing.span("sweep"):
            assert await swept(system, known) == {"dispatches_lost": 1}
    finally:
        tracing.stop_tracing()
    spans = {span["span"]: span for span in map(json.loads, capsys.readouterr().out.splitlines()) if "span" in span}
    assert (spans["redrive"]["trace_id"], spans["redrive"]["parent_id"]) == ("a" * 32, "b" * 16)
    assert spans["redrive"]["task"] == lost.id
    assert spans["sweep"]["trace_id"] != "a" * 32
