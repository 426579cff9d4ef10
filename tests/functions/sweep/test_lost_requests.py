"""Requests and manifests whose event was lost are taken, a few at a time, whatever lies among them."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest

from functions.sweep.bucket_scan import ScanState
from functions.sweep.lost_requests import take_lost_requests
from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.dependencies import SweepDeps
from shared.domain.request.schema import read

ASKED = json.dumps({"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Hello"}]}).encode()
BOTTOMLESS = b'{"NaN":' + b"[" * 100_000


async def hand_over(system: SweepDeps, name: str, text: bytes = ASKED) -> None:
    await system.storage.write("requests", f"manifests/folder/{name}.json", text, "application/json")


async def submit(system: SweepDeps) -> None:
    """As an api that dies before the task is made: only the request object is there."""
    await system.requests.submit(read(ASKED), "", key_id="key")
    async for snapshot in system.tasks.client.collection("tasks").stream():
        await snapshot.reference.delete()


async def swept(system: SweepDeps, *, stop_at: float = math.inf, scheduled: bool = False) -> dict[str, int]:
    tally: Counter[str] = Counter()
    await take_lost_requests(system, tally, stop_at=stop_at, scheduled=scheduled)
    return {name: count for name, count in tally.items() if count}


async def test_lost_requests_and_manifests_are_taken_once(system: SweepDeps, clock: MovableClock) -> None:
    await submit(system)
    await hand_over(system, "a")
    clock.advance(600)
    assert await swept(system) == {"objects_checked": 2, "objects_without_task": 2}
    clock.advance(600)
    assert await swept(system) == {}


async def test_a_manifest_that_nests_without_end_becomes_a_task_and_stops_nothing(
    system: SweepDeps, clock: MovableClock
) -> None:
    """generate says what is wrong with it."""
    await hand_over(system, "a", BOTTOMLESS)
    await hand_over(system, "b")
    clock.advance(600)
    assert await swept(system) == {"objects_checked": 2, "objects_without_task": 2}


async def test_a_request_that_cannot_be_taken_stops_none_and_is_tried_again(
    system: SweepDeps, clock: MovableClock, tap: Tap
) -> None:
    for name in "abc":
        await hand_over(system, name)
    clock.advance(600)
    tap.faults.add([Fault(service="firestore", match="Commit", times=1, status=403)])
    assert await swept(system) == {"objects_checked": 3, "objects_without_task": 2, "errors": 1}
    clock.advance(600)
    assert (await swept(system))["objects_without_task"] == 1


async def test_a_run_that_has_no_time_left_goes_on_where_it_stopped(
    system: SweepDeps, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.sweep.bucket_scan._BATCH", 2)
    await submit(system)
    for name in "abc":
        await hand_over(system, name)
    clock.advance(600)
    runs = [await swept(system, stop_at=-math.inf) for _ in range(3)]
    assert [run.get("objects_without_task") for run in runs] == [1, 2, 1]
    assert await swept(system) == {}


async def test_the_schedule_rests_after_a_large_listing(system: SweepDeps, clock: MovableClock) -> None:
    listed = ScanState(seen_until=clock.now(), done_at=clock.now(), listed=1_000_000)
    await system.notes.write("requests", listed.model_dump())
    await hand_over(system, "a")
    clock.advance(600)
    assert await swept(system, scheduled=True) == {}
    clock.advance(3600)
    assert (await swept(system, scheduled=True))["objects_without_task"] == 1


async def test_a_note_of_an_earlier_version_is_gone_on_from(system: SweepDeps, clock: MovableClock) -> None:
    await hand_over(system, "a")
    clock.advance(600)
    await system.notes.write("requests", {"seen_until": clock.now()})
    clock.advance(600)
    assert await swept(system) == {}
