"""Render tasks for callers, with results from the bucket if they are large.

Tasks at rest (ended, nothing left to do, no callback under way) never change again: they are kept in memory.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass

from functions.api.error_answers import task_not_found
from shared.cloud.firestore import Stored
from shared.domain.answer.response import Json
from shared.domain.errors import RequestRefused
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Task, is_task_id
from shared.domain.tasks.view import public, without_results
from shared.wiring import ApiDeps

_KEPT_BYTES = 48 << 20


@dataclass(frozen=True)
class Shown:
    """A task as the API returns it."""

    task: Task
    body: bytes

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


class Shelf:
    """Rendered terminal tasks; the least recently used are dropped first."""

    def __init__(self, limit: int = _KEPT_BYTES) -> None:
        self._limit, self._bytes = limit, 0
        self._shown: OrderedDict[str, Shown] = OrderedDict()

    def get(self, task_id: str) -> Shown | None:
        if (found := self._shown.get(task_id)) is not None:
            self._shown.move_to_end(task_id)
        return found

    def put(self, shown: Shown) -> None:
        if not at_rest(shown.task) or shown.task.id in self._shown or len(shown.body) > self._limit // 4:
            return
        # The body holds the results: the task beside it need not hold them again.
        bare = shown.task.model_copy(update={"results": None, "ran": None})
        self._shown[shown.task.id] = Shown(bare, shown.body)
        self._bytes += len(shown.body)
        while self._bytes > self._limit:
            _, dropped = self._shown.popitem(last=False)
            self._bytes -= len(dropped.body)


_shelf = Shelf()


def at_rest(task: Task) -> bool:
    return task.terminal and not task.open and (task.callback is None or task.callback.state != "pending")


async def find(deps: ApiDeps, key: Key, task_id: str) -> Stored:
    """Return the task. Raises the same 404 if it does not exist or the key may not see it."""
    stored = await deps.tasks.get(task_id) if is_task_id(task_id) else None
    if stored is None or stored.task.id != task_id or not key.sees(stored.task):
        raise task_not_found(task_id)
    return stored


async def look_up(deps: ApiDeps, key: Key, task_id: str) -> Shown:
    if (shown := _shelf.get(task_id)) is not None and key.sees(shown.task):
        return shown
    return await show(deps, (await find(deps, key, task_id)).task)


async def show(deps: ApiDeps, task: Task) -> Shown:
    if (shown := _shelf.get(task.id)) is not None:
        return shown
    shown = Shown(task, encode(public(task, await _results(deps, task))))
    _shelf.put(shown)
    return shown


async def show_to(deps: ApiDeps, key: Key, task: Task) -> Shown:
    """Render the task as `show` does, without results if the key lacks the scope `read`."""
    if "read" in key.scopes:
        return await show(deps, task)
    return Shown(task, encode(public(without_results(task))))


def encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


async def _results(deps: ApiDeps, task: Task) -> tuple[Json, ...] | None:
    if task.results_pointer is None:
        return task.results
    raw = await deps.storage.read(deps.settings.results_bucket, task.results_pointer.name)
    if raw is None:
        message = f"The results of {task.id} are not in the results bucket any more."
        raise RequestRefused(500, "server_error", "results_missing", message)
    return tuple(json.loads(raw))
