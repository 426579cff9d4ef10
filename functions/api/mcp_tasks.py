"""MCP tasks: those of the Tasks extension (2026-07-28), and the experimental ones before it (2025-11-25).

An MCP task is a Dropsight task with the same id, so it is durable before its id is returned, and any instance serves
it.
"""

from __future__ import annotations

from typing import cast

from pydantic import JsonValue
from starlette.requests import Request

from functions.api import mcp_tools
from functions.api.listing import TaskFilter, list_page
from functions.api.task_body import find_task
from functions.api.waiting import wait_for_end
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.mcp import protocol as rpc
from shared.domain.mcp.catalogue import extension_task, handshake_task
from shared.domain.mcp.protocol import Call
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Task


def is_task_wanted(call: Call) -> bool:
    """Return whether the client accepts a task instead of the answer of `understand`."""
    return call.takes_tasks if call.is_stateless else isinstance(call.params.get("task"), dict)


async def understand(deps: ApiDeps, request: Request, key: Key, call: Call, arguments: Json) -> Json:
    """Create a task. Return the answer if it comes within the argument `wait_seconds`, else the task."""
    task = await mcp_tools.submit_question(deps, key, arguments)
    if not call.is_stateless:
        return {"task": handshake_task(task)}
    task = await wait_for_end(deps, request, task, mcp_tools.seconds_to_wait(arguments, otherwise=0))
    return await mcp_tools.answer_of(deps, task) if task.terminal else {"resultType": "task", **extension_task(task)}


async def get_task(deps: ApiDeps, key: Key, call: Call) -> Json:
    """Return the task; once it is completed, with the result that a call of the tool returns."""
    task = await _task_of(deps, key, call)
    shown = extension_task(task)
    if shown["status"] == "completed":
        shown["result"] = {"resultType": "complete", **await mcp_tools.answer_of(deps, task)}
    return shown


async def update_task(deps: ApiDeps, key: Key, call: Call) -> Json:
    """Accept and ignore the update: tasks never request input from their client."""
    await _task_of(deps, key, call)
    return {}


async def cancel_task(deps: ApiDeps, request: Request, key: Key, call: Call) -> Json:
    task = await _task_of(deps, key, call)
    if not task.terminal:
        await mcp_tools.cancel_task(deps, request, key, {"task_id": task.id})
    return {}


async def handshake_method(deps: ApiDeps, request: Request, key: Key, call: Call) -> Json:
    """Answer a `tasks/…` method of 2025-11-25."""
    if call.method == "tasks/list":
        cursor = call.params.get("cursor")
        after = cursor if isinstance(cursor, str) else None
        page = await list_page(deps.tasks, key, TaskFilter(), limit=50, after=after)
        tasks = [handshake_task(task) for task in page.tasks]
        return {"tasks": cast(JsonValue, tasks), **({"nextCursor": page.next} if page.next else {})}
    task_id = str(call.params.get("taskId") or "")
    task = (await find_task(deps, key, task_id)).task
    if call.method == "tasks/cancel":
        if task.terminal:
            raise rpc.RpcError(rpc.INVALID_PARAMS, f"{task.id} has ended: it is {task.status}.")
        await mcp_tools.cancel_task(deps, request, key, {"task_id": task_id})
        task = (await find_task(deps, key, task_id)).task
    if call.method == "tasks/result":
        task = await wait_for_end(deps, request, task, deps.settings.sync_seconds)
        if not task.terminal:
            raise rpc.RpcError(rpc.INTERNAL, f"{task.id} is still {task.status}. Ask again.")
        result = await mcp_tools.answer_of(deps, task)
        return {**result, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": task.id}}}
    return handshake_task(task)


async def _task_of(deps: ApiDeps, key: Key, call: Call) -> Task:
    rpc.require_tasks(call)
    return (await find_task(deps, key, str(call.params.get("taskId") or ""))).task
