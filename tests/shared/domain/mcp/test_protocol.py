"""Which revision of the protocol an MCP request speaks, and which headers and `_meta` are refused."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.mcp.protocol import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    UNSUPPORTED_VERSION,
    RpcError,
    read_call,
)

NEWEST = "2026-07-28"
VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


def headers(method: str, name: str | None = None, version: str = NEWEST) -> dict[str, str]:
    named = {"mcp-name": name} if name is not None else {}
    return {"mcp-protocol-version": version, "mcp-method": method, **named}


def params(*, version: str = NEWEST, extensions: Any = None, **others: Any) -> Any:
    capabilities = {} if extensions is None else {"extensions": extensions}
    return {**others, "_meta": {VERSION: version, CAPABILITIES: capabilities}}


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26", None])
def test_a_client_that_shook_hands_needs_no_more_headers(version: str | None) -> None:
    given = {} if version is None else {"mcp-protocol-version": version}
    call = read_call(given, "tools/call", {"name": "understand", "_meta": {"progressToken": 1}})
    assert (call.is_stateless, call.takes_tasks) == (False, False)


def test_a_handshake_is_one_whatever_version_its_header_wants() -> None:
    assert not read_call({"mcp-protocol-version": "1999-01-01"}, "initialize", {}).is_stateless


@pytest.mark.parametrize(
    ("extensions", "takes_tasks"),
    [(None, False), ({}, False), ({"io.modelcontextprotocol/tasks": {}}, True), (7, False)],
)
def test_a_request_of_the_newest_revision_says_whether_its_client_takes_tasks(
    extensions: Any, takes_tasks: bool
) -> None:
    call = read_call(headers("tools/list"), "tools/list", params(extensions=extensions))
    assert (call.is_stateless, call.takes_tasks) == (True, takes_tasks)


@pytest.mark.parametrize(
    ("method", "name", "others"),
    [
        ("tools/call", "understand", {"name": "understand"}),
        ("tools/call", "  understand\t", {"name": "understand"}),
        ("resources/read", "=?base64?ZHJvcHNpZ2h0Oi8vw7w=?=", {"uri": "dropsight://ü"}),
        ("tasks/get", "task-1", {"taskId": "task-1"}),
    ],
)
def test_a_name_is_repeated_by_its_header_in_plain_or_in_base64(method: str, name: str, others: Any) -> None:
    assert read_call(headers(method, name), method, params(**others)).is_stateless


@pytest.mark.parametrize(
    ("given", "method", "body", "code"),
    [
        pytest.param({"mcp-method": "ping"}, "ping", params(), HEADER_MISMATCH, id="no version in the headers"),
        pytest.param(headers("ping", version="2025-11-25"), "ping", params(), HEADER_MISMATCH, id="another version"),
        pytest.param({"mcp-protocol-version": NEWEST}, "ping", params(), HEADER_MISMATCH, id="no method"),
        pytest.param(headers("PING"), "ping", params(), HEADER_MISMATCH, id="another case"),
        pytest.param(headers("tools/call"), "tools/call", params(name="a"), HEADER_MISMATCH, id="no name"),
        pytest.param(headers("tools/call", "b"), "tools/call", params(name="a"), HEADER_MISMATCH, id="another name"),
        pytest.param(
            headers("tools/call", "=?base64?%%%?="), "tools/call", params(name="a"), HEADER_MISMATCH, id="no base64"
        ),
        pytest.param(
            headers("tools/call", "=?base64?/w==?="), "tools/call", params(name="a"), HEADER_MISMATCH, id="no UTF-8"
        ),
        pytest.param(headers("ping"), "ping", {}, INVALID_PARAMS, id="no _meta"),
        pytest.param(headers("ping"), "ping", {"_meta": 7}, INVALID_PARAMS, id="_meta of another type"),
        pytest.param(headers("ping"), "ping", {"_meta": {VERSION: NEWEST}}, INVALID_PARAMS, id="no capabilities"),
        pytest.param(headers("ping"), "ping", {"_meta": {CAPABILITIES: {}}}, INVALID_PARAMS, id="no version"),
        pytest.param(headers("ping", version="1"), "ping", {}, INVALID_PARAMS, id="an unknown version and no _meta"),
        pytest.param(
            headers("ping", version="1"), "ping", params(version="1"), UNSUPPORTED_VERSION, id="an unknown version"
        ),
    ],
)
def test_what_the_newest_revision_forbids_is_a_bad_request(given: Any, method: str, body: Any, code: int) -> None:
    with pytest.raises(RpcError) as refused:
        read_call(given, method, body)
    assert (refused.value.code, refused.value.status) == (code, 400)


def test_an_unknown_version_is_answered_with_those_that_are_spoken() -> None:
    with pytest.raises(RpcError) as refused:
        read_call(headers("ping", version="2031-01-01"), "ping", params(version="2031-01-01"))
    assert refused.value.data == {
        "supported": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
        "requested": "2031-01-01",
    }
