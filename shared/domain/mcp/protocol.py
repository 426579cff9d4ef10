"""Read the envelope of an MCP request: which revision of the protocol it speaks, and what its client can do.

Since 2026-07-28 every request says so itself, in its headers and in `_meta`; before, clients shook hands by
`initialize`. Requests of both kinds are answered side by side.
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
"""Until 2025-11-25; `INVALID_PARAMS` since."""
HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION = -32020, -32021, -32022

STATELESS_VERSIONS = ("2026-07-28",)
HANDSHAKE_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
VERSIONS = (*STATELESS_VERSIONS, *HANDSHAKE_VERSIONS)
"""Of the protocol, newest first."""
TASKS_EXTENSION = "io.modelcontextprotocol/tasks"

_VERSION = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
_NAMED_BY = {
    "tools/call": "name", "prompts/get": "name", "resources/read": "uri",
    "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId",
}  # fmt: skip
"""The parameter that the header Mcp-Name repeats, by method."""


class RpcError(Exception):
    """An error of the protocol: its code, a sentence, and the HTTP status that carries it."""

    def __init__(self, code: int, message: str, *, status: int = 200, data: Json | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.data = code, message, status, data


class Call(NamedTuple):
    """One request: `is_stateless` since 2026-07-28; `takes_tasks` if the result may be a task of the extension."""

    method: str
    params: Json
    is_stateless: bool
    takes_tasks: bool


def read_call(headers: Mapping[str, str], method: str, params: Json) -> Call:
    """Return the request. Raises `RpcError` for headers or `_meta` that its revision does not allow."""
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
    """Raise unless the client says with this request that it knows the Tasks extension."""
    if not call.takes_tasks:
        needed: Json = {"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}}
        message = f"{call.method} is for clients that declare {TASKS_EXTENSION}."
        raise RpcError(MISSING_CAPABILITY, message, status=400, data=needed)


def _refuse_other_headers(headers: Mapping[str, str], name: str, expected: JsonValue) -> None:
    """Raise if a header does not repeat what the body says, by which servers in between may have been misled."""
    value = headers.get(name.lower())
    if value is None:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is missing: it repeats the body's value.", status=400)
    if _decode(value) != expected:
        message = f"The header {name} is {value[:100]!r}, but the body has {str(expected)[:100]!r}."
        raise RpcError(HEADER_MISMATCH, message, status=400)


def _decode(value: str) -> str | None:
    """Return a header's value; one that is not plain ASCII comes as `=?base64?…?=`. None if that is malformed."""
    value = value.strip(" \t")
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[len("=?base64?") : -len("?=")], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
