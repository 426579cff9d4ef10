"""Tasks with something left to do for which nothing is on the queue: their dispatch was lost, or their holder died."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from shared.cloud.firestore import Stored
from shared.cloud.telemetry import log
from shared.domain import claims
from shared.domain.task import Task
from shared.wiring import Sweep


async def redrive(road: Sweep, stored: Stored, found: Counter[str]) -> None:
    """Put the task's next dispatch on the queue, unless it is leased, not due yet, or has one there."""
    found["open_tasks"] += 1
    if not overdue(road, stored.task) or await road.dispatches.waits(stored.task):
        return
    version = stored.version

    def next_epoch(task: Task) -> Task:
        return claims.redispatch(task, at=road.clock.now()) if task.epoch == stored.task.epoch else task

    changed = await road.tasks.change(stored, next_epoch)
    if changed is None or changed.version == version:
        return
    await road.dispatches.put(changed.task)
    kind = _kind(stored.task)
    found[kind] += 1
    log("WARNING", "sweep_redrove", f"{kind}: dispatched again", task=stored.task.id, kind=kind)


def overdue(road: Sweep, task: Task) -> bool:
    """Whether what should have happened by itself is late by the grace."""
    late = road.clock.now() - timedelta(seconds=road.settings.grace_seconds)
    due = task.lease_until or task.dispatch_at or task.accepted_at
    return due <= late


def _kind(task: Task) -> str:
    if task.terminal:
        return "after_work_unfinished"
    return "leases_expired" if task.lease_until is not None else "dispatches_lost"
