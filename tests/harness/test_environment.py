"""A test that counts by the day does not start so late that midnight falls into it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.clock import MovableClock
from tests.environment import move_to_morning, seconds_to_morning


@pytest.mark.parametrize(
    ("hour", "minute", "seconds"), [(0, 0, 0), (11, 59, 0), (12, 0, 12 * 3600), (23, 59, 60), (18, 30, 5.5 * 3600)]
)
def test_an_afternoon_ends_at_the_next_midnight(hour: int, minute: int, seconds: float) -> None:
    assert seconds_to_morning(datetime(2026, 3, 31, hour, minute, tzinfo=UTC)) == seconds


def test_a_clock_that_was_moved_stands_before_noon(tmp_path: Path) -> None:
    clock = move_to_morning(MovableClock(tmp_path / "clock"))
    clock.advance((13 - clock.now().hour) * 3600)
    assert clock.now().hour == 13
    assert move_to_morning(clock).now().hour == 0
