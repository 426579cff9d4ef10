"""ingest: an object was written; see that it has a task and the task a dispatch.

Every delivery of an event does the same again without harm: the task's id and the dispatch's name are derived from the
object. Anything but a malformed or unwanted event that goes wrong raises, so that Eventarc delivers it again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

import functions_framework.aio
from cloudevents.http.event import CloudEvent
from pydantic import ValidationError

from functions.ingest.admission import DailyCap, Overwrites, kept_out, start_of
from shared import wiring
from shared.cloud.telemetry import log
from shared.domain.recipe import DEFAULT_MODEL
from shared.domain.task import Source, Task, Waiting, new_task


@functions_framework.aio.cloud_event
async def ingest(event: CloudEvent) -> None:
    try:
        source = source_of(event)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        log("ERROR", "event_malformed", f"not an object's finalized event: {error}", event=str(event.get("id")))
        return
    road = wiring.ingest()
    if why := kept_out(source, road.settings):
        log("INFO", "object_ignored", why, object=source.uri)
        return
    task = await create_task(road, source)
    if not task.terminal:
        await road.dispatches.put(task, epoch=0, at=task.waiting.until if task.waiting else None)


def source_of(event: CloudEvent) -> Source:
    """The object that a `google.cloud.storage.object.v1.finalized` event tells of."""
    data = event.data
    return Source(
        kind="object",
        bucket=data["bucket"],
        name=data["name"],
        generation=int(data["generation"]),
        size=int(data.get("size", 0)),
        content_type=data.get("contentType"),
        created_at=datetime.fromisoformat(data["timeCreated"]),
    )


async def create_task(road: wiring.Ingest, source: Source) -> Task:
    """The object's task, made if it is not there. An id that another source took is derived anew, salted."""
    caps, overwrites = _guards()
    day = await caps.day_for(source.bucket, road.settings.inboxes[source.bucket].daily_cap)
    settle = overwrites.settle_until(source)
    keep = timedelta(days=road.settings.task_days)
    for salt in range(100):
        now = road.clock.now()
        task = new_task(source, owner=f"inbox:{source.bucket}", model=DEFAULT_MODEL, now=now, keep=keep, salt=salt)
        task = task.model_copy(update={"inbox_day": f"{source.bucket}/{day.isoformat()}"})
        if start_of(day) > now:
            task = _waiting(
                task, Waiting(reason="inbox_cap", until=start_of(day), detail="the inbox's daily cap is reached")
            )
        elif settle is not None and settle > now:
            task = _waiting(
                task, Waiting(reason="overwritten", until=settle, detail="left to settle after an overwrite")
            )
        if await road.tasks.create(task):
            caps.admitted(task.inbox_day)
            log("INFO", "task_created", f"{source.uri} is {task.id}", task=task.id, object=source.uri)
            return task
        found = await road.tasks.get(task.id)
        if found is not None and found.task.source.same_as(source):
            return found.task
    raise RuntimeError(f"no free task id for {source.uri} in 100 tries")


def _waiting(task: Task, waiting: Waiting) -> Task:
    return task.model_copy(update={"waiting": waiting, "dispatch_at": waiting.until})


@cache
def _guards() -> tuple[DailyCap, Overwrites]:
    road = wiring.ingest()
    return DailyCap(road.tasks, road.clock), Overwrites(road.settings.settle_seconds)
