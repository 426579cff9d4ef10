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
    """Put the task's next dispatch on the queue, unless it is leased, not due yet, or has one there.

    A lease that ended long ago is redriven in any case: its dispatch may be one that a sleeping holder never answers.
    """
    found["open_tasks"] += 1
    task = stored.task
    if not overdue(road, task) or (task.lease_until is None and await road.dispatches.waits(task)):
        return
    lost = False

    def next_epoch(current: Task) -> Task:
        nonlocal lost  # Many were listed at once: somebody may have taken this one up since.
        lost = current.open and current.epoch == task.epoch and overdue(road, current)
        return claims.redispatch(current, at=road.clock.now()) if lost else current

    changed = await road.tasks.change(stored, next_epoch)
    if changed is None or not lost:
        return
    await road.dispatches.put(changed.task)
    kind = _kind(stored.task)
    found[kind] += 1
    log("WARNING", "sweep_redrove", f"{kind}: dispatched again", task=stored.task.id, kind=kind)


def overdue(road: Sweep, task: Task) -> bool:
    """Whether what should have happened by itself is late by the grace."""
    late = road.clock.now() - timedelta(seconds=road.settings.grace_seconds)
    moments = [moment for moment in (task.accepted_at, task.dispatch_at, task.lease_until) if moment is not None]
    return max(moments) <= late


def _kind(task: Task) -> str:
    if task.terminal:
        return "after_work_unfinished"
    return "leases_expired" if task.lease_until is not None else "dispatches_lost"
