"""However large an inbox is, every object that came in is looked at once, in as many runs as that takes."""

from __future__ import annotations

import asyncio
import math
from collections import Counter

from functions.sweep.lost_objects import take_lost
from functions.sweep.passes import Pass
from shared.clock import MovableClock
from shared.wiring import Sweep

_OBJECTS = 250
_NO_TIME = -math.inf


async def fill(road: Sweep, count: int) -> None:
    names = [f"{number:04d}.txt" for number in range(count)]
    await asyncio.gather(*(road.storage.write("inbox", name, b"x", "text/plain") for name in names))


async def swept(road: Sweep, *, stop_at: float = math.inf, scheduled: bool = False) -> dict[str, int]:
    found: Counter[str] = Counter()
    await take_lost(road, "inbox", found, stop_at=stop_at, scheduled=scheduled)
    return dict(found)


async def seen(road: Sweep) -> Pass:
    return Pass.model_validate(await road.notes.read("inbox"))


async def test_a_run_that_has_no_time_left_goes_on_where_it_stopped(road: Sweep, clock: MovableClock) -> None:
    await fill(road, _OBJECTS)
    clock.advance(600)
    runs = [await swept(road, stop_at=_NO_TIME) for _ in range(3)]
    assert [run["objects_without_task"] for run in runs[:2]] == [100, 100]
    assert (await seen(road)).after == "0249.txt", "whether that was the last one is not known yet"
    assert runs[2]["objects_without_task"] == 50
    assert await swept(road) == {}
    assert (await seen(road)).after == ""
    assert len([stored async for stored in road.tasks.open_tasks()]) == _OBJECTS


async def test_what_comes_in_during_a_pass_is_seen_to_by_the_next(road: Sweep, clock: MovableClock) -> None:
    await fill(road, 120)
    clock.advance(600)
    await swept(road, stop_at=_NO_TIME)
    await road.storage.write("inbox", "0000-came-late.txt", b"x", "text/plain")
    clock.advance(600)
    assert (await swept(road))["objects_without_task"] == 20
    assert await swept(road) == {"objects_checked": 1, "objects_without_task": 1}
    assert (await swept(road)).get("objects_without_task") is None


async def test_the_schedule_rests_after_a_large_listing_and_a_command_does_not(
    road: Sweep, clock: MovableClock
) -> None:
    await fill(road, 3)
    clock.advance(600)
    listed = Pass(seen_until=clock.now(), listed=1_000_000)
    await road.notes.write("inbox", listed.model_dump())
    await road.storage.write("inbox", "lost.txt", b"x", "text/plain")
    clock.advance(600)
    assert await swept(road, scheduled=True) == {}
    assert (await swept(road))["objects_without_task"] >= 1
    assert (await seen(road)).listed == 4
