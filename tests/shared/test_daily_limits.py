"""Limits of tasks a day hold within an instance at once, and between instances after half a minute."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from shared.clock import MovableClock
from shared.cloud.firestore import Tasks
from shared.daily_limits import DailyLimits, inbox_day, start_of

LIMIT = 5


class Counts:
    """Firestore's counts of the first day it is asked about, which other instances raise."""

    def __init__(self) -> None:
        self.committed, self.reads, self.days = 0, 0, list[str]()

    async def count_of_day(self, inbox_day: str) -> int:
        self.reads += 1
        self.days.append(inbox_day)
        committed = self.committed if inbox_day == self.days[0] else 0
        await asyncio.sleep(0)
        return committed


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def limits(counts: Counts, clock: MovableClock) -> DailyLimits:
    return DailyLimits(cast(Tasks, counts), clock)


async def test_tasks_that_other_instances_made_count_after_half_a_minute(
    limits: DailyLimits, counts: Counts, clock: MovableClock
) -> None:
    assert await limits.admit("key:a", LIMIT)
    counts.committed = LIMIT
    assert await limits.admit("key:a", LIMIT)
    clock.advance(31)
    assert not await limits.admit("key:a", LIMIT)
    assert await limits.reserve("key:a", LIMIT) == clock.now().date() + timedelta(days=1)


async def test_near_the_limit_the_count_is_read_each_time(limits: DailyLimits, counts: Counts) -> None:
    for _ in range(LIMIT - 2):
        assert await limits.admit("key:a", LIMIT, near=2)
    assert counts.reads == 1
    counts.committed = LIMIT
    assert not await limits.admit("key:a", LIMIT, near=2)
    assert counts.reads == 2


async def test_what_is_admitted_at_once_and_not_yet_committed_counts(limits: DailyLimits) -> None:
    admitted = await asyncio.gather(*(limits.admit("key:a", LIMIT, near=20) for _ in range(3 * LIMIT)))
    assert admitted.count(True) == LIMIT


async def test_what_was_admitted_and_never_committed_is_forgotten_after_half_a_minute(
    limits: DailyLimits, clock: MovableClock
) -> None:
    for _ in range(LIMIT):
        assert await limits.admit("key:a", LIMIT)
    assert not await limits.admit("key:a", LIMIT)
    clock.advance(31)
    assert await limits.admit("key:a", LIMIT)


async def test_a_place_that_is_given_back_is_free_again_and_other_owners_have_their_own(limits: DailyLimits) -> None:
    for _ in range(LIMIT):
        assert await limits.admit("key:a", LIMIT)
    assert await limits.admit("key:b", LIMIT)
    limits.give_back("key:a")
    assert await limits.admit("key:a", LIMIT)
    assert not await limits.admit("key:a", LIMIT)
    limits.give_back("key:never-seen")


def test_a_day_begins_at_midnight_utc() -> None:
    assert start_of(datetime(2026, 5, 1).date()) == datetime(2026, 5, 1, tzinfo=UTC)
    assert inbox_day("inbox", datetime(2026, 5, 1).date()) == "inbox/2026-05-01"
