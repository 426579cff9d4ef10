"""GET /v1/tasks/{id} and GET /v1/tasks: look up one task, and list the tasks that a key may see."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import Reader
from functions.api.listing import TaskFilter, list_page
from functions.api.openapi_shapes import TASK, TASKS, UNCHANGED, TaskPath, errors
from functions.api.task_body import PRIVATE, is_named, load_rendered, render_brief, render_task, task_response
from functions.api.waiting import wait_for_end
from shared import wiring
from shared.domain.tasks.task import ID_PATTERN, Status

router = APIRouter()


_GS_URI = r"^gs://[^/]+/"
"""A slash after the bucket: gs://inbox would mean gs://inbox-2 too."""
_PAGE_BYTES = 20 << 20
"""A page ends early at this size: responses are limited to 32 MB."""


@router.get(
    "/v1/tasks/{task_id}",
    operation_id="get_task",
    responses={200: TASK, 304: UNCHANGED, **errors(401, 403, 404, 422, 429)},
)
async def get_task(
    task_id: TaskPath,
    request: Request,
    key: Reader,
    wait: Annotated[int, Query(ge=0, le=60, description="Seconds.")] = 0,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return a task. With `wait`, answer once it has ended, or after that many seconds."""
    deps = wiring.api()
    rendered = await load_rendered(deps, key, task_id)
    if wait and not rendered.task.terminal:
        rendered = await render_task(deps, await wait_for_end(deps, request, rendered.task, wait))
    return task_response(rendered, if_none_match)


@router.get(
    "/v1/tasks", operation_id="list_tasks", responses={200: TASKS, 304: UNCHANGED, **errors(401, 403, 422, 429)}
)
async def list_tasks(
    key: Reader,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(pattern=ID_PATTERN, description="`next` of the page before.")] = None,
    status: Annotated[Status | None, Query()] = None,
    object: Annotated[str | None, Query(pattern=_GS_URI, max_length=2048, description="gs://bucket/name")] = None,  # noqa: A002
    prefix: Annotated[str | None, Query(pattern=_GS_URI, max_length=2048, description="gs://bucket/…")] = None,
    brief: Annotated[bool, Query(description="Leave the results out.")] = False,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The caller's tasks, newest first, and those of objects under its sources. With `brief`, without their results."""
    deps = wiring.api()
    listed = await list_page(
        deps.tasks, key, TaskFilter(status=status, uri=object, prefix=prefix), limit=limit, after=after
    )
    bodies: list[bytes] = []
    next_id, size = listed.next, 0
    for task in listed.tasks:
        body = render_brief(task) if brief else (await render_task(deps, task)).body
        size += len(body)
        if bodies and size > _PAGE_BYTES:
            next_id = listed.tasks[len(bodies) - 1].id
            break
        bodies.append(body)
    tail = json.dumps({"has_more": next_id is not None, "next": next_id})
    content = b'{"object":"list","data":[' + b",".join(bodies) + b"]," + tail[1:].encode()
    headers = {**PRIVATE, "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    if is_named(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if next_id is not None:
        parameters = {"limit": str(limit), "status": status, "object": object, "prefix": prefix, "after": next_id}
        parameters |= {"brief": "true"} if brief else {}
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        headers["Link"] = f'</v1/tasks?{query}>; rel="next"'
    return Response(content, headers=headers, media_type="application/json")
