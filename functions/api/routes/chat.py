"""POST /v1/chat/completions, compatible with OpenAI's. Each request becomes a task."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from functions.api.auth import Submitter, require_scope
from functions.api.deduplication import submit_once
from functions.api.follower import Follower, followers
from functions.api.listing import TaskFilter, list_page
from functions.api.openai_headers import headers_of
from functions.api.openai_stream import data_block, error_block, stream_items
from functions.api.openapi_clients import CHAT
from functions.api.request_bodies import bodies
from functions.api.routes.stream import DONE, EVENT_STREAM, HEARTBEAT, STREAM_HEADERS
from functions.api.routes.submit import Checked, IdempotencyKey, check, submit_within_budget
from functions.api.waiting import completion_of
from shared import wiring
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.errors import RequestRefused
from shared.domain.request.schema import as_stored, read_changes
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Task

router = APIRouter()

_RETRY_WINDOW = timedelta(hours=1)
_SEARCHED_TASKS = 50
"""How many of the newest tasks are searched for the task of a retried request."""


@router.post("/v1/chat/completions", operation_id="chat", **CHAT)
async def chat(request: Request, key: Submitter, idempotency_key: IdempotencyKey = None) -> Response:
    """Answer a conversation, with files from everywhere: each request is a task."""
    require_scope(key, "read")
    deps = wiring.api()
    from functions.api.named_files import locate_files
    from shared.domain.openai.chat import named_files, read_chat

    async with bodies().body_of(request, key) as text:
        body = await asyncio.to_thread(read_changes, text)
        wanted = read_chat(body, await locate_files(deps, key, named_files(body)))
        _refuse_foreign_model(wanted.body)
        checked = await check(deps, key, await asyncio.to_thread(_encoded, wanted.body))
    task = await _task_of(deps, request, key, checked, idempotency_key)
    headers = headers_of(task.id, wanted.ignored)
    if wanted.stream:
        events = _events(followers().follow(task), include_usage=wanted.include_usage)
        return StreamingResponse(events, headers={**STREAM_HEADERS, **headers}, media_type=EVENT_STREAM)
    return await completion_of(deps, request, task, headers)


async def _task_of(deps: ApiDeps, request: Request, key: Key, checked: Checked, idempotency_key: str | None) -> Task:
    """Create a task, or return the task of the first attempt if the request is an automatic retry."""
    # OpenAI's clients count their automatic retries in a header.
    if idempotency_key is None and request.headers.get("x-stainless-retry-count", "0") not in ("", "0"):
        return await _task_of_retry(deps, key, checked)
    return (await submit_within_budget(deps, key, checked, idempotency_key)).task


async def _task_of_retry(deps: ApiDeps, key: Key, checked: Checked) -> Task:
    """Return the task of the client's first attempt, or one task for all its retries.

    Only automatic retries are deduplicated: a request that is sent twice on purpose creates two tasks.
    """
    sha256 = hashlib.sha256(await asyncio.to_thread(as_stored, checked.submission)).hexdigest()
    page = await list_page(deps.tasks, key, TaskFilter(), limit=_SEARCHED_TASKS, after=None)
    now = deps.clock.now()
    for task in page.tasks:
        is_same = task.owner == key.owner and task.request is not None and task.request.sha256 == sha256
        if is_same and task.accepted_at >= now - _RETRY_WINDOW and task.status != "failed":
            return task
    # The first attempt was lost before it created a task.
    window = now.timestamp() // _RETRY_WINDOW.total_seconds()
    digest = hashlib.sha256(f"chat\0{window}\0{sha256}".encode()).hexdigest()
    return (await submit_once(deps, key, checked.submission, digest)).task


async def _events(follower: Follower, *, include_usage: bool) -> AsyncIterator[bytes]:
    async for item in stream_items(follower):
        match item.kind:
            case "chunk":
                yield b"data: " + item.data + b"\n\n"
            case "pause":
                yield HEARTBEAT
            case "error":
                yield error_block(item)
                return
            case "end":
                if include_usage:
                    closing = follower.closing_chunk()
                    closing.pop("total_chunks", None)
                    yield data_block(closing)
                yield DONE


def _encoded(body: Json) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _refuse_foreign_model(body: Json) -> None:
    """Raise 404 for a name that no Gemini model can have, instead of creating a task that would fail."""
    from shared.domain.models.catalogue import Model, resolve

    name = str(body.get("model") or "").strip().removeprefix("models/")
    is_gemini = name.startswith(("gemini", "gemma", "learnlm"))
    if name and not is_gemini and not isinstance(resolve(name, wiring.api().clock.now().date()), Model):
        message = f"There is no model {name[:128]!r}. GET /v1/models lists them; gemini-3.8-flash is one."
        raise RequestRefused(404, "model_not_found", message, param="model")
