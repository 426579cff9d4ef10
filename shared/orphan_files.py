"""Delete files of this environment at the Files API that no task needs, well before their 48 h expiry.

sweep deletes them by schedule, generate when the Files API's store is full.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta

from google.genai import types

from shared.clock import Clock
from shared.cloud.firestore import Tasks, UnreadableTask
from shared.cloud.gemini import Gemini
from shared.cloud.telemetry import log
from shared.domain.errors import PermanentFailure
from shared.domain.tasks.task import Task

_MINIMUM_AGE = timedelta(minutes=2)
"""Minimum age of an orphan: a younger file may belong to a claim that is just being committed."""
_BATCH = 100
_PAUSE_SECONDS = 60.0
"""Minimum time between two attempts of an instance to make room."""


@dataclass(frozen=True)
class Deleted:
    count: int = 0
    """Files of this environment."""
    deleted: int = 0
    refused: int = 0
    """Files that the service would not delete."""


class OrphanFiles:
    """`environment` is the tag in the names of this environment's files; other files are left alone."""

    def __init__(self, gemini: Gemini, tasks: Tasks, clock: Clock, environment: str) -> None:
        self._gemini, self._tasks, self._clock = gemini, tasks, clock
        self._ours = re.compile(rf"files/{re.escape(environment)}-([a-z0-9]{{8}})(\d{{10}})-\d+-(\d+)[a-z]?")
        self._made_room_at = -math.inf

    async def delete(self, *, until: float = math.inf) -> Deleted:
        """Delete files of this environment that no open task needs. `until` is in seconds of the clock.

        Deleting begins once all files are listed or half of the time has passed, because a deletion shifts the pages.
        """
        began = self._clock.time()
        count, orphans = await self._list_orphans(until=began + (until - began) / 2)
        deleted = refused = 0
        for name in orphans:
            if self._clock.time() > until:
                break
            try:
                await self._gemini.delete(name)
                deleted += 1
            except PermanentFailure as failure:
                refused += 1
                log("ERROR", "file_not_deleted", failure.summary, file=name)
        return Deleted(count, deleted, refused)

    async def _list_orphans(self, *, until: float) -> tuple[int, list[str]]:
        """Return how many files this environment has, and the names of the files that no task needs."""
        count, orphans, batch = 0, list[str](), list[types.File]()
        async for file in self._gemini.files():
            if self._ours.fullmatch(file.name or ""):
                count += 1
                batch.append(file)
            if len(batch) == _BATCH:
                orphans += await self._select_orphans(batch)
                batch = []
            if self._clock.time() > until:
                break
        return count, orphans + await self._select_orphans(batch)

    async def make_room(self, *, until: float = math.inf) -> Deleted:
        """Delete orphans as `delete` does, at most once a minute."""
        if self._clock.time() - self._made_room_at < _PAUSE_SECONDS:
            return Deleted()
        self._made_room_at = self._clock.time()
        return await self.delete(until=until)

    async def _select_orphans(self, files: list[types.File]) -> list[str]:
        claims = {file.name or "": self._claim_of(file.name or "") for file in files if not self._young(file)}
        tasks = await self._tasks.get_many(list({task_id for task_id, _ in claims.values()}))
        return [name for name, (task_id, token) in claims.items() if not needed(tasks.get(task_id), name, token)]

    def _claim_of(self, name: str) -> tuple[str, int]:
        """Return the task key and claim token in a file's name."""
        match = self._ours.fullmatch(name)
        assert match is not None
        return f"task-llm-{match[2]}-{match[1]}", int(match[3])

    def _young(self, file: types.File) -> bool:
        return file.create_time is not None and self._clock.now() - file.create_time < _MINIMUM_AGE


def needed(task: Task | UnreadableTask | None, name: str, token: int) -> bool:
    """Return whether an open task has recorded the file, or its latest claim may be uploading it.

    A task that has yet to be added to its index counts as open: its files are imported, and its answer is uploaded.
    """
    if isinstance(task, UnreadableTask):
        return True
    if task is None or (task.terminal and "index" not in task.after):
        return False
    return token >= task.token or any(recorded.name == name for recorded in task.files)
