"""GET /v1/llm/generations/{id}/stream: an answer while it is written, from any offset, for any number of readers.

OpenAI's SDK and EventSource can both read the blocks. `retry:` is part of the first block, and a heartbeat is a comment
without a blank line, because the SDK crashes on a block without data.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from functions.api.auth import Reader
from functions.api.error_answers import task_not_found
from functions.api.follower import Follower, followers, format_block, wait_for_change
from functions.api.openapi_shapes import NOTHING, STREAM, TaskPath, errors
from functions.api.request_state import request_state
from functions.api.task_body import find_task
from shared import wiring
from shared.dependencies import ApiDeps
from shared.domain.answer.chunks import KEPT_AFTER_END
from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.tasks.task import Task

router = APIRouter()


HEARTBEAT_SECONDS = 15.0
LARGEST_STREAM = 9_500_000
"""Bytes: the platform cuts a streamed answer at 10 MB."""
_RETRY = b"retry: 2000\n"
HEARTBEAT = b": ping\n"
DONE = b"data: [DONE]\n\n"
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
EVENT_STREAM = "text/event-stream"


@router.get(
    "/v1/llm/generations/{task_id}/stream",
    operation_id="stream",
    responses={200: STREAM, 204: NOTHING, **errors(401, 403, 404, 410, 422, 429)},
)
async def stream(
    task_id: TaskPath,
    key: Reader,
    offset: Annotated[int | None, Query(ge=0, le=10_000_000)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """An answer as it is written. `offset`, or the `Last-Event-ID` of a reconnecting EventSource, resumes it."""
    deps = wiring.api()
    follower = followers().find(task_id)
    if follower is not None and not key.sees(follower.task):
        raise task_not_found(task_id)
    task = follower.task if follower is not None else (await find_task(deps, key, task_id)).task
    if not task.stream:
        raise FieldRefused(
            "id", f"{task_id} was not submitted with stream: true. GET /v1/tasks/{task_id} has its answer."
        )
    return await event_stream(deps, followers().follow(task), offset=_start_offset(offset, last_event_id), headers={})


async def event_stream(deps: ApiDeps, follower: Follower, *, offset: int, headers: dict[str, str]) -> Response:
    """Return the stream from `offset` on; 204 past its end, which tells an EventSource to stop.

    Raises 410 once the chunks are deleted.
    """
    if _is_gone(follower.task, deps.clock.now()):
        message = "The stream's chunks are kept for 15 minutes after its end. GET the task for the whole answer."
        link = {"Link": f'</v1/tasks/{follower.task.id}>; rel="alternate"'}
        raise RequestRefused(410, "stream_expired", message, headers=link)
    if request_state().head:
        return Response(headers={**STREAM_HEADERS, **headers}, media_type=EVENT_STREAM)
    if offset > 0 and await _is_past_the_end(follower, offset):
        return Response(status_code=204, headers=headers)
    return StreamingResponse(events(follower, offset), headers={**STREAM_HEADERS, **headers}, media_type=EVENT_STREAM)


async def events(follower: Follower, offset: int) -> AsyncIterator[bytes]:
    """Yield the blocks from `offset` on, until the answer's end, its failure, or the platform's limit."""
    sent, first = 0, True
    follower.join(stream=True)
    try:
        async for block in _blocks(follower, offset):
            if first and block is not HEARTBEAT:
                block, first = _RETRY + block, False
            sent += len(block)
            yield block
            if sent > LARGEST_STREAM and block.startswith(b"id: "):
                reached = int(block[4 : block.index(b"\n")])
                yield _error_block("stream_interrupted", f"An answer may have 10 MB. Go on with ?offset={reached + 1}.")
                return
    finally:
        follower.leave(stream=True)


async def _blocks(follower: Follower, offset: int) -> AsyncIterator[bytes]:
    while True:
        changed = follower.changed
        while offset < len(follower.blocks):
            yield follower.blocks[offset]
            offset += 1
        if follower.task.terminal and follower.is_whole:
            yield format_block("done", follower.closing_chunk())
            yield DONE
            return
        if (failure := follower.failure) is not None:
            yield _error_block(failure.code, failure.message)
            return
        if followers().shutdown.begun:
            yield _error_block("stream_interrupted", f"This server is stopping. Go on with ?offset={offset}.")
            return
        if not await wait_for_change(changed, HEARTBEAT_SECONDS):
            yield HEARTBEAT


async def _is_past_the_end(follower: Follower, offset: int) -> bool:
    """Return whether the stream has ended before `offset`; False while the answer is still being written."""
    if not follower.task.terminal:
        return False
    follower.join(stream=True)
    try:
        while not follower.is_over:
            await wait_for_change(follower.changed, 1.0)
    finally:
        follower.leave(stream=True)
    return offset >= len(follower.blocks)


def _start_offset(offset: int | None, last_event_id: str | None) -> int:
    if offset is not None:
        return offset
    if last_event_id is None or last_event_id == "":
        return 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 8):
        raise FieldRefused("Last-Event-ID", "Last-Event-ID must be the id of a chunk: a number.")
    return int(last_event_id) + 1


def _is_gone(task: Task, now: datetime) -> bool:
    return task.completed_at is not None and task.terminal and now >= task.completed_at + KEPT_AFTER_END


def _error_block(code: str, message: str) -> bytes:
    payload: Json = {"message": message, "error": {"code": code, "message": message, "type": "task_error"}}
    return format_block("error", payload)
