"""Advancing the clock: in short steps while a function works, else from one due time to the next."""

from __future__ import annotations

from pathlib import Path

from local.clock_steps import ClockSteps
from shared.clock import MovableClock


class SteppedClock(MovableClock):
    """A clock that records its steps."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "clock")
        self.steps: list[float] = []

    def advance(self, seconds: float) -> None:
        self.steps.append(seconds)
        super().advance(seconds)


async def test_an_idle_system_jumps_to_each_due_time(tmp_path: Path) -> None:
    clock = SteppedClock(tmp_path)
    due = clock.time() + 600

    def next_due() -> float | None:
        return due if clock.time() < due else None

    await ClockSteps(clock, lambda: False, lambda: None, next_due).advance(3600)
    first, second = clock.steps
    assert 590 < first <= 600
    assert 2990 < second <= 3000


async def test_a_busy_system_advances_in_steps_shorter_than_a_lease(tmp_path: Path) -> None:
    clock = SteppedClock(tmp_path)
    await ClockSteps(clock, lambda: True, lambda: None, lambda: None).advance(25)
    assert len(clock.steps) == 3
    assert max(clock.steps) == 10
