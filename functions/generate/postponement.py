"""Put tasks off: decide until when and why, and enqueue the next dispatch before the commit, so that none is lost."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from functions.generate.lease import Lease
from functions.generate.model.service_tier import end_of_patience
from functions.generate.model.spending import give_back
from shared.cloud.firestore import Stored
from shared.cloud.queue import schedulable
from shared.cloud.telemetry import log, log_bug
from shared.cloud.throttle import RefusalNote
from shared.domain.errors import (
    BudgetSpent,
    DailyQuotaSpent,
    FileStoreFull,
    FlexRefused,
    LeaseLost,
    Postponement,
    TaskFailure,
    TimeIsUp,
    Unavailable,
    WaitingReason,
)
from shared.domain.service_errors import HandleGone
from shared.domain.tasks import claims
from shared.domain.tasks.task import Task
from shared.wiring import GenerateDeps

_GEMINI_DAY = ZoneInfo("America/Los_Angeles")
"""Gemini resets daily quotas at midnight Pacific time."""
_NO_TIME_NAMED = 300.0
_LONGEST_PATIENCE = 3600.0
"""Seconds. The longest pause between two tries of a task that has waited long for one reason."""
_LONGEST_BACKOFF = 1800.0
_BUSY_SECONDS = (3.0, 15.0)
_BLOCKED_NOTE = timedelta(seconds=60)
_PATIENT_TIMES = 6
"""Outages of a service allow this many times more attempts than failures of the task itself: about half a day."""
_MOST_ROOM_SECONDS = 30.0


class Rest(NamedTuple):
    """Until when a task waits, and why."""

    until: datetime
    reason: WaitingReason
    detail: str
    counted: claims.Counted | None = None


async def put_off(deps: GenerateDeps, lease: Lease, failure: TaskFailure | TimeIsUp) -> bool:
    """Put the task off. Return False if it has no attempts left and must fail."""
    if isinstance(failure, HandleGone):
        # What was uploaded is not there any more: the next claim begins anew.
        lease.files, lease.cache = (), None
    if isinstance(failure, FileStoreFull):
        await _make_room(deps, lease)
    rest = _decide(deps, lease, failure)
    if rest is None:
        return False
    await give_back(deps, lease)
    await _put_off(deps, lease, rest)
    return True


def _decide(deps: GenerateDeps, lease: Lease, failure: TaskFailure | TimeIsUp) -> Rest | None:
    """Decide how long the task waits; None if it has no attempts left.

    A broken or cut-off answer was paid for, so it counts as an attempt.
    """
    task, now, most = lease.task, deps.clock.now(), deps.settings.max_attempts
    attempts, outages = task.attempts + 1, task.outages + 1
    match failure:
        case BudgetSpent() if not failure.is_spent:
            # It is up to other calls, which take seconds or minutes.
            return Rest(now + timedelta(seconds=random.uniform(*_BUSY_SECONDS)), failure.reason, failure.message)  # noqa: S311
        case FlexRefused():
            until = next_try_at(deps, task, failure.reason, seconds_until_retry(failure, now))
            ends = end_of_patience(deps, task) or now + timedelta(hours=deps.settings.flex_patience_hours)
            return Rest(max(now, min(until, ends)), failure.reason, failure.message)
        case Postponement():
            until = next_try_at(deps, task, failure.reason, seconds_until_retry(failure, now))
            return Rest(until, failure.reason, failure.message)
        case TimeIsUp() if not lease.answering:
            return Rest(now, "time_limit", "one dispatch's time was over")
        case Unavailable() if not lease.answering:
            if outages >= most * _PATIENT_TIMES:
                return None
            return Rest(_backed_off(now, outages), "retrying", failure.message, "outage")
        case _ if attempts >= most:
            return None
        case TimeIsUp():
            return Rest(now, "time_limit", "the model was still answering", "attempt")
        case _:
            return Rest(_backed_off(now, attempts), "retrying", failure.message, "attempt")


def _backed_off(now: datetime, times: int) -> datetime:
    """Return a moment whose delay doubles with each attempt, with jitter."""
    return now + timedelta(seconds=min(_LONGEST_BACKOFF, 2.0**times) * random.uniform(0.5, 1))  # noqa: S311


async def _make_room(deps: GenerateDeps, lease: Lease) -> None:
    """Delete files that this environment left behind at the Files API."""
    try:
        until = deps.clock.time() + min(_MOST_ROOM_SECONDS, lease.seconds_left)
        made = await deps.orphan_files.make_room(until=until)
    except Exception as error:  # The task is put off whatever comes of this.
        log_bug("room_not_made", error, task=lease.task.id)
    else:
        if made.deleted:
            log("WARNING", "room_made", f"{made.deleted} of {made.seen} files at Gemini were left over: deleted")


async def _put_off(deps: GenerateDeps, lease: Lease, rest: Rest) -> None:
    """Release the claim. The dispatch is enqueued first: a crash in between leaves a dispatch, not a lost task."""
    epoch = await _next_dispatch(deps, lease.task, rest.until)
    now = deps.clock.now()
    try:
        await lease.change(
            lambda task: claims.put_off(
                task,
                lease.token,
                now=now,
                until=rest.until,
                reason=rest.reason,
                detail=rest.detail,
                epoch=epoch,
                counted=rest.counted,
                files=lease.files,
                cache=lease.cache,
                model=lease.model,
                ledger=lease.ledger,
            )
        )
    except LeaseLost as lost:
        log("INFO", "lease_lost", str(lost), task=lease.task.id)
        return
    log(
        "ERROR" if rest.reason == "blocked" else "WARNING",
        "task_put_off",
        rest.detail,
        task=lease.task.id,
        reason=rest.reason,
        until=rest.until.isoformat(),
    )


async def keep_waiting(deps: GenerateDeps, stored: Stored, note: RefusalNote) -> None:
    """Enqueue the next dispatch of a task whose model is still throttled, without claiming the task."""
    task, now = stored.task, deps.clock.now()
    until = next_try_at(deps, task, note.reason, (note.until - now).total_seconds())
    epoch = await _next_dispatch(deps, task, until)
    await deps.tasks.change(
        stored,
        lambda current: (
            claims.keep_waiting(current, now=now, until=until, reason=note.reason, detail=note.detail, epoch=epoch)
            if _still_waits(current, task, now)
            else current
        ),
    )


async def schedule_next(deps: GenerateDeps, stored: Stored) -> None:
    """Enqueue the next dispatch of a task that waits for longer than the queue can schedule ahead."""
    task, now = stored.task, deps.clock.now()
    assert task.waiting is not None
    at = schedulable(task.waiting.until, now)
    epoch = await _next_dispatch(deps, task, at)
    await deps.tasks.change(
        stored,
        lambda current: claims.redispatch(current, at=at, epoch=epoch) if _still_waits(current, task, now) else current,
    )


def _still_waits(current: Task, known: Task, now: datetime) -> bool:
    return current.epoch == known.epoch and not current.terminal and not claims.leased(current, now)


async def _next_dispatch(deps: GenerateDeps, task: Task, at: datetime) -> int:
    """Enqueue the next dispatch and return its epoch.

    A name may be taken: by a holder that put its dispatch and died before its commit. That one may have been delivered
    already, so another is put under the next epoch.
    """
    epoch = task.epoch + 1
    while not await deps.dispatches.enqueue(task, epoch=epoch, at=at):
        epoch += 1
    return epoch


def next_try_at(deps: GenerateDeps, task: Task, reason: WaitingReason, delay: float) -> datetime:
    """Return when to try again: not before `delay` seconds, and later the longer the task has waited already.

    Those that wait for one moment must not all come at it, and those that have waited for hours need not look every
    minute: they look again after about as long as they have waited, an hour at the most. None waits past its age limit.
    """
    now = deps.clock.now()
    since = task.waiting_since if task.waiting_since is not None and claims.last_reason(task) == reason else now
    patience = min(_LONGEST_PATIENCE, (now - since).total_seconds() * random.uniform(0.75, 1.5))  # noqa: S311
    spread = random.uniform(0.5, 3)  # noqa: S311
    until = now + timedelta(seconds=max(delay, patience) + spread)
    limit = task.accepted_at + timedelta(hours=deps.settings.task_max_age_hours, seconds=1)
    return min(until, max(limit, now + timedelta(seconds=spread)))


def seconds_until_retry(failure: Postponement, now: datetime) -> float:
    """Return the seconds until another try makes sense: as the service says, or until the daily quota's reset."""
    if failure.delay is not None:
        return failure.delay
    if not isinstance(failure, DailyQuotaSpent):
        return _NO_TIME_NAMED
    local = now.astimezone(_GEMINI_DAY)
    reset = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (reset - local).total_seconds()


async def leave_throttle_note(deps: GenerateDeps, model: str, refusal: Postponement) -> None:
    """Record that the model refuses calls, so that other dispatches wait too."""
    if refusal.reason in ("rate_limited", "daily_quota", "blocked"):
        now = deps.clock.now()
        delay = _BLOCKED_NOTE if refusal.reason == "blocked" else timedelta(seconds=seconds_until_retry(refusal, now))
        await deps.throttle.leave_note(model, RefusalNote(now + delay, refusal.reason, refusal.message))
