"""Do the work that follows the outcome's commit: publish files, enqueue the callback, send the event, delete the
Gemini files.

Steps run concurrently, and repeating one is harmless. One write at the end removes the completed steps from the task. A
step that fails does not stop the others. It is retried until the task's age limit, and then given up with a warning. A
file that an index will never accept is given up at once; one whose import a budget is against waits for the budget.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from functions.generate.model.cancelled import count_calls
from functions.generate.model.context_cache import delete_cache
from functions.generate.model.spending import earlier_reservation
from functions.generate.postponement import put_off_after_work
from functions.generate.question.upload import own_names
from functions.generate.result.indexing import add_to_index, leave_out_of_index
from functions.generate.result.publishing import Published, publish
from shared.cloud.firestore import Stored
from shared.cloud.telemetry import log, log_failure
from shared.cloud.tracing import current_context, span
from shared.dependencies import GenerateDeps
from shared.domain.errors import BudgetSpent, PermanentFailure, TaskFailure
from shared.domain.money.indexing import row_of_indexing, with_indexing
from shared.domain.splitting.plan import is_part_source
from shared.domain.tasks import claims
from shared.domain.tasks.event import event_of
from shared.domain.tasks.task import AfterStep, Task

if TYPE_CHECKING:
    from google.cloud import firestore

_UNDONE: dict[AfterStep, str] = {
    "index": "The file could not be added to its index",
    "publish": "The files could not be published",
    "callback": "The callback could not be put on its way",
    "event": "The event could not be sent",
    "delete_file": "The files at Gemini could not be deleted; they expire by themselves",
}

_NOTICES: tuple[AfterStep, ...] = ("callback", "event")
"""Steps that notify others of the task's end."""


async def run_after_work(deps: GenerateDeps, stored: Stored) -> bool:
    """Do the after-work of a terminal task. Return False if steps are left for the next delivery of the dispatch."""
    counted = await _count_cancelled(deps, stored)
    if counted is None:
        return True
    stored = counted
    with span("after_work"):
        return await _run(deps, stored)


async def _run(deps: GenerateDeps, stored: Stored) -> bool:
    steps = [step for step in stored.task.after if step not in _NOTICES]
    indexed = "index" in steps
    if indexed:
        # The index imports the uploaded file, so the file is deleted afterwards.
        steps = [step for step in steps if step != "delete_file"]
        without_cache = await _delete_cache_early(deps, stored)
        if without_cache is None:
            return True
        stored = without_cache
    done, waits_for = await _do(deps, stored, steps)
    if indexed and done is not None and "index" not in done.task.after and "delete_file" in done.task.after:
        done, _ = await _do(deps, done, ["delete_file"])
    if done is not None and (notices := [step for step in stored.task.after if step in _NOTICES]):
        # Notices contain the published files, so they are sent once the files are recorded on the task.
        done, _ = await _do(deps, done, notices)
    if done is not None and waits_for is not None and {"index", "delete_file"}.issuperset(done.task.after):
        await put_off_after_work(deps, done, waits_for)
        return True
    return done is None or not done.task.after


async def _delete_cache_early(deps: GenerateDeps, stored: Stored) -> Stored | None:
    """Delete the context cache, whose storage is counted up to the task's end, before files that an import waits for.

    Return the task without it, or None if its document is gone.
    """
    cache = stored.task.cache
    if cache is None or cache.left or not await delete_cache(deps, stored.task, cache.name):
        return stored
    return await deps.tasks.change(stored, lambda current: current.model_copy(update={"cache": None}))


async def _count_cancelled(deps: GenerateDeps, stored: Stored) -> Stored | None:
    """Record the cost of a cancelled task's calls, which the canceller did not know. None if the document is gone."""
    task = stored.task
    if task.usage is not None or not task.is_cancelled:
        return stored
    try:
        return await count_calls(deps, stored)
    except Exception as error:  # A failed count must not stop the other steps.
        log_failure("calls_not_counted", error, task=task.id)
        return stored


async def _do(deps: GenerateDeps, stored: Stored, steps: list[AfterStep]) -> tuple[Stored | None, BudgetSpent | None]:
    """Do the steps. Return the task without those that succeeded, and the budget that a step waits for.

    Instead of the task, None if its document is gone.
    """
    attempts = await asyncio.gather(*(_attempt(deps, stored.task, step) for step in steps))
    ended = [attempt for attempt in attempts if isinstance(attempt, _Ended)]
    waits_for = next((attempt for attempt in attempts if isinstance(attempt, BudgetSpent)), None)
    done = tuple(attempt.step for attempt in ended)
    uris = tuple(uri for attempt in ended for uri in attempt.published.uris)
    warnings = tuple(warning for attempt in ended for warning in attempt.published.warnings)
    children = tuple(child for attempt in ended for child in attempt.published.children)
    tokens, owed = sum(attempt.indexed_tokens for attempt in ended), 0
    reserved = await earlier_reservation(deps, stored.task) if "index" in done else None

    def tidied(current: Task) -> Task:
        nonlocal owed
        if not done:
            return current
        # If the step is gone, another instance has completed it and counted its tokens.
        owed = tokens if "index" in current.after else 0
        return with_indexing(claims.tidy(current, done, uris, warnings, children), owed)

    def counted(batch: firestore.AsyncWriteBatch, task: Task) -> None:
        if owed:
            deps.totals.add(batch, deps.clock.now(), row_of_indexing(task, owed))
        if reserved is not None:
            deps.reservations.settle(batch, reserved, task.key)

    return await deps.tasks.change(stored, tidied, counted if tokens or reserved else None), waits_for


class _Ended(NamedTuple):
    """The result of a step that succeeded or was given up."""

    step: AfterStep
    published: Published = Published()
    indexed_tokens: int = 0


async def _attempt(deps: GenerateDeps, task: Task, step: AfterStep) -> _Ended | BudgetSpent | None:
    """Try one step. If it has to be tried again, return the budget that it waits for, or None."""
    try:
        match step:
            case "publish":
                return _Ended(step, await publish(deps, task))
            case "index":
                indexed = await add_to_index(deps, task)
                return _Ended(step, Published(warnings=indexed.warnings), indexed.tokens)
            case "delete_file":
                await _delete_files(deps, task)
            case "callback":
                await _ask_for_callback(deps, task)
            case "event":
                await _send_event(deps, task)
    except Exception as error:
        return await _after_failure(deps, task, step, error)
    return _Ended(step)


async def _after_failure(
    deps: GenerateDeps, task: Task, step: AfterStep, error: Exception
) -> _Ended | BudgetSpent | None:
    """Give the step up if another try is in vain. Otherwise return the budget that it waits for, or None."""
    why, is_late = _told(error, task, step), _in_vain(deps, task)
    never = step == "index" and isinstance(error, PermanentFailure)
    if not never and not is_late:
        return error if isinstance(error, BudgetSpent) else None
    tokens = 0
    if step == "index":
        try:
            tokens = await leave_out_of_index(deps, task)
        except Exception as failure:
            _told(failure, task, step)
            if not is_late:
                return None
    return _Ended(step, Published(warnings=(f"{_UNDONE[step]}: {why}",)), tokens)


def _told(error: Exception, task: Task, step: AfterStep) -> str:
    if isinstance(error, TaskFailure):
        log("WARNING", "after_work_postponed", error.summary, task=task.id, step=step)
        return error.message
    log_failure("after_work_failed", error, task=task.id, step=step)
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
        await delete_cache(deps, task, task.cache.name)


def _inputs(task: Task) -> int:
    """Return how many inputs may have been uploaded: one for an object; with several inputs, one more than recorded."""
    most = max((file.input for file in task.files), default=0) + 1
    several = task.source.kind != "object" or any(is_part_source(file.source) for file in task.files)
    return most + 1 if several else most


async def _ask_for_callback(deps: GenerateDeps, task: Task) -> None:
    if deps.callbacks is None:
        log("WARNING", "callback_dropped", "this deployment has no callback queue", task=task.id)
        return
    await deps.callbacks.enqueue(f"{task.key}-callback", {"task": task.id, "trace": current_context()})


async def _send_event(deps: GenerateDeps, task: Task) -> None:
    if deps.events is None:
        log("WARNING", "event_dropped", "this deployment has no topic for events any more", task=task.id)
        return
    settings = deps.settings
    event = event_of(
        task, project=settings.project, environment=settings.environment, results_bucket=settings.results_bucket
    )
    await deps.events.publish(event)
    log("INFO", "event_sent", f"told of the end of {task.id}", task=task.id)
