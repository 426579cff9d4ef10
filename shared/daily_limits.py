"""Limit tasks per day (UTC): of an inbox, of a folder of manifests, and of an API key."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from cachetools import LRUCache

from shared.clock import Clock
from shared.cloud.firestore import Tasks

_FRESH_SECONDS = 30.0
_COUNTS_REMEMBERED = 10_000


def inbox_day(owner: str, day: date) -> str:
    """Return what tasks that count together have in their field `inbox_day`."""
    return f"{owner}/{day.isoformat()}"


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


@dataclass
class _Count:
    read_at: float
    tasks: int


class DailyLimits:
    """Count the tasks of each owner and day.

    Firestore is asked for a count at most every 30 s, and tasks of this instance are added meanwhile: several
    instances together may exceed a limit by what they admit in that time.
    """

    def __init__(self, tasks: Tasks, clock: Clock) -> None:
        self._tasks, self._clock = tasks, clock
        self._counts: LRUCache[str, _Count] = LRUCache(_COUNTS_REMEMBERED)
        self._one_at_a_time = asyncio.Lock()

    async def admit(self, owner: str, limit: int, *, near: int = 0) -> bool:
        """Count one more task today; return False if the limit is reached.

        With `near` tasks left or fewer, Firestore is asked each time.
        """
        return await self._admit(inbox_day(owner, self._today()), limit, near)

    async def reserve(self, owner: str, limit: int) -> date:
        """Count one more task today, or on the first later day that has room; return that day."""
        async with self._one_at_a_time:
            day = self._today()
            while not await self._admit(inbox_day(owner, day), limit):
                day += timedelta(days=1)
            return day

    def give_back(self, owner: str, day: date | None = None) -> None:
        """Undo the count of a task that existed already; `day` is today by default."""
        if (count := self._counts.get(inbox_day(owner, day or self._today()))) is not None:
            count.tasks -= 1

    async def _admit(self, counted: str, limit: int, near: int = -1) -> bool:
        count = self._fresh(counted)
        if count is None or limit - count.tasks <= near:
            in_firestore = await self._tasks.count_of_day(counted)
            count = self._fresh(counted)
            if count is None:
                count = self._counts[counted] = _Count(self._clock.time(), in_firestore)
            # What this instance has admitted and not yet committed is not in Firestore's count.
            count.tasks = max(count.tasks, in_firestore)
        if count.tasks >= limit:
            return False
        count.tasks += 1
        return True

    def _fresh(self, counted: str) -> _Count | None:
        count = self._counts.get(counted)
        return count if count is not None and self._clock.time() - count.read_at < _FRESH_SECONDS else None

    def _today(self) -> date:
        return self._clock.now().astimezone(UTC).date()
