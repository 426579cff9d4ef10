"""Which objects become tasks, and when: the guards against loops and storms."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta

from shared.clock import Clock
from shared.cloud.firestore import Tasks
from shared.domain.task import Source
from shared.settings import Settings

_COUNT_FRESH_SECONDS = 30.0
_NAMES_REMEMBERED = 10_000
_OVERWRITE_WINDOW = timedelta(minutes=1)


def kept_out(source: Source, settings: Settings) -> str | None:
    """Why an object is no task's source; None where it is one."""
    inbox = settings.inboxes.get(source.bucket)
    if inbox is None:
        return f"the bucket {source.bucket} is not an inbox"
    if not source.name.startswith(inbox.prefixes):
        return f"no prefix of the inbox matches: {', '.join(inbox.prefixes)}"
    if source.name.endswith("/") and source.size == 0:
        return "it is a folder's placeholder"
    return None


class DailyCap:
    """The day on which a task of an inbox may run, so that no day has more than the inbox's cap.

    Counts are asked of Firestore at most every 30 s, and added to meanwhile: several instances may exceed the cap by
    what they admit in that time.
    """

    def __init__(self, tasks: Tasks, clock: Clock) -> None:
        self._tasks, self._clock = tasks, clock
        self._counts: dict[str, tuple[float, int]] = {}

    async def day_for(self, bucket: str, cap: int) -> date:
        day = self._clock.now().astimezone(UTC).date()
        while await self._count(f"{bucket}/{day.isoformat()}") >= cap:
            day += timedelta(days=1)
        return day

    def admitted(self, inbox_day: str) -> None:
        read_at, count = self._counts.get(inbox_day, (0.0, 0))
        self._counts[inbox_day] = (read_at, count + 1)

    async def _count(self, inbox_day: str) -> int:
        read_at, count = self._counts.get(inbox_day, (0.0, 0))
        if self._clock.time() - read_at < _COUNT_FRESH_SECONDS:
            return count
        count = await self._tasks.count_of_day(inbox_day)
        self._counts[inbox_day] = (self._clock.time(), count)
        return count


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


class Overwrites:
    """Names whose objects came in lately: one that is overwritten within a minute is left to settle first."""

    def __init__(self, settle_seconds: float) -> None:
        self._settle = timedelta(seconds=settle_seconds)
        self._seen: OrderedDict[tuple[str, str], tuple[int, datetime]] = OrderedDict()

    def settle_until(self, source: Source) -> datetime | None:
        """None where the object need not wait. Remembers it."""
        key = (source.bucket, source.name)
        seen = self._seen.get(key)
        self._seen[key] = (source.generation, source.created_at)
        self._seen.move_to_end(key)
        if len(self._seen) > _NAMES_REMEMBERED:
            self._seen.popitem(last=False)
        if seen is None or seen[0] == source.generation or source.created_at - seen[1] > _OVERWRITE_WINDOW:
            return None
        return source.created_at + self._settle
