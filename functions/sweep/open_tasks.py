"""Dispatch open tasks again whose dispatch was lost or whose worker died."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from pydantic import BaseModel

from functions.sweep.bucket_scan import cooldown_after
from shared.cloud.firestore import Stored, UnreadableTask
from shared.cloud.telemetry import log, log_failure
from shared.cloud.tracing import current_context, span
from shared.dependencies import SweepDeps
from shared.domain.tasks import claims
from shared.domain.tasks.task import Task
from shared.waking import is_gate_open, wake

_NOTE = "open_tasks"


class ReadState(BaseModel):
    """How far the open tasks have been read."""

    after: str = ""
    """The key to continue after; empty if all were read."""
    read: int = 0
    done_at: datetime | None = None


async def redrive_all(deps: SweepDeps, tally: Counter[str], *, stop_at: float, scheduled: bool) -> None:
    """Read open tasks from where the last run stopped.

    After a run that read many, scheduled runs pause for a cooldown, since each read is billed.
    """
    progress = ReadState.model_validate(await deps.notes.read(_NOTE) or {})
    cooldown = cooldown_after(deps.settings, read=progress.read)
    if scheduled and progress.done_at is not None and deps.clock.now() < progress.done_at + cooldown:
        return
    if not progress.after:
        progress = ReadState()
    try:
        if await _continue_reading(deps, progress, tally, stop_at):
            progress = ReadState(read=progress.read, done_at=deps.clock.now())
    finally:
        await deps.notes.write(_NOTE, progress.model_dump())


async def _continue_reading(deps: SweepDeps, progress: ReadState, tally: Counter[str], stop_at: float) -> bool:
    """Read open tasks page by page; return whether the end was reached."""
    async for stored in deps.tasks.open_tasks(after=progress.after):
        if isinstance(stored, UnreadableTask):
            tally["errors"] += 1
            log("ERROR", "task_unreadable", str(stored), key=stored.key)
            progress.after = stored.key
        else:
            await _repair_one(deps, stored, tally)
            progress.after = stored.task.key
        progress.read += 1
        if deps.clock.time() > stop_at:
            return False
    return True


async def _repair_one(deps: SweepDeps, stored: Stored, tally: Counter[str]) -> None:
    """Repair one task. Its failure is logged, so that the tasks after it are still repaired."""
    try:
        await redrive(deps, stored, tally)
    except Exception as error:
        tally["errors"] += 1
        log_failure("sweep_task_failed", error, task=stored.task.id)


async def redrive(deps: SweepDeps, stored: Stored, tally: Counter[str]) -> None:
    """Enqueue the task's next dispatch, unless the task is leased, not due, or has one on the queue.

    A task whose lease ended long ago is redriven in any case: its dispatch may be held by a worker that never answers.
    """
    tally["open_tasks"] += 1
    task = stored.task
    if await is_gate_open(task, deps.throttle, deps.budgets):
        with span("wake", parent=task.trace, task=task.id):
            woken = await wake(deps.dispatches, task, deps.clock.now())
            tally["woken"] += woken
        return
    if not is_overdue(deps, task):
        return
    repair = _redrive_callback if task.terminal and not task.after else _redrive_task
    with span("redrive", parent=task.trace, task=task.id):
        kind = await repair(deps, stored)
    if kind is not None:
        tally[kind] += 1
        log("WARNING", "sweep_redrove", f"{kind}: dispatched again", task=task.id, kind=kind)


async def _redrive_task(deps: SweepDeps, stored: Stored) -> str | None:
    """Enqueue a dispatch and return what to count it as. A dead holder may have used the epoch's name already."""
    task = stored.task
    if task.lease_until is None and await deps.dispatches.is_enqueued(task):
        return None
    current: Stored | None = stored
    while current is not None:
        current = await _next_epoch(deps, current)
        if current is not None and await deps.dispatches.enqueue(current.task):
            return _repair_kind(task)
    return None


async def _redrive_callback(deps: SweepDeps, stored: Stored) -> str | None:
    """Enqueue the notice of a pending callback again, in case it was lost."""
    task = stored.task
    if deps.callbacks is None:
        assert task.callback is not None
        given_up = task.callback.model_copy(
            update={"state": "unreachable", "last_error": "this deployment has no callback queue"}
        )
        await deps.tasks.change(stored, lambda current: claims.record_callback(current, given_up))
        return None
    first, latest = f"{task.key}-callback", f"{task.key}-callback-{task.epoch}"
    if await deps.callbacks.has_dispatch(latest) or await deps.callbacks.has_dispatch(first):
        return None
    current = await _next_epoch(deps, stored)
    if current is None:
        return None
    await deps.callbacks.enqueue(
        f"{task.key}-callback-{current.task.epoch}", {"task": task.id, "trace": current_context()}
    )
    return _repair_kind(task)


async def _next_epoch(deps: SweepDeps, listed: Stored) -> Stored | None:
    """Return the task, or None if it changed since it was listed."""
    has_changed = False

    def next_epoch(current: Task) -> Task:
        nonlocal has_changed
        has_changed = _dispatch_state(current) != _dispatch_state(listed.task)
        return current if has_changed else claims.redispatch(current, at=deps.clock.now())

    changed = await deps.tasks.change(listed, next_epoch)
    return None if has_changed else changed


def _dispatch_state(task: Task) -> tuple[object, ...]:
    return task.open, task.epoch, task.dispatch_at, task.lease_until


def is_overdue(deps: SweepDeps, task: Task) -> bool:
    """Return whether something that should have happened is overdue by more than the grace period."""
    late = deps.clock.now() - timedelta(seconds=deps.settings.grace_seconds)
    moments = [moment for moment in (task.accepted_at, task.dispatch_at, task.lease_until) if moment is not None]
    return max(moments) <= late


def _repair_kind(task: Task) -> str:
    if task.terminal:
        return "after_work_unfinished"
    return "leases_expired" if task.lease_until is not None else "dispatches_lost"
