"""However large an inbox is, every object that came in is looked at once, in as many runs as that takes."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import replace

import pytest

from functions.sweep.bucket_scan import ScanState
from functions.sweep.lost_objects import backfill, take_lost_objects
from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.dependencies import SweepDeps
from shared.settings import Inbox

_OBJECTS = 250
_NO_TIME = -math.inf


async def fill(system: SweepDeps, count: int) -> None:
    names = [f"{number:04d}.txt" for number in range(count)]
    await asyncio.gather(*(system.storage.write("inbox", name, b"x", "text/plain") for name in names))


async def swept(
    system: SweepDeps, bucket: str = "inbox", *, stop_at: float = math.inf, scheduled: bool = False
) -> dict[str, int]:
    tally: Counter[str] = Counter()
    await take_lost_objects(system, bucket, tally, stop_at=stop_at, scheduled=scheduled)
    return {name: count for name, count in tally.items() if count}


async def scan_state(system: SweepDeps) -> ScanState:
    return ScanState.model_validate(await system.notes.read("inbox"))


@pytest.mark.long
async def test_a_run_that_has_no_time_left_goes_on_where_it_stopped(system: SweepDeps, clock: MovableClock) -> None:
    await fill(system, _OBJECTS)
    clock.advance(600)
    runs = [await swept(system, stop_at=_NO_TIME) for _ in range(3)]
    assert [run["objects_without_task"] for run in runs[:2]] == [100, 100]
    assert (await scan_state(system)).after == "0249.txt", "whether that was the last one is not known yet"
    assert runs[2]["objects_without_task"] == 50
    assert await swept(system) == {}
    assert (await scan_state(system)).after == ""
    assert len([stored async for stored in system.tasks.open_tasks()]) == _OBJECTS


async def test_what_comes_in_during_a_pass_is_seen_to_by_the_next(system: SweepDeps, clock: MovableClock) -> None:
    await fill(system, 120)
    clock.advance(600)
    await swept(system, stop_at=_NO_TIME)
    await system.storage.write("inbox", "0000-came-late.txt", b"x", "text/plain")
    clock.advance(600)
    assert (await swept(system))["objects_without_task"] == 20
    assert await swept(system) == {"objects_checked": 1, "objects_without_task": 1}
    assert (await swept(system)).get("objects_without_task") is None


async def test_the_schedule_rests_after_a_large_listing_and_a_command_does_not(
    system: SweepDeps, clock: MovableClock
) -> None:
    await fill(system, 3)
    clock.advance(600)
    listed = ScanState(seen_until=clock.now(), listed=1_000_000)
    await system.notes.write("inbox", listed.model_dump())
    await system.storage.write("inbox", "lost.txt", b"x", "text/plain")
    clock.advance(600)
    assert await swept(system, scheduled=True) == {}
    assert (await swept(system))["objects_without_task"] >= 1
    assert (await scan_state(system)).listed == 4


async def test_no_rest_is_as_long_as_the_horizon(system: SweepDeps, clock: MovableClock) -> None:
    await system.notes.write("inbox", ScanState(seen_until=clock.now(), done_at=clock.now(), listed=10**9).model_dump())
    clock.advance(13 * 3600)
    await fill(system, 1)
    clock.advance(600)
    assert await swept(system, scheduled=True) == {"objects_checked": 1, "objects_without_task": 1}


async def test_a_pass_that_took_longer_than_the_horizon_leaves_no_hole(system: SweepDeps, clock: MovableClock) -> None:
    began = clock.now()
    await fill(system, 1)
    clock.advance(60 * 3600)
    await system.notes.write("inbox", ScanState(seen_until=began, done_at=clock.now(), listed=1).model_dump())
    clock.advance(60)
    assert await swept(system) == {"objects_checked": 1, "objects_without_task": 1}


async def test_what_came_in_while_sweep_was_off_for_long_is_left_to_backfill(
    system: SweepDeps, clock: MovableClock
) -> None:
    began = clock.now()
    await system.notes.write("inbox", ScanState(seen_until=began, done_at=began, listed=1).model_dump())
    await fill(system, 1)
    clock.advance(60 * 3600)
    assert await swept(system) == {}


async def test_a_long_pass_never_takes_what_may_have_had_a_task_that_expired(
    system: SweepDeps, clock: MovableClock
) -> None:
    began = clock.now()
    await fill(system, 1)
    clock.advance(3600)
    under_way = ScanState(seen_until=began, since=began, until=clock.now())
    await system.notes.write("inbox", under_way.model_dump())
    clock.advance(30 * 86_400)
    assert await swept(system) == {}


async def test_an_object_that_cannot_be_taken_stops_none_and_is_tried_again(
    system: SweepDeps, clock: MovableClock, tap: Tap
) -> None:
    await fill(system, 5)
    clock.advance(600)
    tap.faults.add([Fault(service="firestore", match="Commit", skip=1, times=1, status=403)])
    assert await swept(system) == {"objects_checked": 5, "objects_without_task": 4, "errors": 1}
    clock.advance(600)
    assert (await swept(system))["objects_without_task"] == 1
    clock.advance(600)
    assert await swept(system) == {}


async def test_what_never_can_be_taken_is_given_up_at_the_horizon(
    system: SweepDeps, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(source: object) -> None:
        raise RecursionError

    await fill(system, 1)
    monkeypatch.setattr(system.intake, "take", refuse)
    for hours, errors in ((1, 1), (46, 1), (2, 1), (1, None)):
        clock.advance(hours * 3600)
        assert (await swept(system)).get("errors") == errors, f"{hours} hours later"


async def test_an_error_in_between_keeps_the_place(system: SweepDeps, clock: MovableClock, tap: Tap) -> None:
    await fill(system, 150)
    clock.advance(600)
    tap.faults.add([Fault(service="firestore", match="BatchGetDocuments", skip=3, times=1, status=403)])
    with pytest.raises(Exception, match="planted"):
        await swept(system)
    assert (await scan_state(system)).after == "0099.txt"
    assert await swept(system) == {"objects_checked": 50, "objects_without_task": 50}


async def test_failures_that_take_all_the_time_lose_nothing(system: SweepDeps, clock: MovableClock, tap: Tap) -> None:
    await fill(system, 5)
    clock.advance(600)
    tap.faults.add([Fault(service="firestore", match="Commit", skip=1, times=1, status=403)])
    assert await swept(system, stop_at=_NO_TIME) == {"objects_checked": 5, "errors": 1}
    assert await swept(system) == {}
    clock.advance(600)
    assert (await swept(system))["objects_without_task"] == 5


async def test_a_task_that_cannot_be_read_is_a_task(system: SweepDeps, clock: MovableClock) -> None:
    await fill(system, 1)
    clock.advance(600)
    await swept(system)
    async for snapshot in system.tasks.client.collection("tasks").stream():
        await snapshot.reference.update({"progress": "much"})
    await system.notes.write("inbox", ScanState(seen_until=system.settings.installed_at).model_dump())
    clock.advance(600)
    assert await swept(system) == {"objects_checked": 1}


async def test_an_inbox_that_was_added_later_takes_only_what_comes_from_then_on(
    system: SweepDeps, clock: MovableClock
) -> None:
    await swept(system)
    for name in ("old.txt", "older.txt"):
        await system.storage.write("other", name, b"x", "text/plain")
    clock.advance(600)
    settings = system.settings.model_copy(update={"inboxes": {"inbox": Inbox(), "other": Inbox()}})
    adopted = replace(system, settings=settings)
    assert await swept(adopted, "other") == {}
    await system.storage.write("other", "new.txt", b"x", "text/plain")
    clock.advance(600)
    assert (await swept(adopted, "other"))["objects_checked"] == 1


async def test_an_inbox_that_was_given_up_and_taken_again_is_a_new_one(system: SweepDeps, clock: MovableClock) -> None:
    both = replace(
        system, settings=system.settings.model_copy(update={"inboxes": {"inbox": Inbox(), "other": Inbox()}})
    )
    await swept(both, "other")
    clock.advance(600)
    await swept(system)
    await system.storage.write("other", "meanwhile.txt", b"x", "text/plain")
    clock.advance(600)
    assert await swept(both, "other") == {}
    assert await swept(both, "other") == {}


async def test_backfill_goes_on_past_what_cannot_be_taken_and_counts_it(
    system: SweepDeps, clock: MovableClock, tap: Tap
) -> None:
    await fill(system, 3)
    tap.faults.add([Fault(service="firestore", match="Commit", times=1, status=403)])
    tally: Counter[str] = Counter()
    assert await backfill(system, "inbox", "", after="", dry_run=False, tally=tally, stop_at=math.inf) is None
    assert (tally["without_task"], tally["errors"]) == (3, 1)
    assert len([stored async for stored in system.tasks.open_tasks()]) == 2
