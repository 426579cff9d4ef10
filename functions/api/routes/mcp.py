"""POST /mcp: the Model Context Protocol over streamable HTTP, without sessions: any instance answers any request.

Written out here, not taken from the protocol's SDK: that one keeps a task group for its lifespan, which
functions-framework never runs, and takes half a second to load.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from functions.api.bodies import bodies
from functions.api.routes.tasks import Reader
from functions.api.task_body import encode
from shared import wiring
from shared.domain.answer.plain_json import parse
from shared.domain.answer.response import Json
from shared.domain.errors import RequestRefused, TaskFailure
from shared.domain.tasks.access import Key
from shared.wiring import ApiDeps

router = APIRouter(include_in_schema=False)

_PARSE_ERROR, _INVALID_REQUEST, _NO_METHOD, _INVALID_PARAMS, _INTERNAL = -32700, -32600, -32601, -32602, -32603
_NO_RESOURCE = -32002


class _RpcError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@router.post("/mcp")
async def mcp(request: Request, key: Reader) -> Response:
    """Answer one JSON-RPC message; what needs no answer is accepted with 202."""
    deps = wiring.api()
    _refuse_foreign_page(deps, request)
    async with bodies().body_of(request, key) as body:
        try:
            message = await asyncio.to_thread(parse, body.decode())
        except ValueError:
            return _error(None, _PARSE_ERROR, "The body is not JSON.", status=400)
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return _error(None, _INVALID_REQUEST, "Send one JSON-RPC 2.0 message.", status=400)
    if not isinstance(method := message.get("method"), str) or message.get("id") is None:
        # A notification, or the answer to a request that was never made.
        return Response(status_code=202)
    params = message.get("params")
    try:
        result = await _result(deps, request, key, method, params if isinstance(params, dict) else {})
    except _RpcError as error:
        return _error(message["id"], error.code, error.message)
    except RequestRefused as refused:
        code = _NO_RESOURCE if refused.code == "resource_not_found" else _INVALID_PARAMS
        return _error(message["id"], code, refused.message)
    except TaskFailure as failure:
        return _error(message["id"], _INTERNAL, f"{failure.message} Try again in a moment.")
    return _json({"jsonrpc": "2.0", "id": message["id"], "result": result})


@router.get("/mcp")
@router.delete("/mcp")
async def no_session(key: Reader) -> Response:
    """There is no stream of the server's own messages, and no session to end."""
    message = "POST JSON-RPC messages here: this server has no sessions and sends nothing by itself."
    raise RequestRefused(405, "invalid_request_error", "method_not_allowed", message, headers={"Allow": "POST"})


async def _result(deps: ApiDeps, request: Request, key: Key, method: str, params: Json) -> Json:
    # Loaded by the first call: most instances serve no agent.
    from functions.api import mcp_tools
    from shared.domain.mcp import catalogue

    match method:
        case "initialize":
            return _initialized(params)
        case "ping":
            return {}
        case "tools/list":
            return {"tools": cast(JsonValue, catalogue.tools())}
        case "tools/call":
            return await _call(deps, request, key, params)
        case "resources/list":
            cursor = params.get("cursor")
            return await mcp_tools.list_resources(deps, key, cursor if isinstance(cursor, str) else None)
        case "resources/templates/list":
            return {"resourceTemplates": cast(JsonValue, catalogue.resource_templates())}
        case "resources/read":
            return await mcp_tools.read_resource(deps, key, str(params.get("uri") or ""))
        case "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel":
            return await _task_method(deps, request, key, method, params)
        case _:
            raise _RpcError(_NO_METHOD, f"There is no method {method[:100]!r}.")


def _initialized(params: Json) -> Json:
    from shared.domain.mcp import catalogue

    wanted = params.get("protocolVersion")
    version = wanted if wanted in catalogue.VERSIONS else catalogue.VERSIONS[0]
    return {
        "protocolVersion": version,
        "capabilities": catalogue.capabilities(),
        "serverInfo": {"name": "dropsight", "title": "Dropsight", "version": "1.0.0"},
        "instructions": catalogue.INSTRUCTIONS,
    }


async def _call(deps: ApiDeps, request: Request, key: Key, params: Json) -> Json:
    """Call a tool. What goes wrong within it is a result for the model to read, not an error of the protocol."""
    from functions.api import mcp_tools
    from shared.domain.mcp.catalogue import protocol_task

    name, arguments = params.get("name"), params.get("arguments")
    tool = mcp_tools.TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise _RpcError(_INVALID_PARAMS, f"There is no tool {str(name)[:100]!r}.")
    given = arguments if isinstance(arguments, dict) else {}
    try:
        if isinstance(params.get("task"), dict) and name == "understand":
            task = await mcp_tools.submit_question(deps, key, given)
            return {"task": protocol_task(task, deps.clock.now())}
        return await tool(deps, request, key, given)
    except RequestRefused as refused:
        problem: Json = {"code": refused.code, "message": refused.message, "param": refused.param}
        return mcp_tools.tool_result({"error": problem}, refused.message, is_error=True)


async def _task_method(deps: ApiDeps, request: Request, key: Key, method: str, params: Json) -> Json:
    from functions.api import mcp_tools
    from functions.api.listing import TaskFilter, list_page
    from functions.api.task_body import find_task
    from functions.api.waiting import wait_for_end
    from shared.domain.mcp.catalogue import protocol_task

    now = deps.clock.now()
    if method == "tasks/list":
        cursor = params.get("cursor")
        after = cursor if isinstance(cursor, str) else None
        page = await list_page(deps.tasks, key, TaskFilter(), limit=50, after=after)
        tasks = [protocol_task(task, now) for task in page.tasks]
        return {"tasks": cast(JsonValue, tasks), **({"nextCursor": page.next} if page.next else {})}
    task_id = str(params.get("taskId") or "")
    task = (await find_task(deps, key, task_id)).task
    if method == "tasks/cancel":
        if task.terminal:
            raise _RpcError(_INVALID_PARAMS, f"{task.id} has ended: it is {task.status}.")
        await mcp_tools.cancel_task(deps, request, key, {"task_id": task_id})
        task = (await find_task(deps, key, task_id)).task
    if method == "tasks/result":
        task = await wait_for_end(deps, request, task, deps.settings.sync_seconds)
        if not task.terminal:
            raise _RpcError(_INTERNAL, f"{task.id} is still {task.status}. Ask again.")
        result = await mcp_tools.answer_of(deps, task)
        return {**result, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": task.id}}}
    return protocol_task(task, now)


def _refuse_foreign_page(deps: ApiDeps, request: Request) -> None:
    """Raise 403 for a page of another origin (the protocol's guard against DNS rebinding)."""
    origin = request.headers.get("origin")
    if origin is None or origin in deps.settings.cors_origins or origin.partition("://")[2] == request.url.netloc:
        return
    message = f"Pages of {origin[:200]} may not call this server: the operator lists those that may."
    raise RequestRefused(403, "permission_error", "origin_not_allowed", message)


def _error(id_: Any, code: int, message: str, *, status: int = 200) -> Response:
    return _json({"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}}, status)


def _json(body: Json, status: int = 200) -> Response:
    return Response(encode(body), status, media_type="application/json", headers={"Cache-Control": "no-store"})
