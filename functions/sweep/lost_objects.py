"""Objects without a task: their event was lost.

Each is looked at once: a note remembers up to when all of an inbox's objects were seen to. Only those younger than the
event horizon and the installation are taken, so neither old files nor files of expired tasks run again by themselves.
`backfill` takes what was there before, on purpose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from shared.cloud.storage import StoredObject
from shared.cloud.telemetry import log
from shared.domain.task import Source, derive_id
from shared.intake import kept_out
from shared.wiring import Sweep

_BATCH = 100


async def take_lost(road: Sweep, bucket: str, found: Counter[str]) -> None:
    """Give every young object of `bucket` a task that has none."""
    settings, now = road.settings, road.clock.now()
    until = now - timedelta(seconds=settings.grace_seconds)
    horizon = now - timedelta(hours=min(settings.event_horizon_hours, settings.task_days * 24 - 1))
    note = await road.notes.read(bucket) or {}
    since = max(settings.installed_at, horizon, note.get("seen_until", settings.installed_at))
    for prefix in settings.inboxes[bucket].prefixes:
        async for batch in batches(road.storage.listing(bucket, prefix)):
            young = [found_object for found_object in batch if since <= found_object.created_at <= until]
            found["objects_checked"] += len(young)
            for source in await without_task(road, [source_of(each) for each in young]):
                await road.intake.take(source)
                found["objects_without_task"] += 1
                log("WARNING", "sweep_ingested", "its event was lost", object=source.uri)
    await road.notes.write(bucket, {"seen_until": until})


async def backfill(
    road: Sweep, bucket: str, prefix: str, *, after: str, dry_run: bool, found: Counter[str], until: float
) -> str | None:
    """Take every object under `prefix`, whatever its age. Returns the name to resume after, or None at the end."""
    async for batch in batches(road.storage.listing(bucket, prefix, after=after)):
        found["objects"] += len(batch)
        found["bytes"] += sum(each.size for each in batch)
        for source in await without_task(road, [source_of(each) for each in batch]):
            found["without_task"] += 1
            if not dry_run:
                await road.intake.take(source)
        if road.clock.time() > until:
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
