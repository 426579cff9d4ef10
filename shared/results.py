"""Load a task's results: from its document, or from the results bucket if they are too large for it."""

from __future__ import annotations

import json

from shared.cloud.storage import Storage
from shared.domain.answer.response import Json
from shared.domain.tasks.task import Task
from shared.off_loop import off_loop


async def load_results(storage: Storage, bucket: str, task: Task) -> tuple[Json, ...] | None:
    """Return the results, or None if the task has none or its object in the results `bucket` does not exist."""
    if task.results_pointer is None:
        return task.results
    text = await storage.read(bucket, task.results_pointer.name)
    return None if text is None else tuple(await off_loop(json.loads, text))
