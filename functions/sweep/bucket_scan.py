"""Scan the objects of a bucket, each once, in as many runs as that takes.

    ──seen_until──[since ········ until]──now      a pass lists the objects by name, and looks at what came in that span

A note tells up to when all objects were seen to, and where a pass that ran out of time, or failed, is to go on. An
object that could not be taken does not stop those behind it: the next pass looks at it again, until the event horizon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel

from shared.cloud.firestore import UnreadableTask
from shared.cloud.storage import StoredObject
from shared.cloud.telemetry import log, log_bug
from shared.domain.tasks.task import Source, Task
from shared.settings import SweepSettings
from shared.wiring import SweepDeps

_BATCH = 100
_REST_OF_LISTING = timedelta(hours=1) / 1_000_000
_REST_OF_READING = timedelta(hours=1) / 100_000
"""Rest before the next scheduled scan, for each object listed and each document read: both are billed."""


class Pass(BaseModel):
    """How far the objects of a place have been scanned."""

    seen_until: datetime
    done_at: datetime | None = None
    since: datetime | None = None
    """Of an unfinished scan, which continues `after` a name; None if the last scan is done."""
    until: datetime | None = None
    after: str = ""
    listed: int = 0
    checked: int = 0
    failed_from: datetime | None = None
    """Creation time of the oldest object that this scan could not take."""


@dataclass(frozen=True)
class Place:
    """A place where objects arrive, and how they become tasks."""

    note: str
    bucket: str
    prefixes: tuple[str, ...]
    lost: Callable[[list[StoredObject]], Awaitable[list[Source]]]
    """Return the objects without a task."""
    take: Callable[[Source], Awaitable[Task | None]]
    first: Callable[[datetime], str] = lambda since: ""
    """Return the name after which all objects created `since` then are listed."""


async def look_over(deps: SweepDeps, place: Place, found: Counter[str], *, stop_at: float, scheduled: bool) -> None:
    """Create the missing tasks of recent objects. `stop_at` is in seconds of the clock."""
    settings = deps.settings
    last = Pass.model_validate(await deps.notes.read(place.note) or {"seen_until": settings.installed_at})
    rest = rest_after(settings, listed=last.listed, read=last.checked)
    if scheduled and last.until is None and deps.clock.now() < (last.done_at or last.seen_until) + rest:
        return
    current = last if last.until is not None else _fresh(deps, place, last)
    try:
        if await _read_on(deps, place, current, found, stop_at):
            seen = min(moment for moment in (current.until, current.failed_from) if moment is not None)
            current = Pass(
                seen_until=seen, done_at=deps.clock.now(), listed=current.listed, checked=current.checked
            )  # fmt: skip
        else:
            log("WARNING", "sweep_goes_on_later", f"{current.listed:,} objects listed so far", place=place.note)
    finally:
        await deps.notes.write(place.note, current.model_dump())


def rest_after(settings: SweepSettings, *, listed: int = 0, read: int = 0) -> timedelta:
    """Return how long scheduled sweeps leave a place alone. It is well below the horizon of a scan."""
    most = timedelta(hours=settings.event_horizon_hours) / 4
    return min(_REST_OF_LISTING * listed + _REST_OF_READING * read, most)


def _fresh(deps: SweepDeps, place: Place, last: Pass) -> Pass:
    """Return the scan after `last`. What arrived while sweep was off for longer than the horizon is left."""
    settings, now = deps.settings, deps.clock.now()
    since = max(settings.installed_at, last.seen_until)
    if last.done_at is None or last.done_at < _horizon(deps):
        since = max(since, _horizon(deps))
    until = now - timedelta(seconds=settings.grace_seconds)
    return Pass(seen_until=last.seen_until, since=since, until=until, after=place.first(since))


async def _read_on(deps: SweepDeps, place: Place, current: Pass, found: Counter[str], stop_at: float) -> bool:
    """Return whether the scan reached its end. Prefixes are scanned in order, so `after` lies in one or behind it."""
    assert current.since is not None
    assert current.until is not None
    for prefix in sorted(place.prefixes):
        async for batch in batches(deps.storage.listing(place.bucket, prefix, after=current.after)):
            since = max(current.since, _kept_since(deps))
            young = [each for each in batch if since <= each.created_at <= current.until]
            found["objects_checked"] += len(young)
            taken, failed = await take_each(deps, await place.lost(young), place.take, found, stop_at=stop_at)
            for source in taken:
                found["objects_without_task"] += 1
                log("WARNING", "sweep_ingested", "its event was lost", object=source.uri)
            again = [source.created_at for source in failed if source.created_at > _horizon(deps)]
            current.failed_from = min([*again, *filter(None, [current.failed_from])], default=None)
            current.listed, current.checked = current.listed + len(batch), current.checked + len(young)
            current.after = batch[-1].name
            if deps.clock.time() > stop_at:
                return False
    return True


async def take_each(
    deps: SweepDeps,
    sources: list[Source],
    take: Callable[[Source], Awaitable[Task | None]],
    found: Counter[str],
    *,
    stop_at: float,
) -> tuple[list[Source], list[Source]]:
    """Create tasks for the objects. Return those that became tasks, and those that failed or ran out of time."""
    taken: list[Source] = []
    failed: list[Source] = []
    for place, source in enumerate(sources):
        try:
            if await take(source) is not None:
                taken.append(source)
        except Exception as error:
            found["errors"] += 1
            log_bug("sweep_object_failed", error, object=source.uri)
            failed.append(source)
            if deps.clock.time() > stop_at:
                return taken, [*failed, *sources[place + 1 :]]
    return taken, failed


def is_of(task: Task | UnreadableTask | None, source: Source) -> bool:
    """Return whether the document under the source's id is its task. Unreadable documents count as its task."""
    return isinstance(task, UnreadableTask) or (task is not None and task.source.same_as(source))


def source_of(found: StoredObject) -> Source:
    return Source(
        kind="object",
        bucket=found.bucket,
        name=found.name,
        generation=found.generation,
        size=found.size,
        content_type=found.content_type,
        created_at=found.created_at,
    )


async def batches(objects: AsyncIterator[StoredObject]) -> AsyncIterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    async for each in objects:
        batch.append(each)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _horizon(deps: SweepDeps) -> datetime:
    return deps.clock.now() - timedelta(hours=deps.settings.event_horizon_hours)


def _kept_since(deps: SweepDeps) -> datetime:
    """Return since when no task can have expired: an older object without a task may have had one."""
    return deps.clock.now() - timedelta(days=deps.settings.task_days) + timedelta(hours=1)
