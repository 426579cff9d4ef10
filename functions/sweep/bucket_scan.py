"""Scan the objects of a bucket for missing tasks, each object once, over several runs if needed.

    ──seen_until──[since ········ until]──now      a scan lists all by name and checks those of that span

A note records until when all objects are handled, and where a scan that failed or ran out of time continues. An object
that cannot be taken does not stop the objects after it: the next scan tries it again, until the event horizon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel

from shared.cloud.firestore import UnreadableTask
from shared.cloud.storage import StoredObject
from shared.cloud.telemetry import log, log_failure
from shared.cloud.tracing import span
from shared.dependencies import SweepDeps
from shared.domain.tasks.task import Source, Task
from shared.settings import SweepSettings

_BATCH = 100
_COOLDOWN_PER_LISTED = timedelta(hours=1) / 1_000_000
_COOLDOWN_PER_READ = timedelta(hours=1) / 100_000
"""Cooldown before the next scheduled scan, for each object listed and each document read, since both are billed."""


class ScanState(BaseModel):
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
    find_lost: Callable[[list[StoredObject]], Awaitable[list[Source]]]
    """Return the objects without a task."""
    take: Callable[[Source], Awaitable[Task | None]]
    first_name: Callable[[datetime], str] = lambda since: ""
    """Return the name after which all objects created since `since` are listed."""


async def scan_place(deps: SweepDeps, place: Place, tally: Counter[str], *, stop_at: float, scheduled: bool) -> None:
    """Create the missing tasks of recent objects. `stop_at` is in seconds of the clock."""
    settings = deps.settings
    previous = ScanState.model_validate(await deps.notes.read(place.note) or {"seen_until": settings.installed_at})
    cooldown = cooldown_after(settings, listed=previous.listed, read=previous.checked)
    if scheduled and previous.until is None and deps.clock.now() < (previous.done_at or previous.seen_until) + cooldown:
        return
    scan = previous if previous.until is not None else _begin_scan(deps, place, previous)
    try:
        if await _continue_scan(deps, place, scan, tally, stop_at):
            seen_until = min(moment for moment in (scan.until, scan.failed_from) if moment is not None)
            scan = ScanState(
                seen_until=seen_until, done_at=deps.clock.now(), listed=scan.listed, checked=scan.checked
            )  # fmt: skip
        else:
            log("WARNING", "sweep_goes_on_later", f"{scan.listed:,} objects listed so far", place=place.note)
    finally:
        await deps.notes.write(place.note, scan.model_dump())


def cooldown_after(settings: SweepSettings, *, listed: int = 0, read: int = 0) -> timedelta:
    """Return the pause before the next scheduled scan of a place, at most a quarter of the event horizon."""
    most = timedelta(hours=settings.event_horizon_hours) / 4
    return min(_COOLDOWN_PER_LISTED * listed + _COOLDOWN_PER_READ * read, most)


def _begin_scan(deps: SweepDeps, place: Place, previous: ScanState) -> ScanState:
    """Return the scan that follows `previous`. It does not go back further than the event horizon."""
    settings, now = deps.settings, deps.clock.now()
    since = max(settings.installed_at, previous.seen_until)
    if previous.done_at is None or previous.done_at < _event_horizon(deps):
        since = max(since, _event_horizon(deps))
    until = now - timedelta(seconds=settings.grace_seconds)
    return ScanState(seen_until=previous.seen_until, since=since, until=until, after=place.first_name(since))


async def _continue_scan(deps: SweepDeps, place: Place, scan: ScanState, tally: Counter[str], stop_at: float) -> bool:
    """Return whether the scan reached its end. Prefixes are scanned in order, so `after` lies in one or behind it."""
    assert scan.since is not None
    assert scan.until is not None
    for prefix in sorted(place.prefixes):
        async for batch in in_batches(deps.storage.listing(place.bucket, prefix, after=scan.after)):
            since = max(scan.since, _oldest_kept(deps))
            young = [stored for stored in batch if since <= stored.created_at <= scan.until]
            tally["objects_checked"] += len(young)
            taken, failed = await take_all(deps, await place.find_lost(young), place.take, tally, stop_at=stop_at)
            for source in taken:
                tally["objects_without_task"] += 1
                log("WARNING", "sweep_ingested", "its event was lost", object=source.uri)
            retried = [source.created_at for source in failed if source.created_at > _event_horizon(deps)]
            scan.failed_from = min([*retried, *filter(None, [scan.failed_from])], default=None)
            scan.listed, scan.checked = scan.listed + len(batch), scan.checked + len(young)
            scan.after = batch[-1].name
            if deps.clock.time() > stop_at:
                return False
    return True


async def take_all(
    deps: SweepDeps,
    sources: list[Source],
    take: Callable[[Source], Awaitable[Task | None]],
    tally: Counter[str],
    *,
    stop_at: float,
) -> tuple[list[Source], list[Source]]:
    """Create tasks for the objects. Return those that became tasks, and those that failed or ran out of time."""
    taken: list[Source] = []
    failed: list[Source] = []
    for place, source in enumerate(sources):
        try:
            with span("take_lost", root=True, object=source.uri):
                task = await take(source)
            if task is not None:
                taken.append(source)
        except Exception as error:
            tally["errors"] += 1
            log_failure("sweep_object_failed", error, object=source.uri)
            failed.append(source)
            if deps.clock.time() > stop_at:
                return taken, [*failed, *sources[place + 1 :]]
    return taken, failed


def is_task_of(task: Task | UnreadableTask | None, source: Source) -> bool:
    """Return whether the document under the source's id is its task. Unreadable documents count as its task."""
    return isinstance(task, UnreadableTask) or (task is not None and task.source.same_as(source))


def source_of(stored: StoredObject) -> Source:
    return Source(
        kind="object",
        bucket=stored.bucket,
        name=stored.name,
        generation=stored.generation,
        size=stored.size,
        content_type=stored.content_type,
        created_at=stored.created_at,
    )


async def in_batches(objects: AsyncIterator[StoredObject]) -> AsyncIterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    async for stored in objects:
        batch.append(stored)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _event_horizon(deps: SweepDeps) -> datetime:
    return deps.clock.now() - timedelta(hours=deps.settings.event_horizon_hours)


def _oldest_kept(deps: SweepDeps) -> datetime:
    """Return the oldest creation time whose task cannot have expired. An older object may have had a task."""
    return deps.clock.now() - timedelta(days=deps.settings.task_days) + timedelta(hours=1)
