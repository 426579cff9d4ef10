"""POST /mcp: the Model Context Protocol over streamable HTTP, without sessions, so any instance can answer.

Serves requests of 2026-07-28, which state their revision, and of older clients, which negotiate it in a handshake. The
protocol's SDK is not used: it needs the ASGI lifespan, which functions-framework never runs, and loads for half a
second.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import Reader
from functions.api.json_body import render_json
from functions.api.request_bodies import bodies
from shared import wiring
from shared.dependencies import ApiDeps
from shared.domain.answer.plain_json import parse
from shared.domain.answer.response import Json
from shared.domain.errors import RequestRefused, TaskFailure
from shared.domain.mcp import protocol as rpc
from shared.domain.mcp.protocol import Call
from shared.domain.tasks.access import Key

router = APIRouter(include_in_schema=False)


@router.post("/mcp")
async def mcp(request: Request, key: Reader) -> Response:
    """Answer one JSON-RPC message. Notifications and responses get 202."""
    deps = wiring.api()
    _refuse_foreign_page(deps, request)
    async with bodies().body_of(request, key) as body:
        try:
            message = await asyncio.to_thread(parse, body.decode())
        except ValueError:
            return _error(None, rpc.PARSE_ERROR, "The body is not JSON.", status=400)
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return _error(None, rpc.INVALID_REQUEST, "Send one JSON-RPC 2.0 message.", status=400)
    if not isinstance(method := message.get("method"), str) or (id_ := message.get("id")) is None:
        # A notification, or a response to a request that was never sent.
        return Response(status_code=202)
    if isinstance(id_, bool) or not isinstance(id_, str | int | float):
        return _error(None, rpc.INVALID_REQUEST, "id: a string or a number is needed.", status=400)
    params = message.get("params")
    try:
        call = rpc.read_call(request.headers, method, params if isinstance(params, dict) else {})
        result = await _result(deps, request, key, call)
        return render_json({"jsonrpc": "2.0", "id": id_, "result": result}, "no-store")
    except rpc.RpcError as error:
        return _error(id_, error.code, error.message, status=error.status, data=error.data)


@router.get("/mcp")
@router.delete("/mcp")
async def no_session(key: Reader) -> Response:
    """There is no stream of the server's own messages, and no session to end."""
    message = "POST JSON-RPC messages here: this server has no sessions and sends nothing by itself."
    raise RequestRefused(405, "method_not_allowed", message, headers={"Allow": "POST"})


async def _result(deps: ApiDeps, request: Request, key: Key, call: Call) -> Json:
    """Return the result in the form of the request's revision. Raises `RpcError`."""
    # Imported by the first call: most instances serve no MCP client.
    from shared.domain.mcp import catalogue

    method = _stateless_result if call.is_stateless else _handshake_result
    try:
        result = await method(deps, request, key, call)
    except RequestRefused as refused:
        is_old = refused.code == "resource_not_found" and not call.is_stateless
        raise rpc.RpcError(rpc.NO_RESOURCE if is_old else rpc.INVALID_PARAMS, refused.message) from refused
    except TaskFailure as failure:
        raise rpc.RpcError(rpc.INTERNAL, f"{failure.message} Try again in a moment.") from failure
    return catalogue.stateless_result(call.method, result) if call.is_stateless else result


async def _stateless_result(deps: ApiDeps, request: Request, key: Key, call: Call) -> Json:
    from functions.api import mcp_tasks
    from shared.domain.mcp import catalogue

    match call.method:
        case "server/discover":
            return catalogue.discovered()
        case "tasks/get":
            return await mcp_tasks.get_task(deps, key, call)
        case "tasks/update":
            return await mcp_tasks.update_task(deps, key, call)
        case "tasks/cancel":
            return await mcp_tasks.cancel_task(deps, request, key, call)
    return await _shared_result(deps, request, key, call)


async def _handshake_result(deps: ApiDeps, request: Request, key: Key, call: Call) -> Json:
    from functions.api import mcp_tasks
    from shared.domain.mcp import catalogue

    match call.method:
        case "initialize":
            return catalogue.initialized(call.params.get("protocolVersion"))
        case "ping":
            return {}
        case "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel":
            return await mcp_tasks.handshake_method(deps, request, key, call)
    return await _shared_result(deps, request, key, call)


async def _shared_result(deps: ApiDeps, request: Request, key: Key, call: Call) -> Json:
    """Return the result of a method that exists in all revisions."""
    from functions.api import mcp_tools
    from shared.domain.mcp import catalogue

    match call.method:
        case "tools/list":
            tools = catalogue.tools(has_task_support=not call.is_stateless)
            return {"tools": cast(JsonValue, tools)}
        case "tools/call":
            return await _tool_result(deps, request, key, call)
        case "resources/list":
            cursor = call.params.get("cursor")
            return await mcp_tools.list_resources(deps, key, cursor if isinstance(cursor, str) else None)
        case "resources/templates/list":
            return {"resourceTemplates": cast(JsonValue, catalogue.resource_templates())}
        case "resources/read":
            return await mcp_tools.read_resource(deps, key, str(call.params.get("uri") or ""))
        case _:
            message = f"There is no method {call.method[:100]!r}."
            raise rpc.RpcError(rpc.NO_METHOD, message, status=404 if call.is_stateless else 200)


async def _tool_result(deps: ApiDeps, request: Request, key: Key, call: Call) -> Json:
    """Call a tool. Its errors are results that the model can read, not protocol errors."""
    from functions.api import mcp_tasks, mcp_tools

    name, arguments = call.params.get("name"), call.params.get("arguments")
    tool = mcp_tools.TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise rpc.RpcError(rpc.INVALID_PARAMS, f"There is no tool {str(name)[:100]!r}.")
    given = arguments if isinstance(arguments, dict) else {}
    try:
        if name == "understand" and mcp_tasks.is_task_wanted(call):
            return await mcp_tasks.understand(deps, request, key, call, given)
        return await tool(deps, request, key, given)
    except RequestRefused as refused:
        problem: Json = {"code": refused.code, "message": refused.message, "param": refused.param}
        return mcp_tools.tool_result({"error": problem}, refused.message, is_error=True)


def _refuse_foreign_page(deps: ApiDeps, request: Request) -> None:
    """Raise 403 for pages of other origins, as the protocol requires against DNS rebinding."""
    origin = request.headers.get("origin")
    if origin is None or origin in deps.settings.cors_origins or origin.partition("://")[2] == request.url.netloc:
        return
    message = f"Pages of {origin[:200]} may not call this server: the operator lists those that may."
    raise RequestRefused(403, "origin_not_allowed", message)


def _error(id_: Any, code: int, message: str, *, status: int = 200, data: Json | None = None) -> Response:
    error: Json = {"code": code, "message": message, **({"data": data} if data is not None else {})}
    return render_json({"jsonrpc": "2.0", "id": id_, "error": error}, "no-store", status)
