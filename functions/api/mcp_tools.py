"""The MCP tools and resources: they create, read, list and cancel tasks."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import cast

from pydantic import JsonValue
from starlette.requests import Request

from functions.api.auth import require_scope
from functions.api.listing import TaskFilter, list_page
from functions.api.named_files import locate_files
from functions.api.routes.cancel_and_rerun import cancel
from functions.api.routes.submit import check, submit_within_budget
from functions.api.task_body import find_task, render_task
from functions.api.waiting import wait_for_end
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.mcp.catalogue import OUTPUT_URI, TASK_URI, resource_of, task_summary
from shared.domain.openai.chat import is_named
from shared.domain.recipe.definition import DEFAULT_MODEL
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Task

_LONGEST_WAIT = 50.0
"""Seconds. Clients give up a call after a minute."""
_LARGEST_OUTPUT = 8 << 20

Tool = Callable[[ApiDeps, Request, Key, Json], Awaitable[Json]]


async def understand(deps: ApiDeps, request: Request, key: Key, arguments: Json) -> Json:
    task = await submit_question(deps, key, arguments)
    return await _wait_and_answer(deps, request, task, arguments)


async def submit_question(deps: ApiDeps, key: Key, arguments: Json) -> Task:
    """Create the task of an `understand` call, or return the task of an earlier call with the same idempotency_key."""
    require_scope(key, "submit")
    question, recipe = arguments.get("question"), arguments.get("recipe")
    if not question and not recipe:
        raise FieldRefused("question", "question: give a question, or the name of a recipe such as transcribe-timed.")
    content: list[JsonValue] = []
    if isinstance(uri := arguments.get("uri") or arguments.get("url"), str):
        content.append({"type": "file_url", "file_url": await _locate(deps, key, uri)})
    if question:
        content.append({"type": "text", "text": question})
    if not content:
        raise FieldRefused("uri", "uri: the recipe needs a file: gs://…, https://…, or the id of a task or a file.")
    model = arguments.get("model") or DEFAULT_MODEL
    body: Json = {"model": model, "messages": [{"role": "user", "content": content}]}
    if recipe:
        body["recipe"] = recipe
    idempotency_key = _idempotency_key(arguments)
    checked = await check(deps, key, json.dumps(body).encode())
    return (await submit_within_budget(deps, key, checked, idempotency_key)).task


def _idempotency_key(arguments: Json) -> str | None:
    given = arguments.get("idempotency_key")
    if given is None:
        return None
    # The same rule as for the header: keys that no header can hold are reserved for other end points.
    if not isinstance(given, str) or not 1 <= len(given) <= 255 or not given.isprintable():
        raise FieldRefused("idempotency_key", "idempotency_key: give 1 to 255 printable characters.")
    return given


async def get_task(deps: ApiDeps, request: Request, key: Key, arguments: Json) -> Json:
    task = (await find_task(deps, key, str(arguments.get("task_id") or ""))).task
    return await _wait_and_answer(deps, request, task, {"wait_seconds": 0, **arguments})


async def list_tasks(deps: ApiDeps, request: Request, key: Key, arguments: Json) -> Json:
    status, prefix, after = (arguments.get(name) for name in ("status", "prefix", "after"))
    task_filter = TaskFilter(
        status=status if status in ("pending", "processing", "completed", "failed") else None,  # type: ignore[arg-type]
        prefix=prefix if isinstance(prefix, str) and prefix else None,
    )
    limit = min(100, max(1, _as_int(arguments.get("limit"), 20)))
    page = await list_page(deps.tasks, key, task_filter, limit=limit, after=after if isinstance(after, str) else None)
    return tool_result({"tasks": [task_summary(task) for task in page.tasks], "next": page.next})


async def cancel_task(deps: ApiDeps, request: Request, key: Key, arguments: Json) -> Json:
    require_scope(key, "submit")
    await cancel(str(arguments.get("task_id") or ""), key)
    return await get_task(deps, request, key, {"task_id": arguments.get("task_id")})


TOOLS: dict[str, Tool] = {
    "understand": understand,
    "get_task": get_task,
    "list_tasks": list_tasks,
    "cancel_task": cancel_task,
}


async def answer_of(deps: ApiDeps, task: Task) -> Json:
    """Return the tool result of a task: the text of its answer, and its summary as structured content."""
    summary = task_summary(task)
    if task.error is not None:
        return tool_result(summary, f"{task.id} failed: {task.error.message}", is_error=True)
    if not task.terminal:
        text = f"{task.id} is {task.status}, {task.progress} % done. Call get_task with this id for the answer."
        return tool_result(summary, text)
    completion = json.loads((await render_task(deps, task)).body)["results"][0]
    text = "\n\n".join(str(choice["message"].get("content") or "") for choice in completion["choices"])
    return tool_result({**summary, "answer": text}, text)


def tool_result(structured: Json, text: str | None = None, *, is_error: bool = False) -> Json:
    shown = json.dumps(structured, ensure_ascii=False) if text is None else text
    return {"content": [{"type": "text", "text": shown}], "structuredContent": structured, "isError": is_error}


async def list_resources(deps: ApiDeps, key: Key, cursor: str | None) -> Json:
    """Return one page of completed tasks and their published files, newest first."""
    page = await list_page(deps.tasks, key, TaskFilter(status="completed"), limit=50, after=cursor)
    resources = [resource for task in page.tasks for resource in resource_of(task)]
    return {"resources": cast(JsonValue, resources), **({"nextCursor": page.next} if page.next else {})}


async def read_resource(deps: ApiDeps, key: Key, uri: str) -> Json:
    """Return a task as JSON, or a published file. Raises 404 if it does not exist or the key may not see it."""
    if (match := OUTPUT_URI.fullmatch(uri)) is not None:
        task = (await find_task(deps, key, match["id"])).task
        return {"contents": [await _output(deps, task, match["name"], uri)]}
    if (match := TASK_URI.fullmatch(uri)) is not None:
        rendered = await render_task(deps, (await find_task(deps, key, match["id"])).task)
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": rendered.body.decode()}]}
    raise RequestRefused(404, "resource_not_found", f"There is no resource {uri[:200]!r}.")


async def _output(deps: ApiDeps, task: Task, name: str, uri: str) -> Json:
    gs = next((output for output in task.outputs if output.rpartition("/")[2] == name), None)
    data = None
    if gs is not None:
        bucket, _, path = gs.removeprefix("gs://").partition("/")
        data = await deps.storage.read(bucket, path, length=_LARGEST_OUTPUT)
    if data is None:
        raise RequestRefused(404, "resource_not_found", f"{task.id} has no output {name[:200]!r}.")
    try:
        return {"uri": uri, "text": data.decode()}
    except UnicodeDecodeError:
        encoded = await asyncio.to_thread(base64.b64encode, data)
        return {"uri": uri, "mimeType": "application/octet-stream", "blob": encoded.decode()}


async def _wait_and_answer(deps: ApiDeps, request: Request, task: Task, arguments: Json) -> Json:
    seconds = seconds_to_wait(arguments, otherwise=45)
    return await answer_of(deps, await wait_for_end(deps, request, task, seconds))


def seconds_to_wait(arguments: Json, *, otherwise: int) -> float:
    return min(_LONGEST_WAIT, max(0, _as_int(arguments.get("wait_seconds"), otherwise)))


async def _locate(deps: ApiDeps, key: Key, uri: str) -> Json:
    if not is_named(uri):
        return {"url": uri}
    located = (await locate_files(deps, key, [uri]))[uri]
    return {"url": located.uri, **({"generation": str(located.generation)} if located.generation is not None else {})}


def _as_int(value: JsonValue, otherwise: int) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise
