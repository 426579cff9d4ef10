"""Dispatch tasks again that wait for a pause or a budget, once neither is in their way."""

from __future__ import annotations

from datetime import datetime

from shared.budgets import Budgets
from shared.cloud.firestore import Stored, Tasks
from shared.cloud.queue import Dispatches
from shared.cloud.throttle import Throttle
from shared.domain.tasks.task import Task


async def is_gate_open(task: Task, throttle: Throttle, budgets: Budgets) -> bool:
    """Return whether the task waits for a pause or a budget that is not in its way any more."""
    if task.terminal or task.waiting is None or task.waiting.reason not in ("paused", "budget"):
        return False
    return await throttle.pause_of(task.owner) is None and not await budgets.is_spent(task.owner)


async def wake(dispatches: Dispatches, task: Task, now: datetime) -> bool:
    """Enqueue a dispatch for now, in addition to the later one. Return False if that was already done this minute."""
    return await dispatches.enqueue(task, suffix=f"woken-{int(now.timestamp()) // 60}")


async def wake_waiting_tasks(
    tasks: Tasks, dispatches: Dispatches, throttle: Throttle, budgets: Budgets, *, now: datetime, most: int
) -> int:
    """Wake up to `most` tasks, and return how many."""
    woken = 0
    async for stored in tasks.open_tasks():
        if isinstance(stored, Stored) and await is_gate_open(stored.task, throttle, budgets):
            woken += await wake(dispatches, stored.task, now)
        if woken >= most:
            break
    return woken
