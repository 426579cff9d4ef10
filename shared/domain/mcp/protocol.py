"""Read which protocol revision an MCP request uses, and what its client supports.

Since 2026-07-28 each request states both in its headers and in `_meta`. Before that, clients exchanged them once, in a
handshake (`initialize`). Both kinds of requests are served.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.answer.response import Json

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
NO_RESOURCE = -32002
"""The code for a missing resource until 2025-11-25. Later revisions use `INVALID_PARAMS`."""
HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION = -32020, -32021, -32022

STATELESS_VERSIONS = ("2026-07-28",)
HANDSHAKE_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
VERSIONS = (*STATELESS_VERSIONS, *HANDSHAKE_VERSIONS)
"""The protocol versions that are served, newest first."""
TASKS_EXTENSION = "io.modelcontextprotocol/tasks"

_VERSION = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
_NAMED_BY = {
    "tools/call": "name", "prompts/get": "name", "resources/read": "uri",
    "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId",
}  # fmt: skip
"""By method: the parameter whose value the header Mcp-Name must repeat."""


class RpcError(Exception):
    """A JSON-RPC error: its code and message, and the HTTP status of the response."""

    def __init__(self, code: int, message: str, *, status: int = 200, data: Json | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.data = code, message, status, data


class Call(NamedTuple):
    """One request. `is_stateless`: of 2026-07-28 or later. `takes_tasks`: the client supports the Tasks extension."""

    method: str
    params: Json
    is_stateless: bool
    takes_tasks: bool


def read_call(headers: Mapping[str, str], method: str, params: Json) -> Call:
    """Return the request. Raises `RpcError` if its revision does not allow its headers or its `_meta`."""
    meta = params.get("_meta")
    meta = meta if isinstance(meta, dict) else {}
    in_header, in_meta = headers.get("mcp-protocol-version"), meta.get(_VERSION)
    if in_meta is None and (in_header is None or in_header in HANDSHAKE_VERSIONS or method == "initialize"):
        return Call(method, params, is_stateless=False, takes_tasks=False)
    capabilities = meta.get(_CAPABILITIES)
    if not isinstance(in_meta, str) or not isinstance(capabilities, dict):
        missing = _CAPABILITIES if isinstance(in_meta, str) else _VERSION
        raise RpcError(INVALID_PARAMS, f"params._meta: {missing} is missing, or of another type.", status=400)
    _refuse_other_headers(headers, "MCP-Protocol-Version", in_meta)
    if in_meta not in STATELESS_VERSIONS:
        data: Json = {"supported": list(VERSIONS), "requested": in_meta}
        message = f"Version {in_meta[:40]!r} is not spoken here. Use one of {', '.join(VERSIONS)}."
        raise RpcError(UNSUPPORTED_VERSION, message, status=400, data=data)
    _refuse_other_headers(headers, "Mcp-Method", method)
    if (parameter := _NAMED_BY.get(method)) is not None:
        _refuse_other_headers(headers, "Mcp-Name", params.get(parameter))
    extensions = capabilities.get("extensions")
    takes_tasks = isinstance(extensions, dict) and isinstance(extensions.get(TASKS_EXTENSION), dict)
    return Call(method, params, is_stateless=True, takes_tasks=takes_tasks)


def require_tasks(call: Call) -> None:
    """Raise `RpcError` if the client does not declare the Tasks extension in this request."""
    if not call.takes_tasks:
        needed: Json = {"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}}
        message = f"{call.method} is for clients that declare {TASKS_EXTENSION}."
        raise RpcError(MISSING_CAPABILITY, message, status=400, data=needed)


def _refuse_other_headers(headers: Mapping[str, str], name: str, expected: JsonValue) -> None:
    """Raise `RpcError` if a header differs from the body: proxies may have routed the request by the header."""
    value = headers.get(name.lower())
    if value is None:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is missing: it repeats the body's value.", status=400)
    if _decode(value) != expected:
        message = f"The header {name} is {value[:100]!r}, but the body has {str(expected)[:100]!r}."
        raise RpcError(HEADER_MISMATCH, message, status=400)


def _decode(value: str) -> str | None:
    """Return the decoded value of a header; None if it is malformed. Text outside ASCII is sent as `=?base64?…?=`."""
    value = value.strip(" \t")
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[len("=?base64?") : -len("?=")], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
