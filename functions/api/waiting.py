"""Wait for the end of a task: `sync: true`, and `?wait=` of a look-up."""

from __future__ import annotations

import json
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from functions.api.follower import followers, wait_for_change
from functions.api.json_body import encode_json
from functions.api.task_body import render_task
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.errors import FailureCode, RequestRefused
from shared.domain.tasks.task import Task

_CHECK_SECONDS = 1.0
"""Seconds between two checks whether a waiting caller has disconnected."""

_STATUS: dict[FailureCode, int] = {
    "upstream_error": 500,
    "empty_answer": 500,
    "deadline_exceeded": 503,
    "quota_unavailable": 503,
}
"""HTTP statuses of failures with `sync: true`. All other failures are caused by the request: 422."""


async def wait_for_end(deps: ApiDeps, request: Request, task: Task, seconds: float) -> Task:
    """Wait until the task has ended, `seconds` have passed, or the caller has disconnected; return the task."""
    if task.terminal or seconds <= 0:
        return task
    follower, deadline = followers().follow(task), deps.clock.time() + seconds
    follower.join(stream=False)
    try:
        while not follower.task.terminal and not followers().shutdown.begun:
            left = deadline - deps.clock.time()
            changed = follower.changed
            if left <= 0 or (
                not await wait_for_change(changed, min(left, _CHECK_SECONDS)) and await request.is_disconnected()
            ):
                break
    finally:
        follower.leave(stream=False)
    return follower.task


async def completion_of(deps: ApiDeps, request: Request, task: Task, headers: dict[str, str]) -> Response:
    """Return the bare ChatCompletion. Raises if the task failed or takes longer than a caller can wait."""
    ended = await wait_for_end(deps, request, task, deps.settings.sync_seconds)
    if not ended.terminal:
        message = f"The task is still {ended.status}. It goes on: GET /v1/tasks/{ended.id} has its answer later."
        raise RequestRefused(503, "still_processing", message, headers={**headers, "Retry-After": "10"})
    if ended.error is not None:
        status = _STATUS.get(ended.error.code, 422)
        raise RequestRefused(status, ended.error.code, ended.error.message, headers=headers)
    body = cast(Json, json.loads((await render_task(deps, ended)).body))
    results = cast(list[Json], body["results"])
    return Response(encode_json(results[0]), headers=headers, media_type="application/json")
