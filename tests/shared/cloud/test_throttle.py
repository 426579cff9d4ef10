"""What one instance learned of a refusal, the others know a second later, and nobody asks twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.firestore import Tasks
from shared.cloud.notes import Notes
from shared.cloud.throttle import Pause, RefusalNote, Throttle


@pytest.fixture
def throttle(tasks: Tasks, clock: MovableClock) -> Throttle:
    return Throttle(Notes(tasks.client, "throttle"), clock)


@pytest.fixture
def another(tasks: Tasks, clock: MovableClock) -> Throttle:
    """Another instance's."""
    return Throttle(Notes(tasks.client, "throttle"), clock)


def note(clock: MovableClock, seconds: float, detail: str = "slow down") -> RefusalNote:
    return RefusalNote(clock.now() + timedelta(seconds=seconds), "rate_limited", detail)


def reads(tap: Tap) -> int:
    return tap.ledger.stats().get("firestore", {}).get("reads", 0)


async def test_a_note_is_known_here_at_once_and_there_within_a_second(
    throttle: Throttle, another: Throttle, clock: MovableClock
) -> None:
    assert await another.current_note("m") is None
    warned = note(clock, 60)
    await throttle.leave_note("m", warned)
    assert await throttle.current_note("m") == warned
    clock.advance(1)
    assert await another.current_note("m") == warned
    assert await another.current_note("other") is None


async def test_a_note_holds_until_its_time_and_no_longer(throttle: Throttle, clock: MovableClock) -> None:
    await throttle.leave_note("m", note(clock, 60))
    clock.advance(59)
    assert await throttle.current_note("m") is not None
    clock.advance(2)
    assert await throttle.current_note("m") is None


async def test_it_is_asked_for_at_most_once_a_second_and_not_at_all_while_it_holds(
    throttle: Throttle, another: Throttle, clock: MovableClock, tap: Tap
) -> None:
    before = reads(tap)
    for _ in range(20):
        await throttle.current_note("m")
    assert reads(tap) == before + 1
    await another.leave_note("m", note(clock, 60))
    clock.advance(1)
    before = reads(tap)
    for _ in range(5):
        assert await throttle.current_note("m") is not None
        clock.advance(5)
    assert reads(tap) == before + 1


async def test_a_shorter_refusal_does_not_shorten_a_longer_one(
    throttle: Throttle, another: Throttle, clock: MovableClock
) -> None:
    longer = note(clock, 3600, "the day's quota")
    await throttle.leave_note("m", longer)
    await throttle.leave_note("m", note(clock, 0.5))
    clock.advance(0.75)
    assert await throttle.current_note("m") == longer
    clock.advance(1)
    assert await another.current_note("m") == longer


async def test_a_longer_refusal_takes_a_shorter_ones_place(
    throttle: Throttle, another: Throttle, clock: MovableClock
) -> None:
    await throttle.leave_note("m", note(clock, 5))
    longer = note(clock, 3600)
    await throttle.leave_note("m", longer)
    assert await throttle.current_note("m") == longer
    clock.advance(1)
    assert await another.current_note("m") == longer


async def test_a_pause_that_has_ended_holds_nobody_up_wherever_it_was_known(
    throttle: Throttle, another: Throttle, clock: MovableClock, tap: Tap
) -> None:
    await throttle.set_pause("inbox:b", Pause(clock.now(), "operator"))
    assert await another.pause_of("inbox:b") is not None
    await throttle.set_pause("inbox:b", None)
    assert await another.pause_of("inbox:b") is None
    before = reads(tap)
    for _ in range(20):
        assert await another.pause_of("inbox:b") is None
    assert reads(tap) == before
