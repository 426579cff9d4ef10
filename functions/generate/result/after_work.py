"""Do what is left once an outcome is committed: publish files, enqueue the callback, delete the Gemini files.

Steps run side by side, and each may be done again without harm; what is done is struck off the task in one write at
the end. What fails keeps nothing else from being done, and is tried again for as long as a task may last; then it is
given up, with a warning.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import NamedTuple

from functions.generate.question.upload import own_names
from functions.generate.result.publishing import Published, publish
from shared.cloud.firestore import Stored
from shared.cloud.telemetry import log, log_bug
from shared.domain.errors import TaskFailure
from shared.domain.tasks import claims
from shared.domain.tasks.task import AfterStep, Task
from shared.wiring import GenerateDeps

_UNDONE: dict[AfterStep, str] = {
    "publish": "The files could not be published",
    "callback": "The callback could not be put on its way",
    "delete_file": "The files at Gemini could not be deleted; they expire by themselves",
}


async def run_after_work(deps: GenerateDeps, stored: Stored) -> bool:
    """Do the after-work of a terminal task. Return False if some is left for the next delivery of the dispatch."""
    done = await _do(deps, stored, [step for step in stored.task.after if step != "callback"])
    if done is not None and "callback" in stored.task.after:
        # It tells of the files too: it goes out once they stand on the task.
        done = await _do(deps, done, ["callback"])
    return done is None or not done.task.after


async def _do(deps: GenerateDeps, stored: Stored, steps: list[AfterStep]) -> Stored | None:
    """Do the steps and return the task without those that succeeded; None if the document is gone."""
    attempts = await asyncio.gather(*(_attempt(deps, stored.task, step) for step in steps))
    ended = [attempt for attempt in attempts if attempt is not None]
    done = tuple(attempt.step for attempt in ended)
    uris = tuple(uri for attempt in ended for uri in attempt.published.uris)
    warnings = tuple(warning for attempt in ended for warning in attempt.published.warnings)
    return await deps.tasks.change(
        stored, lambda current: claims.tidy(current, done, uris, warnings) if done else current
    )


class _Ended(NamedTuple):
    """A step that is done or given up."""

    step: AfterStep
    published: Published = Published()


async def _attempt(deps: GenerateDeps, task: Task, step: AfterStep) -> _Ended | None:
    """Try one step; return None if it is to be tried again."""
    try:
        match step:
            case "publish":
                return _Ended(step, await publish(deps, task))
            case "delete_file":
                await _delete_files(deps, task)
            case "callback":
                await _ask_for_callback(deps, task)
    except Exception as error:
        why = _told(error, task, step)
        return _Ended(step, Published(warnings=(f"{_UNDONE[step]}: {why}",))) if _in_vain(deps, task) else None
    return _Ended(step)


def _told(error: Exception, task: Task, step: AfterStep) -> str:
    if isinstance(error, TaskFailure):
        log("WARNING", "after_work_postponed", error.message, task=task.id, step=step)
        return error.message
    log_bug("after_work_failed", error, task=task.id, step=step)
    return f"an internal error ({type(error).__name__})"


def _in_vain(deps: GenerateDeps, task: Task) -> bool:
    ended = task.completed_at or task.accepted_at
    return deps.clock.now() - ended > timedelta(hours=deps.settings.task_max_age_hours)


async def _delete_files(deps: GenerateDeps, task: Task) -> None:
    recorded = [file.name for file in task.files]
    orphans = own_names(deps.settings.environment, task, _inputs(task)) if task.token > 1 or not recorded else []
    for name in dict.fromkeys((*recorded, *orphans)):
        await deps.gemini.delete(name)
    if task.cache is not None and not task.cache.left:
        await _delete_cache(deps, task, task.cache.name)


async def _delete_cache(deps: GenerateDeps, task: Task, name: str) -> None:
    """Delete the context cache; failures are logged only, since it expires within minutes."""
    try:
        await deps.gemini.delete_cache(name)
    except TaskFailure as failure:
        log("INFO", "cache_not_deleted", failure.message, task=task.id)


def _inputs(task: Task) -> int:
    """Return how many inputs may have been uploaded: one for an object, one more than recorded for a request."""
    most = max((file.input for file in task.files), default=0) + 1
    return most if task.source.kind == "object" else most + 1


async def _ask_for_callback(deps: GenerateDeps, task: Task) -> None:
    if deps.callbacks is None:
        log("WARNING", "callback_dropped", "this deployment has no callback queue", task=task.id)
        return
    await deps.callbacks.enqueue(f"{task.key}-callback", {"task": task.id})
