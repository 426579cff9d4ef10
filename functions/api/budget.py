"""Count how many tasks each key may still submit today (UTC).

The count is asked of Firestore at most every 30 s, each time near the end of the budget, and added to meanwhile; so
several instances together may exceed a budget by what they admit in that time.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache

from shared import wiring
from shared.clock import Clock
from shared.cloud.firestore import Tasks
from shared.domain.errors import RequestRefused
from shared.domain.tasks.access import Key

_FRESH_SECONDS = 30.0
_NEAR = 20
"""With fewer tasks left than this, every submit reads the count again."""
_KEYS_REMEMBERED = 10_000


@dataclass
class _Count:
    day: str
    read_at: float
    tasks: int


class Budgets:
    def __init__(self, tasks: Tasks, clock: Clock) -> None:
        self._tasks, self._clock = tasks, clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    async def spend(self, key: Key) -> None:
        """Count one more task. Raises 402 if the budget is used up."""
        if key.daily_tasks is None:
            return
        count = await self._count(key, key.daily_tasks)
        if count.tasks >= key.daily_tasks:
            now = self._clock.now().astimezone(UTC)
            tomorrow = datetime.combine(now.date() + timedelta(days=1), time.min, UTC)
            message = (
                f"This key may submit {key.daily_tasks} tasks a day. The next day begins at {tomorrow.isoformat()}."
            )
            wait = str(int((tomorrow - now).total_seconds()) + 1)
            raise RequestRefused(402, "insufficient_quota", "budget_exceeded", message, headers={"Retry-After": wait})
        count.tasks += 1

    def give_back(self, key: Key) -> None:
        """Undo the count of a replayed request, which created no task."""
        if (count := self._counts.get(key.id)) is not None:
            count.tasks -= 1

    async def _count(self, key: Key, budget: int) -> _Count:
        day, now = self._clock.now().astimezone(UTC).date().isoformat(), self._clock.time()
        known = self._counts.get(key.id)
        stale = known is None or known.day != day or now - known.read_at >= _FRESH_SECONDS
        if known is None or stale or budget - known.tasks <= _NEAR:
            tasks = await self._tasks.count_of_day(f"{key.owner}/{day}")
            # What this instance has admitted and not yet committed is not in Firestore's count.
            tasks = tasks if known is None or known.day != day else max(tasks, known.tasks)
            known = self._counts[key.id] = _Count(day, now, tasks)
        self._counts.move_to_end(key.id)
        if len(self._counts) > _KEYS_REMEMBERED:
            self._counts.popitem(last=False)
        return known


@cache
def budgets() -> Budgets:
    return Budgets(wiring.api().tasks, wiring.api().clock)
