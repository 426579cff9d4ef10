"""Requests and manifests without a task: the api died before it made one, and the object's event was lost.

Request objects are named by their time, so only the young ones are listed.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from functions.sweep.lost_objects import batches, source_of
from shared.cloud.storage import StoredObject
from shared.cloud.telemetry import log
from shared.domain.request.tasks import API_FOLDER, MANIFEST_FOLDER, id_of_object
from shared.domain.task import derive_id
from shared.wiring import Sweep

_NOTE = "requests"


async def take_lost_requests(road: Sweep, found: Counter[str]) -> None:
    """Give every young request and manifest a task that has none."""
    settings, now = road.settings, road.clock.now()
    until = now - timedelta(seconds=settings.grace_seconds)
    note = await road.notes.read(_NOTE) or {}
    horizon = now - timedelta(hours=settings.event_horizon_hours)
    since = max(settings.installed_at, horizon, note.get("seen_until", settings.installed_at))
    bucket = settings.requests_bucket
    first = f"{API_FOLDER}task-llm-{int(since.timestamp()) - 60:010d}"
    for listing in (
        road.storage.listing(bucket, API_FOLDER, after=first),
        road.storage.listing(bucket, MANIFEST_FOLDER),
    ):
        async for batch in batches(listing):
            young = {_task_id(each): each for each in batch if since <= each.created_at <= until}
            found["objects_checked"] += len(young)
            tasks = await road.tasks.many(list(young))
            for task_id, each in young.items():
                if task_id in tasks and tasks[task_id].source.same_as(source_of(each)):
                    continue
                if await road.requests.take(source_of(each)) is not None:
                    found["objects_without_task"] += 1
                    log("WARNING", "sweep_ingested", "its event was lost", object=f"gs://{bucket}/{each.name}")
    await road.notes.write(_NOTE, {"seen_until": until})


def _task_id(found: StoredObject) -> str:
    named = id_of_object(found.name)
    return named or derive_id(found.bucket, found.name, found.generation, found.created_at)
