"""POST /v1/tasks/{id}/cancel and …/rerun: end a task, or ask again about the same source."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import Submitter
from functions.api.openapi_shapes import SUBMITTED, TASK, TaskPath, errors, json_request_body
from functions.api.request_bodies import bodies
from functions.api.routes.submit import IdempotencyKey, check, check_rerun, submit_checked
from functions.api.task_body import find_task, render_for
from shared import wiring
from shared.cloud.telemetry import log, log_failure
from shared.dependencies import ApiDeps
from shared.domain.errors import RequestRefused
from shared.domain.request.schema import replace_fields
from shared.domain.tasks import claims
from shared.domain.tasks.task import Task

router = APIRouter()

_HOLDER_STOPS_WITHIN = timedelta(seconds=10)
"""Twice the interval at which generate checks whether its task was cancelled."""


@router.post(
    "/v1/tasks/{task_id}/cancel",
    operation_id="cancel",
    responses={200: TASK, **errors(401, 403, 404, 422, 429)},
)
async def cancel(task_id: TaskPath, key: Submitter) -> Response:
    """Cancel a task. A task that has ended is returned unchanged, with its results if the key has the scope `read`."""
    deps = wiring.api()
    stored = await find_task(deps, key, task_id)
    ended = await deps.tasks.change(
        stored, lambda task: claims.cancel(task, now=deps.clock.now(), event=bool(deps.settings.events_topic))
    )
    task = ended.task if ended is not None else stored.task
    if not stored.task.terminal and task.is_cancelled:
        log("INFO", "task_cancelled", f"{key.owner} cancelled {task.id}", task=task.id)
        try:
            # Enqueued for the after-work, since the holder stops without doing it.
            await deps.dispatches.enqueue(task, suffix="cancelled", at=_holder_has_stopped(deps, stored.task))
        except Exception as error:  # sweep does the remaining work.
            log_failure("dispatch_left_to_sweep", error, task=task.id)
    rendered = await render_for(deps, key, task)
    return Response(rendered.body, headers={"ETag": rendered.etag}, media_type="application/json")


@router.post(
    "/v1/tasks/{task_id}/rerun",
    operation_id="rerun",
    responses={200: SUBMITTED, **errors(400, 401, 402, 403, 404, 408, 410, 415, 422, 429)},
    openapi_extra=json_request_body("Changes", {"model": "gemini-3.8-flash"}, required=False),
)
async def rerun(
    task_id: TaskPath,
    request: Request,
    key: Submitter,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask again about the same source, with some fields replaced. The old task stays."""
    deps = wiring.api()
    task = (await find_task(deps, key, task_id)).task
    async with bodies().body_of(request, key) as changes:
        if task.source.kind == "object":
            checked = await check_rerun(deps, key, task, changes)
        else:
            before = await _read_request(deps, task)
            checked = await check(deps, key, await asyncio.to_thread(replace_fields, before, changes))
    return await submit_checked(deps, request, key, checked, idempotency_key, before=task)


def _holder_has_stopped(deps: ApiDeps, task: Task) -> datetime | None:
    """Return by when the task's holder has stopped and stored the cost of its call; None if there is no holder."""
    now = deps.clock.now()
    return now + _HOLDER_STOPS_WITHIN if claims.leased(task, now) else None


async def _read_request(deps: ApiDeps, task: Task) -> bytes:
    source = task.source
    text = await deps.storage.read(source.bucket, source.name, generation=source.generation)
    if text is None:
        message = f"The request behind {task.id} is not there any more. Submit it again."
        raise RequestRefused(410, "source_gone", message)
    return text
