"""Render tasks for callers, with results from the bucket if they are large.

Tasks at rest (ended, with no after-work and no pending callback) never change again, so they are cached in memory.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from cachetools import LRUCache
from starlette.responses import Response

from functions.api.error_answers import task_not_found
from functions.api.json_body import encode_json
from functions.api.request_state import request_state
from shared.cloud.firestore import Stored
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.errors import RequestRefused
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Task, is_task_id
from shared.domain.tasks.view import public, without_results
from shared.results import load_results

PRIVATE = {"Cache-Control": "private, no-cache"}
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
_KEPT_BYTES = 48 << 20
_REVISION = os.environ.get("K_REVISION", "")


@dataclass(frozen=True)
class RenderedTask:
    """A task as the API returns it."""

    task: Task
    body: bytes

    @property
    def etag(self) -> str:
        return entity_tag(self.task.change) or f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


def entity_tag(change: str) -> str | None:
    """Return the ETag of a task after this change, as this revision renders it; None if `change` is empty."""
    return f'"{hashlib.sha256(f"{_REVISION} {change}".encode()).hexdigest()[:32]}"' if change else None


class RenderedTasks:
    """A cache of rendered terminal tasks; the least recently used are dropped first."""

    def __init__(self, limit: int = _KEPT_BYTES) -> None:
        self._largest = limit // 4
        self._rendered: LRUCache[str, RenderedTask] = LRUCache(limit, lambda rendered: len(rendered.body))

    def get(self, task_id: str) -> RenderedTask | None:
        return self._rendered.get(task_id)

    def put(self, rendered: RenderedTask) -> None:
        task = rendered.task
        if is_at_rest(task) and task.id not in self._rendered and len(rendered.body) <= self._largest:
            # The body contains the results, so the cached task need not.
            bare = task.model_copy(update={"results": None, "ran": None})
            self._rendered[task.id] = RenderedTask(bare, rendered.body)


_rendered = RenderedTasks()


def rendered_lately(task_id: str) -> RenderedTask | None:
    """Return the task if this instance has it in its cache, else None."""
    return _rendered.get(task_id)


def is_at_rest(task: Task) -> bool:
    return task.terminal and not task.open and (task.callback is None or task.callback.state != "pending")


async def find_task(deps: ApiDeps, key: Key, task_id: str) -> Stored:
    """Return the task. Raises the same 404 if it does not exist or the key may not see it."""
    undecoded = request_state().document
    if undecoded is not None:
        stored: Stored | None = undecoded.decode()
    else:
        stored = await deps.tasks.get(task_id) if is_task_id(task_id) else None
    if stored is None or stored.task.id != task_id or not key.sees(stored.task):
        raise task_not_found(task_id)
    return stored


async def load_rendered(deps: ApiDeps, key: Key, task_id: str) -> RenderedTask:
    if (rendered := _rendered.get(task_id)) is not None and key.sees(rendered.task):
        return rendered
    return await render_task(deps, (await find_task(deps, key, task_id)).task)


async def render_task(deps: ApiDeps, task: Task) -> RenderedTask:
    if (rendered := _rendered.get(task.id)) is not None:
        return rendered
    rendered = RenderedTask(task, encode_json(public(task, await _results(deps, task))))
    _rendered.put(rendered)
    return rendered


async def render_for(deps: ApiDeps, key: Key, task: Task) -> RenderedTask:
    """Render the task, without its results if the key lacks the scope `read`."""
    if "read" in key.scopes:
        return await render_task(deps, task)
    return RenderedTask(task, encode_json(public(without_results(task))))


def render_brief(task: Task) -> bytes:
    """Render the task without its results, which can be as large as an answer."""
    return encode_json(public(task.model_copy(update={"results": None, "results_pointer": None})))


def task_response(rendered: RenderedTask, if_none_match: str | None) -> Response:
    """Return 200 with the task, or 304 if the caller's ETag still matches."""
    headers = {**PRIVATE, "ETag": rendered.etag}
    if is_named(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if not rendered.task.terminal:
        headers["Retry-After"] = "2"
    return Response(rendered.body, headers=headers, media_type="application/json")


def is_named(if_none_match: str | None, etag: str) -> bool:
    """Return whether a list of entity tags, strong or weak, names this one (RFC 9110, section 13.1.2)."""
    header = (if_none_match or "").strip()
    return header == "*" or etag in _ENTITY_TAG.findall(header)


async def _results(deps: ApiDeps, task: Task) -> tuple[Json, ...] | None:
    results = await load_results(deps.storage, deps.settings.results_bucket, task)
    if results is None and task.results_pointer is not None:
        message = f"The results of {task.id} are not in the results bucket any more."
        raise RequestRefused(500, "results_missing", message)
    return results
