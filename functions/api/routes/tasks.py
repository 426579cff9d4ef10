"""GET /v1/tasks/{id} and GET /v1/tasks: how a task stands, and which tasks there are."""

from __future__ import annotations

import json
import re
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import Admittance
from functions.api.listing import Wanted, page
from functions.api.openapi_shapes import TASK, TASKS, UNCHANGED, TaskPath, errors
from functions.api.task_body import look_up, show
from functions.api.waiting import at_its_end
from shared import wiring
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import ID_PATTERN, Status

router = APIRouter()

Reader = Annotated[Key, Depends(Admittance("read"))]

_PLACE = r"^gs://[^/]+/"
"""A slash after the bucket: gs://inbox would mean gs://inbox-2 too."""
_PAGE_BYTES = 20 << 20
"""A page ends early before it is larger than an answer may be (32 MB)."""
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_PRIVATE = {"Cache-Control": "private, no-cache"}


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
    """How a task stands; with `wait` once it has ended, or the time is over."""
    deps = wiring.api()
    shown = await look_up(deps, key, task_id)
    if wait and not shown.task.terminal:
        shown = await show(deps, await at_its_end(deps, request, shown.task, wait))
    headers = {**_PRIVATE, "ETag": shown.etag}
    if _matches(if_none_match, shown.etag):
        return Response(status_code=304, headers=headers)
    if not shown.task.terminal:
        headers["Retry-After"] = "2"
    return Response(shown.body, headers=headers, media_type="application/json")


@router.get("/v1/tasks", operation_id="list_tasks", responses={200: TASKS, **errors(401, 403, 422, 429)})
async def list_tasks(
    key: Reader,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(pattern=ID_PATTERN, description="`next` of the page before.")] = None,
    status: Annotated[Status | None, Query()] = None,
    object: Annotated[str | None, Query(pattern=_PLACE, max_length=2048, description="gs://bucket/name")] = None,  # noqa: A002
    prefix: Annotated[str | None, Query(pattern=_PLACE, max_length=2048, description="gs://bucket/…")] = None,
) -> Response:
    """The caller's tasks, newest first, and those of objects under its sources."""
    deps = wiring.api()
    found = await page(deps.tasks, key, Wanted(status=status, uri=object, prefix=prefix), limit=limit, after=after)
    bodies: list[bytes] = []
    following, size = found.next, 0
    for task in found.tasks:
        body = (await show(deps, task)).body
        size += len(body)
        if bodies and size > _PAGE_BYTES:
            following = found.tasks[len(bodies) - 1].id
            break
        bodies.append(body)
    tail = json.dumps({"has_more": following is not None, "next": following})
    headers = dict(_PRIVATE)
    if following is not None:
        asked = {"limit": str(limit), "status": status, "object": object, "prefix": prefix, "after": following}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        headers["Link"] = f'</v1/tasks?{query}>; rel="next"'
    content = b'{"object":"list","data":[' + b",".join(bodies) + b"]," + tail[1:].encode()
    return Response(content, headers=headers, media_type="application/json")


def _matches(if_none_match: str | None, etag: str) -> bool:
    """Whether a list of entity tags, strong or weak, names this one (RFC 9110, section 13.1.2)."""
    given = (if_none_match or "").strip()
    return given == "*" or etag in _TAG.findall(given)
