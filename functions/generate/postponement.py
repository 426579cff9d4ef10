"""Put tasks off, and enqueue the next dispatch before the commit, so that none is lost."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.generate.lease import Lease
from functions.generate.model.cancelled import end_lost_claim
from functions.generate.model.context_cache import retire_cache
from functions.generate.model.spending import reserved_day
from shared.cloud.firestore import Also, Stored
from shared.cloud.queue import schedulable
from shared.cloud.telemetry import log, log_failure
from shared.cloud.throttle import RefusalNote
from shared.cloud.tracing import annotate
from shared.dependencies import GenerateDeps
from shared.domain.errors import FileStoreFull, LeaseLost, Postponement, TaskFailure, TimeIsUp
from shared.domain.money.calls import in_pico
from shared.domain.money.totals import rows_of_waiting
from shared.domain.service_errors import HandleGone
from shared.domain.tasks import claims
from shared.domain.tasks.postponement import (
    RetryLimits,
    Wait,
    decide_wait,
    next_after_work_at,
    next_try_at,
    seconds_until_retry,
    still_waits,
)
from shared.domain.tasks.task import Task

if TYPE_CHECKING:
    from google.cloud import firestore

_BLOCKED_NOTE = timedelta(seconds=60)
_PAUSED = timedelta(minutes=1)
"""How soon a paused task looks again at first; sweep wakes it once the pause is over."""
_MAX_ROOM_SECONDS = 30.0
_RANDOM = random.Random()  # noqa: S311


async def put_off(deps: GenerateDeps, lease: Lease, failure: TaskFailure | TimeIsUp) -> bool:
    """Put the task off. Return False if it has no attempts left and must fail."""
    if isinstance(failure, HandleGone):
        # What was uploaded is not there any more: the next claim begins anew.
        lease.files = ()
        await retire_cache(deps, lease)
    if isinstance(failure, FileStoreFull):
        await _make_room(deps, lease)
    wait = decide_wait(
        lease.task, failure, _retry_limits(deps), now=deps.clock.now(), answering=lease.answering, random=_RANDOM
    )
    if wait is None:
        return False
    await _put_off(deps, lease, wait, failure.summary if isinstance(failure, TaskFailure) else wait.detail)
    return True


async def _make_room(deps: GenerateDeps, lease: Lease) -> None:
    """Delete files that this environment left behind at the Files API."""
    try:
        until = deps.clock.time() + min(_MAX_ROOM_SECONDS, lease.seconds_left)
        made = await deps.orphan_files.make_room(until=until)
    except Exception as error:  # The task is put off whatever comes of this.
        log_failure("room_not_made", error, task=lease.task.id)
    else:
        if made.deleted:
            log("WARNING", "room_made", f"{made.deleted} of {made.count} files at Gemini were left over: deleted")


async def _put_off(deps: GenerateDeps, lease: Lease, wait: Wait, summary: str) -> None:
    """Release the claim. The dispatch is enqueued first: a crash in between leaves a dispatch, not a lost task."""
    epoch = await _next_dispatch(deps, lease.task, wait.until)
    now, count = deps.clock.now(), await _count_spent(deps, lease)
    try:
        await lease.change(
            lambda task: claims.put_off(
                task,
                lease.token,
                now=now,
                until=wait.until,
                reason=wait.reason,
                detail=wait.detail,
                epoch=epoch,
                counted=wait.counted,
                files=lease.files,
                cache=lease.cache,
                model=lease.model,
                ledger=lease.ledger,
            ),
            count,
        )
    except LeaseLost as lost:
        await end_lost_claim(deps, lease, lost)
        return
    annotate(waiting=wait.reason)
    log(
        "ERROR" if wait.reason == "blocked" else "WARNING",
        "task_put_off",
        summary,
        task=lease.task.id,
        reason=wait.reason,
        until=wait.until.isoformat(),
    )


async def _count_spent(deps: GenerateDeps, lease: Lease) -> Also | None:
    """Return the writes that count what the task's calls have cost so far and end its reservation; None if there are
    none.

    The counters are of the day on which the money was spent, however long the task waits.
    """
    if lease.calls is None:
        # What earlier claims have spent is not known; what they have reserved stays reserved.
        return None
    spent = in_pico(lease.spent)
    more, reserved = spent - lease.ledger.counted, await reserved_day(deps, lease)
    lease.ledger = lease.ledger.model_copy(update={"counted": spent})
    if not more and reserved is None:
        return None

    def count(batch: firestore.AsyncWriteBatch, task: Task) -> None:
        if more:
            deps.totals.add(batch, deps.clock.now(), rows_of_waiting(task, more))
        if reserved is not None:
            deps.reservations.settle(batch, reserved, task.key)

    return count


async def closed_gate(deps: GenerateDeps, task: Task) -> RefusalNote | None:
    """Return what keeps a task from being claimed, the operator's pause or a budget that it waits for, or None."""
    if (pause := await deps.throttle.pause_of(task.owner)) is not None:
        detail = f"paused by {pause.by} since {pause.since.isoformat(timespec='seconds')}"
        return RefusalNote(deps.clock.now() + _PAUSED, "paused", detail)
    if task.waiting is None or task.waiting.reason != "budget":
        return None
    spent = await deps.budgets.spent_budget(task.owner)
    if spent is None or (deps.settings.budget_action == "fail"):
        return None
    return RefusalNote(deps.clock.now() + timedelta(seconds=spent.delay or 0), "budget", spent.message)


async def keep_waiting(deps: GenerateDeps, stored: Stored, note: RefusalNote) -> None:
    """Enqueue the next dispatch of a task whose model is still throttled, without claiming the task."""
    task, now = stored.task, deps.clock.now()
    delay, max_age = (note.until - now).total_seconds(), _retry_limits(deps).max_age
    until = next_try_at(task, note.reason, delay, max_age, now=now, random=_RANDOM)
    epoch = await _next_dispatch(deps, task, until)
    await deps.tasks.change(
        stored,
        lambda current: (
            claims.keep_waiting(current, now=now, until=until, reason=note.reason, detail=note.detail, epoch=epoch)
            if still_waits(current, task, now)
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
        lambda current: claims.redispatch(current, at=at, epoch=epoch) if still_waits(current, task, now) else current,
    )


async def put_off_after_work(deps: GenerateDeps, stored: Stored, failure: Postponement) -> None:
    """Enqueue a dispatch that goes on with the after-work of an ended task."""
    task, now = stored.task, deps.clock.now()
    at = next_after_work_at(task, failure, now=now, random=_RANDOM)
    epoch = await _next_dispatch(deps, task, at)
    await deps.tasks.change(
        stored, lambda current: claims.redispatch(current, at=at, epoch=epoch) if current.after else current
    )


async def _next_dispatch(deps: GenerateDeps, task: Task, at: datetime) -> int:
    """Enqueue the next dispatch and return its epoch.

    A name may be taken: by a holder that put its dispatch and died before its commit. That one may have been delivered
    already, so another is put under the next epoch.
    """
    epoch = task.epoch + 1
    while not await deps.dispatches.enqueue(task, epoch=epoch, at=at):
        epoch += 1
    return epoch


async def leave_throttle_note(deps: GenerateDeps, model: str, refusal: Postponement) -> None:
    """Record that the model refuses calls, so that other dispatches wait too."""
    if refusal.reason in ("rate_limited", "daily_quota", "blocked"):
        now = deps.clock.now()
        delay = _BLOCKED_NOTE if refusal.reason == "blocked" else timedelta(seconds=seconds_until_retry(refusal, now))
        await deps.throttle.leave_note(model, RefusalNote(now + delay, refusal.reason, refusal.summary))


def _retry_limits(deps: GenerateDeps) -> RetryLimits:
    settings = deps.settings
    return RetryLimits(
        settings.max_attempts,
        max_age=timedelta(hours=settings.task_max_age_hours),
        flex=timedelta(hours=settings.flex_patience_hours),
    )
