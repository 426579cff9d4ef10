"""Create the task of an object if it does not exist, and enqueue its dispatch, within the daily cap.

ingest does it for the object of an event, sweep for an object whose event was lost.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from cachetools import LRUCache

from shared.clock import Clock
from shared.cloud.firestore import Tasks
from shared.cloud.queue import Dispatches, schedulable
from shared.cloud.telemetry import log
from shared.daily_limits import DailyLimits, inbox_day, start_of
from shared.domain.media.ignored_objects import reason_to_ignore
from shared.domain.models.prices import Tier
from shared.domain.recipe.definition import DEFAULT_MODEL
from shared.domain.tasks.task import Source, Task, Waiting, new_task
from shared.settings import Settings

_NAMES_REMEMBERED = 10_000
_OVERWRITE_WINDOW = timedelta(minutes=1)


def ignore_reason(source: Source, settings: Settings) -> str | None:
    """Return why an object gets no task, or None if it gets one."""
    inbox = settings.inboxes.get(source.bucket)
    if inbox is None:
        return f"the bucket {source.bucket} is not an inbox"
    if not source.name.startswith(inbox.prefixes):
        return f"no prefix of the inbox matches: {', '.join(inbox.prefixes)}"
    if source.name.endswith("/") and source.size == 0:
        return "it is a folder's placeholder"
    return reason_to_ignore(source.name, inbox.ignore)


def waiting_for_day(day: date, now: datetime, whose: str = "the inbox") -> Waiting | None:
    """Return the `waiting` of a task assigned to `day`; None if that day has begun."""
    if start_of(day) <= now:
        return None
    return Waiting(reason="inbox_cap", until=start_of(day), detail=f"{whose}'s daily cap is reached")


def with_waiting(task: Task, waiting: Waiting | None, now: datetime) -> Task:
    """Return the task with its first dispatch due at the end of its waiting."""
    if waiting is None:
        return task
    return task.model_copy(update={"waiting": waiting, "dispatch_at": schedulable(waiting.until, now)})


class Overwrites:
    """Remembers recent objects by name, so that one overwritten within a minute waits until it settles."""

    def __init__(self, settle_seconds: float) -> None:
        self._settle = timedelta(seconds=settle_seconds)
        self._latest: LRUCache[tuple[str, str], tuple[int, datetime]] = LRUCache(_NAMES_REMEMBERED)

    def settle_until(self, source: Source) -> datetime | None:
        """Remember the object; return until when it waits, or None."""
        key = (source.bucket, source.name)
        generation, created_at = self._latest.get(key, (source.generation, source.created_at))
        self._latest[key] = (source.generation, source.created_at)
        if generation == source.generation or source.created_at - created_at > _OVERWRITE_WINDOW:
            return None
        return source.created_at + self._settle


async def enqueue_first_dispatch(dispatches: Dispatches, task: Task) -> None:
    """Enqueue the task's dispatch. Repeating it is harmless: the dispatch's name is the same."""
    await dispatches.enqueue(task, epoch=0, at=task.dispatch_at if task.waiting else None)


class Intake:
    """Creates tasks of objects. Repeating `take` is harmless: ids and names are derived from the object."""

    def __init__(
        self, settings: Settings, clock: Clock, tasks: Tasks, dispatches: Dispatches, settle_seconds: float = 0
    ) -> None:
        self._settings, self._clock, self._tasks, self._dispatches = settings, clock, tasks, dispatches
        self._limits, self._overwrites = DailyLimits(tasks, clock), Overwrites(settle_seconds)

    async def take(self, source: Source, *, tier: Tier | None = None) -> Task:
        """Create the object's task if it does not exist, and dispatch it unless it has ended.

        `tier`: the service tier to ask in if its recipe names none.
        """
        task = await self._create(source, tier)
        if not task.terminal:
            await enqueue_first_dispatch(self._dispatches, task)
        return task

    async def _create(self, source: Source, tier: Tier | None) -> Task:
        """Create the task under the next salted id if another source has the first one."""
        day = await self._limits.reserve(source.bucket, self._settings.inboxes[source.bucket].daily_cap)
        settle = self._overwrites.settle_until(source)
        for salt in range(100):
            task = self._pending(source, day, settle, salt).model_copy(update={"service_tier": tier})
            if await self._tasks.create(task):
                log("INFO", "task_created", f"{source.uri} is {task.id}", task=task.id, object=source.uri)
                return task
            stored = await self._tasks.get(task.id)
            if stored is not None and stored.task.source.same_as(source):
                self._limits.give_back(source.bucket, day)
                return stored.task
        raise RuntimeError(f"no free task id for {source.uri} in 100 tries")

    def _pending(self, source: Source, day: date, settle: datetime | None, salt: int) -> Task:
        now = self._clock.now()
        keep = timedelta(days=self._settings.task_days)
        admitted = max(now, start_of(day))
        owner = f"inbox:{source.bucket}"
        task = new_task(source, owner=owner, model=DEFAULT_MODEL, now=admitted, keep=keep, salt=salt)
        waiting = waiting_for_day(day, now)
        if waiting is None and settle is not None and settle > now:
            waiting = Waiting(reason="overwritten", until=settle, detail="left to settle after an overwrite")
        counted = task.model_copy(update={"inbox_day": inbox_day(source.bucket, day)})
        return with_waiting(counted, waiting, now)
