"""What the commit of an outcome leaves to do: publish files, ask for the callback, delete the Gemini files.

Each step may be done again without harm; what is done is struck off the task in one write at the end.
"""

from __future__ import annotations

import json
from typing import cast

from functions.generate.inputs import own_names
from shared.cloud.firestore import Stored
from shared.cloud.telemetry import log
from shared.domain import claims
from shared.domain.answer import Json
from shared.domain.errors import TaskFailure
from shared.domain.recipe import Recipe
from shared.domain.task import AfterStep, Task
from shared.domain.view import public
from shared.wiring import Generate

_TYPES = {"md": "text/markdown; charset=utf-8", "txt": "text/plain; charset=utf-8", "json": "application/json"}


async def finish_up(road: Generate, stored: Stored) -> bool:
    """Do the after-work of a terminal task. False where some is left for the next delivery of the dispatch."""
    task = stored.task
    done: list[AfterStep] = []
    outputs: tuple[str, ...] = ()
    for step in task.after:
        try:
            match step:
                case "publish":
                    outputs = await _publish(road, task)
                case "delete_file":
                    await _delete_files(road, task)
                case "callback":
                    await _ask_for_callback(road, task)
        except TaskFailure as failure:
            log("WARNING", "after_work_postponed", failure.message, task=task.id, step=step)
        else:
            done.append(step)
    await road.tasks.change(stored, lambda current: claims.tidy(current, tuple(done), outputs))
    return len(done) == len(task.after)


async def _publish(road: Generate, task: Task) -> tuple[str, ...]:
    """Write the task, and what its recipe makes, beside the results; returns the `gs://` names."""
    results = await results_of(road, task)
    files: dict[str, tuple[bytes, str]] = {}
    if results:
        content = str(cast(Json, cast(list[Json], results[0]["choices"])[0]["message"])["content"] or "")
        for ending in Recipe.model_validate(task.ran.snapshot).outputs if task.ran else ():
            files[ending] = (content.encode(), _TYPES[ending])
    stem = f"{task.source.bucket}/{task.source.name}"
    names = [f"{stem}.{ending}" for ending in (*files, "task.json")]
    uris = tuple(f"gs://{road.settings.results_bucket}/{name}" for name in names)
    shown = public(task.model_copy(update={"outputs": uris}), results)
    files["task.json"] = (json.dumps(shown, ensure_ascii=False, indent=2).encode(), "application/json")
    for name, (data, content_type) in zip(names, files.values(), strict=True):
        await _write_unless_newer(road, task, name, data, content_type)
    return uris


async def results_of(road: Generate, task: Task) -> tuple[Json, ...] | None:
    if task.results_pointer is None:
        return task.results
    raw = await road.storage.read(road.settings.results_bucket, task.results_pointer.name)
    return None if raw is None else tuple(json.loads(raw))


async def _write_unless_newer(road: Generate, task: Task, name: str, data: bytes, content_type: str) -> None:
    """An older generation's task never overwrites what a newer one published."""
    mark = {"dropsight-generation": str(task.source.generation), "dropsight-task": task.id}
    bucket, expected = road.settings.results_bucket, 0
    while True:
        written = await road.storage.write(
            bucket, name, data, content_type, if_generation=expected, metadata=mark, disposition="attachment"
        )
        if written is not None:
            return
        found = await road.storage.stat(bucket, name)
        if found is not None and int(found.metadata.get("dropsight-generation", 0)) > task.source.generation:
            return
        expected = 0 if found is None else found.generation


async def _delete_files(road: Generate, task: Task) -> None:
    recorded = [file.name for file in task.files]
    orphans = own_names(road.settings.environment, task) if task.token > 1 or not recorded else []
    for name in dict.fromkeys((*recorded, *orphans)):
        await road.gemini.delete(name)


async def _ask_for_callback(road: Generate, task: Task) -> None:
    raise NotImplementedError(f"{task.id}: callbacks are not offered yet")
