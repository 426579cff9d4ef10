"""Putting a task off: until when, for what reason, and the next dispatch before the commit, so that nothing is lost."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from functions.generate.holding import Holding
from shared.cloud.firestore import Stored
from shared.cloud.queue import schedulable
from shared.cloud.telemetry import log
from shared.cloud.throttle import Note
from shared.domain import claims
from shared.domain.errors import (
    DailyQuotaSpent,
    FileStoreFull,
    LeaseLost,
    Postponement,
    TaskFailure,
    Unavailable,
    WaitingReason,
)
from shared.domain.task import Task
from shared.wiring import Generate

_GEMINI_DAY = ZoneInfo("America/Los_Angeles")
"""Gemini's daily quotas are reset at midnight there."""
_NO_TIME_NAMED = 300.0
_LONGEST_PATIENCE = 3600.0
"""Seconds: a task that has waited long for one reason looks again at most this late, to spare the many that wait."""
_LONGEST_BACKOFF = 1800.0
_PATIENT_TIMES = 3
"""How many times more attempts a service that is away gets than a failure that may lie in the task."""


async def try_later(road: Generate, held: Holding, failure: TaskFailure) -> bool:
    """Put the held task off. False where a transient failure has used up its attempts: the task is to fail."""
    if isinstance(failure, FileStoreFull):
        await _make_room(road, held)
    if isinstance(failure, Postponement):
        until = moment_for(road, held.task, failure.reason, delay_of(failure, road.clock.now()))
        await put_off(road, held, until, failure.reason, failure.message)
        return True
    attempts = held.task.attempts + 1
    most = road.settings.max_attempts * (_PATIENT_TIMES if isinstance(failure, Unavailable) else 1)
    if attempts >= most:
        return False
    backoff = min(_LONGEST_BACKOFF, 2.0**attempts) * random.uniform(0.5, 1)  # noqa: S311
    until = road.clock.now() + timedelta(seconds=backoff)
    await put_off(road, held, until, "retrying", failure.message, counted=True)
    return True


async def _make_room(road: Generate, held: Holding) -> None:
    """What this environment left behind at the Files API goes at once; the task waits in any case."""
    try:
        made = await road.leftovers.make_room()
    except TaskFailure as failure:
        log("WARNING", "room_not_made", failure.message, task=held.task.id)
    else:
        if made.deleted:
            log("WARNING", "room_made", f"{made.deleted} of {made.seen} files at Gemini were left over: deleted")


async def put_off(
    road: Generate, held: Holding, until: datetime, reason: WaitingReason, detail: str, *, counted: bool = False
) -> None:
    """Give the claim back; the dispatch comes first, so a crash in between leaves one that finds the task claimed."""
    epoch = await _next_dispatch(road, held.task, until)
    now = road.clock.now()
    try:
        await held.change(
            lambda task: claims.put_off(
                task,
                held.token,
                now=now,
                until=until,
                reason=reason,
                detail=detail,
                epoch=epoch,
                counted=counted,
                files=held.files,
                cache=held.cache,
                model=held.model,
            )
        )
    except LeaseLost as lost:
        log("INFO", "lease_lost", str(lost), task=held.task.id)
        return
    log(
        "ERROR" if reason == "blocked" else "WARNING",
        "task_put_off",
        detail,
        task=held.task.id,
        reason=reason,
        until=until.isoformat(),
    )


async def keep_waiting(road: Generate, stored: Stored, note: Note) -> None:
    """The refusal that a waiting task waits for still stands: the next dispatch, without a claim."""
    task, now = stored.task, road.clock.now()
    until = moment_for(road, task, note.reason, (note.until - now).total_seconds())
    epoch = await _next_dispatch(road, task, until)
    await road.tasks.change(
        stored,
        lambda current: (
            claims.keep_waiting(current, now=now, until=until, reason=note.reason, detail=note.detail, epoch=epoch)
            if _still_waits(current, task, now)
            else current
        ),
    )


async def come_again(road: Generate, stored: Stored) -> None:
    """The task waits for longer than the queue schedules ahead: the next dispatch, as near to that as may be."""
    task, now = stored.task, road.clock.now()
    assert task.waiting is not None
    at = schedulable(task.waiting.until, now)
    epoch = await _next_dispatch(road, task, at)
    await road.tasks.change(
        stored,
        lambda current: claims.redispatch(current, at=at, epoch=epoch) if _still_waits(current, task, now) else current,
    )


def _still_waits(current: Task, known: Task, now: datetime) -> bool:
    return current.epoch == known.epoch and not current.terminal and not claims.leased(current, now)


async def _next_dispatch(road: Generate, task: Task, at: datetime) -> int:
    """Put the next dispatch on the queue; returns its epoch.

    A name may be taken: by a holder that put its dispatch and died before its commit. That one may have been delivered
    already, so another is put under the next epoch.
    """
    epoch = task.epoch + 1
    while not await road.dispatches.put(task, epoch=epoch, at=at):
        epoch += 1
    return epoch


def moment_for(road: Generate, task: Task, reason: WaitingReason, delay: float) -> datetime:
    """Not before the delay that the service named; the longer a task has waited, the later and more spread out.

    Those that wait for one moment must not all come at it, and those that have waited for hours need not look every
    minute: they look again after about as long as they have waited, an hour at the most. None waits past its age limit.
    """
    now = road.clock.now()
    since = task.waiting_since if task.waiting_since is not None and claims.last_reason(task) == reason else now
    patience = min(_LONGEST_PATIENCE, (now - since).total_seconds() * random.uniform(0.75, 1.5))  # noqa: S311
    spread = random.uniform(0.5, 3)  # noqa: S311
    until = now + timedelta(seconds=max(delay, patience) + spread)
    limit = task.accepted_at + timedelta(hours=road.settings.task_max_age_hours, seconds=1)
    return min(until, max(limit, now + timedelta(seconds=spread)))


def delay_of(failure: Postponement, now: datetime) -> float:
    """Seconds until it is worth another try."""
    if failure.delay is not None:
        return failure.delay
    if not isinstance(failure, DailyQuotaSpent):
        return _NO_TIME_NAMED
    local = now.astimezone(_GEMINI_DAY)
    reset = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (reset - local).total_seconds()
