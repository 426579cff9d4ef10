"""Count the rows of an answer against the text of the PDF that was dropped, and name those that are missing."""

from __future__ import annotations

import threading
from functools import partial

from pydantic import JsonValue

from shared.cloud.object_stream import SourceVanished
from shared.dependencies import GenerateDeps
from shared.domain import media
from shared.domain.checks.rows import RowCount, rows_of, warnings_of_rows
from shared.domain.errors import PermanentFailure
from shared.domain.tasks.task import Task
from shared.examiner import Threaded
from shared.off_loop import off_loop


async def warn_of_missing_rows(deps: GenerateDeps, task: Task, value: JsonValue, text: str) -> list[str]:
    """Return the warnings about a dropped object's rows. `value`: the structured answer; of others, `text` is read."""
    rows = await off_loop(rows_of, value, text)
    if task.source.kind != "object" or not rows:
        return []
    async with deps.transfers.slot():
        return warnings_of_rows(await _count(deps, task, rows))


async def _count(deps: GenerateDeps, task: Task, rows: list[list[str]]) -> RowCount:
    unknown, source = RowCount(None, len(rows)), task.source
    try:
        stored = await deps.storage.stat(source.bucket, source.name)
        if stored is None or stored.generation != source.generation:
            return unknown
        stored = await deps.storage.readable(stored, threading.Event())
        ranges = deps.storage.ranges(stored, b"")
        kind = await deps.storage.in_thread(partial(media.identify, ranges, stored.name, stored.content_type))
        if isinstance(kind, media.Refusal):
            return unknown
        return await deps.examiner.count_rows(Threaded(ranges, deps.storage.in_thread), kind, rows)
    except (PermanentFailure, SourceVanished):
        return unknown
