"""What the commit of an outcome leaves to do: publish files, ask for the callback, delete the Gemini files.

Each step may be done again without harm; what is done is struck off the task in one write at the end.
"""

from __future__ import annotations

from functions.generate.inputs import own_names
from functions.generate.publishing import Published, publish
from shared.cloud.firestore import Stored
from shared.cloud.telemetry import log
from shared.domain import claims
from shared.domain.errors import TaskFailure
from shared.domain.task import AfterStep, Task
from shared.wiring import Generate


async def finish_up(road: Generate, stored: Stored) -> bool:
    """Do the after-work of a terminal task. False where some is left for the next delivery of the dispatch."""
    task = stored.task
    done: list[AfterStep] = []
    published = Published()
    for step in task.after:
        try:
            match step:
                case "publish":
                    published = await publish(road, task)
                case "delete_file":
                    await _delete_files(road, task)
                case "callback":
                    await _ask_for_callback(road, task)
        except TaskFailure as failure:
            log("WARNING", "after_work_postponed", failure.message, task=task.id, step=step)
        else:
            done.append(step)
    await road.tasks.change(
        stored, lambda current: claims.tidy(current, tuple(done), published.uris, published.warnings)
    )
    return len(done) == len(task.after)


async def _delete_files(road: Generate, task: Task) -> None:
    recorded = [file.name for file in task.files]
    orphans = own_names(road.settings.environment, task, _inputs(task)) if task.token > 1 or not recorded else []
    for name in dict.fromkeys((*recorded, *orphans)):
        await road.gemini.delete(name)
    if task.cache is not None:
        await _delete_cache(road, task, task.cache.name)


async def _delete_cache(road: Generate, task: Task, name: str) -> None:
    """Not worth another try: it expires within minutes."""
    try:
        await road.gemini.delete_cache(name)
    except TaskFailure as failure:
        log("INFO", "cache_not_deleted", failure.message, task=task.id)


def _inputs(task: Task) -> int:
    """How many inputs may have been uploaded: one of a dropped object, one more than is recorded of a request."""
    most = max((file.input for file in task.files), default=0) + 1
    return most if task.source.kind == "object" else most + 1


async def _ask_for_callback(road: Generate, task: Task) -> None:
    if road.callbacks is None:
        log("WARNING", "callback_dropped", "this deployment has no callback queue", task=task.id)
        return
    await road.callbacks.put(f"{task.key}-callback", {"task": task.id})
