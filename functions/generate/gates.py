"""What keeps a task from being claimed at all: the operator's pause, and a budget that it waits for."""

from __future__ import annotations

from datetime import timedelta

from shared.cloud.throttle import RefusalNote
from shared.dependencies import GenerateDeps
from shared.domain.tasks.task import Task

_PAUSED = timedelta(minutes=1)
"""How soon a paused task looks again at first; sweep wakes it once the pause is over."""


async def closed_gate(deps: GenerateDeps, task: Task) -> RefusalNote | None:
    """Return why the task goes on waiting without being claimed, or None."""
    if (pause := await deps.throttle.pause_of(task.owner)) is not None:
        detail = f"paused by {pause.by} since {pause.since.isoformat(timespec='seconds')}"
        return RefusalNote(deps.clock.now() + _PAUSED, "paused", detail)
    if task.waiting is None or task.waiting.reason != "budget":
        return None
    spent = await deps.budgets.spent_budget(task.owner)
    if spent is None or (deps.settings.budget_action == "fail"):
        return None
    return RefusalNote(deps.clock.now() + timedelta(seconds=spent.delay or 0), "budget", spent.message)
