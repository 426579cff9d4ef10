"""Objects without a task: their event was lost.

    ──seen_until──[since ········ until]──now      a pass lists the inbox by name, and looks at what came in that span

Each object is looked at once: a note tells up to when all of an inbox's objects were seen to, and where a pass that
ran out of time is to go on. Only objects younger than the event horizon and the installation are taken, so neither old
files nor files of expired tasks run again by themselves. `backfill` takes what was there before, on purpose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from pydantic import BaseModel

from shared.cloud.storage import StoredObject
from shared.cloud.telemetry import log
from shared.domain.task import Source, derive_id
from shared.intake import kept_out
from shared.wiring import Sweep

_BATCH = 100
_REST = timedelta(hours=1) / 1_000_000
"""For each object that a pass listed, before the next scheduled one: a listing is billed by the thousand."""


class Pass(BaseModel):
    """How far the objects of an inbox have been seen to."""

    seen_until: datetime
    since: datetime | None = None
    """Of a pass that is not done; it goes on `after` a name."""
    until: datetime | None = None
    after: str = ""
    listed: int = 0


async def take_lost(road: Sweep, bucket: str, found: Counter[str], *, stop_at: float, scheduled: bool) -> None:
    """Give every young object of `bucket` a task that has none. `stop_at`: seconds, the clock's."""
    begun = Pass.model_validate(await road.notes.read(bucket) or {"seen_until": road.settings.installed_at})
    if scheduled and not begun.after and road.clock.now() < begun.seen_until + _REST * begun.listed:
        return
    current = begun if begun.after else _fresh(road, begun.seen_until)
    assert current.since is not None
    assert current.until is not None
    listed, after = current.listed, current.after
    for prefix in sorted(road.settings.inboxes[bucket].prefixes):
        async for batch in batches(road.storage.listing(bucket, prefix, after=after)):
            listed += len(batch)
            await _take(road, [each for each in batch if current.since <= each.created_at <= current.until], found)
            if road.clock.time() > stop_at:
                left = current.model_copy(update={"after": batch[-1].name, "listed": listed})
                await road.notes.write(bucket, left.model_dump())
                log("WARNING", "sweep_goes_on_later", f"{listed:,} objects of {bucket} listed so far", after=left.after)
                return
    await road.notes.write(bucket, Pass(seen_until=current.until, listed=listed).model_dump())


def _fresh(road: Sweep, seen_until: datetime) -> Pass:
    settings, now = road.settings, road.clock.now()
    horizon = now - timedelta(hours=min(settings.event_horizon_hours, settings.task_days * 24 - 1))
    since = max(settings.installed_at, horizon, seen_until)
    return Pass(seen_until=seen_until, since=since, until=now - timedelta(seconds=settings.grace_seconds))


async def _take(road: Sweep, young: list[StoredObject], found: Counter[str]) -> None:
    found["objects_checked"] += len(young)
    for source in await without_task(road, [source_of(each) for each in young]):
        await road.intake.take(source)
        found["objects_without_task"] += 1
        log("WARNING", "sweep_ingested", "its event was lost", object=source.uri)


async def backfill(
    road: Sweep, bucket: str, prefix: str, *, after: str, dry_run: bool, found: Counter[str], stop_at: float
) -> str | None:
    """Take every object under `prefix`, whatever its age. Returns the name to resume after, or None at the end."""
    async for batch in batches(road.storage.listing(bucket, prefix, after=after)):
        found["objects"] += len(batch)
        found["bytes"] += sum(each.size for each in batch)
        for source in await without_task(road, [source_of(each) for each in batch]):
            found["without_task"] += 1
            if not dry_run:
                await road.intake.take(source)
        if road.clock.time() > stop_at:
            return batch[-1].name
    return None


async def without_task(road: Sweep, sources: list[Source]) -> list[Source]:
    """Those of the wanted sources that have no task of their own (an id that another source took does not count)."""
    wanted = [source for source in sources if kept_out(source, road.settings) is None]
    ids = {_id(source): source for source in wanted}
    tasks = await road.tasks.many(list(ids))
    return [
        source for task_id, source in ids.items() if task_id not in tasks or not tasks[task_id].source.same_as(source)
    ]


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


def _id(source: Source) -> str:
    created: datetime = source.created_at
    return derive_id(source.bucket, source.name, source.generation, created)


async def batches(objects: AsyncIterator[StoredObject]) -> AsyncIterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    async for each in objects:
        batch.append(each)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
