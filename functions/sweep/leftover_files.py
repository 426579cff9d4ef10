"""Files of this environment at the Files API that no task needs any more; the 48 h expiry is only the last net."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

from google.genai import types

from shared.domain.task import Task
from shared.wiring import Sweep

_MINIMUM_AGE = timedelta(minutes=2)
"""A younger file may belong to a claim that is being written at this moment."""


async def delete_leftovers(road: Sweep, found: Counter[str]) -> None:
    """Delete what is ours by its name and belongs to no task that still works on it."""
    ours = re.compile(rf"files/{re.escape(road.settings.environment)}-([a-z0-9]{{8}})(\d{{10}})-\d+-(\d+)[a-z]?")
    leftovers: list[str] = []
    async for file in road.gemini.files():
        name = ours.fullmatch(file.name or "")
        if name is None:
            continue
        found["files_seen"] += 1
        stored = await road.tasks.get(f"task-llm-{name[2]}-{name[1]}")
        if not _young(road, file) and not _needed(stored.task if stored else None, file, int(name[3])):
            leftovers.append(file.name or "")
    for leftover in leftovers:
        await road.gemini.delete(leftover)
    found["files_deleted"] += len(leftovers)


def _young(road: Sweep, file: types.File) -> bool:
    return file.create_time is not None and road.clock.now() - file.create_time < _MINIMUM_AGE


def _needed(task: Task | None, file: types.File, token: int) -> bool:
    """A task's own recorded handles, and what its latest claim uploads, are needed until it has ended."""
    if task is None or task.terminal:
        return False
    return token >= task.token or any(known.name == file.name for known in task.files)
