"""The Model Context Protocol, spoken by hand: with a handshake and without; tools, resources, and work as tasks."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from tests.functions.api.conftest import INBOX, SAMPLES, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEWEST, HANDSHAKE = "2026-07-28", "2025-11-25"
TASKS = "io.modelcontextprotocol/tasks"
QUESTION = {"question": "What is the capital of France?"}
NAMED_BY = {"tools/call": "name", "resources/read": "uri"}


async def post(
    client: httpx2.AsyncClient, method: str, *, version: str = NEWEST, takes_tasks: bool = False, **params: Any
) -> httpx2.Response:
    headers = {"MCP-Protocol-Version": version, "Accept": "application/json, text/event-stream"}
    if version == NEWEST:
        capabilities: dict[str, Any] = {"extensions": {TASKS: {}}} if takes_tasks else {}
        headers["Mcp-Method"] = method
        if (named := params.get(NAMED_BY.get(method, "taskId"))) is not None:
            headers["Mcp-Name"] = named
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        }
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    return await client.post("/mcp", json=body, headers=headers)


async def result_of(client: httpx2.AsyncClient, method: str, **params: Any) -> Any:
    answer = await post(client, method, **params)
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == 7
    return answer.json()["result"]


async def error_of(client: httpx2.AsyncClient, method: str, **params: Any) -> tuple[int, int]:
    answer = await post(client, method, **params)
    assert answer.json()["id"] == 7
    return answer.status_code, answer.json()["error"]["code"]


async def ended(client: httpx2.AsyncClient, task_id: str) -> Any:
    async with asyncio.timeout(60):
        while (task := await result_of(client, "tasks/get", taskId=task_id, takes_tasks=True))["status"] == "working":
            await asyncio.sleep(0.05)
    return task


async def test_a_server_says_which_versions_it_speaks_and_that_it_has_tasks(system: System) -> None:
    async with system.client(await system.key("mcp-discover")) as client:
        discovered = await result_of(client, "server/discover")
    assert discovered["supportedVersions"][:2] == [NEWEST, HANDSHAKE]
    assert discovered["capabilities"] == {"tools": {}, "resources": {}, "extensions": {TASKS: {}}}
    assert (discovered["resultType"], discovered["cacheScope"]) == ("complete", "public")
    assert discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "dropsight"


@pytest.mark.parametrize(("wanted", "spoken"), [("2025-06-18", "2025-06-18"), (NEWEST, HANDSHAKE), (None, HANDSHAKE)])
async def test_a_handshake_agrees_on_a_version_that_has_one(system: System, wanted: str | None, spoken: str) -> None:
    async with system.client(await system.key("mcp-initialize")) as client:
        agreed = await result_of(client, "initialize", version=HANDSHAKE, protocolVersion=wanted)
        assert (await client.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"})).is_success
        assert await result_of(client, "ping", version=HANDSHAKE) == {}
        listed = await result_of(client, "tools/list", version=HANDSHAKE)
    assert agreed["protocolVersion"] == spoken
    assert "tasks" in agreed["capabilities"]
    assert listed["tools"][0]["execution"] == {"taskSupport": "optional"}
    assert "resultType" not in listed


async def test_the_newest_revision_lists_the_same_tools_for_a_while(system: System) -> None:
    async with system.client(await system.key("mcp-tools")) as client:
        listed = await result_of(client, "tools/list")
    assert [tool["name"] for tool in listed["tools"]] == ["understand", "get_task", "list_tasks", "cancel_task"]
    assert not any("execution" in tool for tool in listed["tools"])
    assert listed["ttlMs"] > 0


async def test_a_file_is_understood_and_its_task_read_as_a_resource(system: System) -> None:
    prefix = f"gs://{INBOX}/mcp/"
    secret = await system.key("mcp-file", sources=(prefix,))
    await system.drop("mcp/speech.wav", (SAMPLES / "speech.wav").read_bytes())
    await system.ended(secret, f"{prefix}speech.wav")
    given = {"uri": f"{prefix}speech.wav", "question": "What is said?"}
    async with system.client(secret) as client:
        answer = await result_of(client, "tools/call", name="understand", arguments=given)
        task = answer["structuredContent"]["id"]
        listed = await result_of(client, "resources/list")
        read = await result_of(client, "resources/read", uri=f"dropsight://tasks/{task}")
        outputs = [resource["uri"] for resource in listed["resources"] if "/outputs/" in resource["uri"]]
        output = await result_of(client, "resources/read", uri=outputs[0])
    assert (answer["isError"], answer["resultType"]) == (False, "complete")
    assert answer["structuredContent"]["answer"] == answer["content"][0]["text"]
    assert task in read["contents"][0]["text"]
    assert output["contents"][0]["uri"] == outputs[0]
    assert (listed["cacheScope"], read["cacheScope"]) == ("private", "private")


async def test_a_client_that_takes_tasks_gets_one_and_polls_its_result(system: System) -> None:
    system.gemini.set_model({"text": "Paris.", "latency": "1s"})
    call = {"name": "understand", "arguments": QUESTION}
    async with system.client(await system.key("mcp-task")) as client:
        created = await result_of(client, "tools/call", **call, takes_tasks=True)
        now = await result_of(client, "tasks/get", taskId=created["taskId"], takes_tasks=True)
        assert await result_of(client, "tasks/update", taskId=created["taskId"], inputResponses={}, takes_tasks=True)
        task = await ended(client, created["taskId"])
        cancelled = await result_of(client, "tasks/cancel", taskId=created["taskId"], takes_tasks=True)
        after = await ended(client, created["taskId"])
    assert (created["resultType"], created["status"]) == ("task", "working")
    assert (now["resultType"], now["taskId"]) == ("complete", created["taskId"])
    assert created["ttlMs"] > 3_600_000
    assert created["pollIntervalMs"] > 0
    assert task["result"]["content"] == [{"type": "text", "text": "Paris."}]
    assert task["result"]["isError"] is False
    assert set(cancelled) == {"resultType", "_meta"}
    assert after["status"] == "completed"


async def test_a_client_that_takes_tasks_may_wait_for_its_answer_all_the_same(system: System) -> None:
    system.gemini.set_model({"text": "Paris."})
    arguments = {**QUESTION, "wait_seconds": 50}
    async with system.client(await system.key("mcp-wait")) as client:
        answer = await result_of(client, "tools/call", name="understand", arguments=arguments, takes_tasks=True)
    assert (answer["resultType"], answer["content"][0]["text"]) == ("complete", "Paris.")


async def test_a_task_that_fails_is_completed_with_an_error_for_the_model_to_read(system: System) -> None:
    system.gemini.set_model({"text": ""})
    async with system.client(await system.key("mcp-failure")) as client:
        created = await result_of(client, "tools/call", name="understand", arguments=QUESTION, takes_tasks=True)
        task = await ended(client, created["taskId"])
    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    assert "error" not in task


async def test_a_task_with_several_answers_is_read_with_all_of_them(system: System) -> None:
    body = {"model": "gemini-3.5-flash-lite", "messages": [{"role": "user", "content": "Hello?"}], "n": 2}
    system.gemini.set_model({"text": "Good day."})
    async with system.client(await system.key("mcp-several")) as client:
        made = (await client.post("/v1/llm/generations", json={**body, "sync": True})).json()
        task_id = made["id"].removeprefix("chatcmpl-")
        result = await result_of(client, "tools/call", name="get_task", arguments={"task_id": task_id})
    assert result["structuredContent"]["answer"] == "Good day.\n\nGood day."


async def test_a_task_is_cancelled(system: System) -> None:
    system.gemini.set_model({"latency": "30s"})
    async with system.client(await system.key("mcp-cancel")) as client:
        created = await result_of(client, "tools/call", name="understand", arguments=QUESTION, takes_tasks=True)
        await result_of(client, "tasks/cancel", taskId=created["taskId"], takes_tasks=True)
        system.gemini.set_model({"latency": None})
        task = await ended(client, created["taskId"])
    assert task["status"] == "cancelled"
    assert "result" not in task


async def test_the_tasks_of_2025_11_25_are_still_served(system: System) -> None:
    system.gemini.set_model({"text": "Paris."})
    async with system.client(await system.key("mcp-old-task")) as client:
        created = await result_of(
            client, "tools/call", version=HANDSHAKE, name="understand", arguments=QUESTION, task={"ttl": 60_000}
        )
        task_id = created["task"]["taskId"]
        result = await result_of(client, "tasks/result", version=HANDSHAKE, taskId=task_id)
        shown = await result_of(client, "tasks/get", version=HANDSHAKE, taskId=task_id)
        listed = await result_of(client, "tasks/list", version=HANDSHAKE)
        assert await error_of(client, "tasks/cancel", version=HANDSHAKE, taskId=task_id) == (200, -32602)
    assert result["content"] == [{"type": "text", "text": "Paris."}]
    assert result["_meta"] == {"io.modelcontextprotocol/related-task": {"taskId": task_id}}
    assert shown["status"] == "completed"
    assert shown["ttl"] > 3_600_000
    assert [task["taskId"] for task in listed["tasks"]] == [task_id]


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_tasks_are_for_clients_that_declare_them_and_for_their_owner(system: System, method: str) -> None:
    system.gemini.set_model({"text": "Paris."})
    async with system.client(await system.key("mcp-owner")) as client:
        created = await result_of(client, "tools/call", name="understand", arguments=QUESTION, takes_tasks=True)
        assert await error_of(client, method, taskId=created["taskId"]) == (400, -32021)
    async with system.client(await system.key("mcp-other")) as client:
        assert await error_of(client, method, taskId=created["taskId"], takes_tasks=True) == (200, -32602)


@pytest.mark.parametrize("method", ["initialize", "ping", "tasks/list", "tasks/result", "prompts/list", "no/such"])
async def test_a_method_that_the_newest_revision_does_not_have_is_not_found(system: System, method: str) -> None:
    async with system.client(await system.key("mcp-removed")) as client:
        assert await error_of(client, method, takes_tasks=True) == (404, -32601)


async def test_what_is_wrong_within_a_tool_is_for_the_model_and_the_rest_is_an_error(system: System) -> None:
    async with system.client(await system.key("mcp-wrong")) as client:
        wrong = await result_of(client, "tools/call", name="understand", arguments={})
        assert await error_of(client, "tools/call", name="no_such_tool") == (200, -32602)
        assert await error_of(client, "tools/list", version="1999-01-01") == (400, -32602)
        missing = "dropsight://tasks/task-llm-1776874565-yq3szvcu"
        assert await error_of(client, "resources/read", uri=missing) == (200, -32602)
        assert await error_of(client, "resources/read", version=HANDSHAKE, uri="dropsight://x") == (200, -32002)
    assert wrong["isError"] is True
    assert "question" in wrong["content"][0]["text"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[]", -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600),
    ],
)
async def test_what_is_no_message_is_a_bad_request(system: System, body: bytes, code: int) -> None:
    async with system.client(await system.key("mcp-bytes")) as client:
        answer = await client.post("/mcp", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize("takes_tasks", [False, True])
async def test_a_call_that_is_sent_again_with_its_key_is_one_task(system: System, takes_tasks: bool) -> None:
    secret = await system.key(f"mcp-again-{takes_tasks:d}")

    async def ask(client: httpx2.AsyncClient, **arguments: Any) -> Any:
        given = {**QUESTION, **arguments}
        return await result_of(client, "tools/call", name="understand", arguments=given, takes_tasks=takes_tasks)

    async with system.client(secret) as client:
        for _ in range(2):
            assert not (await ask(client, idempotency_key="a lost call")).get("isError")
        other = await ask(client, idempotency_key="a lost call", question="And of Italy?")
        wrong = [await ask(client, idempotency_key=key) for key in ("", "x" * 256, "\0content:a", 7)]
        listed = (await client.get("/v1/tasks")).json()["data"]
    assert len(listed) == 1
    assert other["structuredContent"]["error"]["code"].startswith("idempotency")
    assert {answer["structuredContent"]["error"]["param"] for answer in wrong} == {"idempotency_key"}


@pytest.mark.parametrize("cursor", ["foo", "a-b-c", "task-llm-9999999999999-yq3szvcu"])
async def test_a_cursor_that_no_page_ended_with_is_refused(system: System, cursor: str) -> None:
    async with system.client(await system.key("mcp-cursor")) as client:
        assert await error_of(client, "resources/list", cursor=cursor) == (200, -32602)
        assert await error_of(client, "tasks/list", version=HANDSHAKE, cursor=cursor) == (200, -32602)
        listed = await result_of(client, "tools/call", name="list_tasks", arguments={"after": cursor})
    assert listed["isError"] is True
    assert listed["structuredContent"]["error"]["param"] == "after"


async def test_a_page_of_an_allowed_origin_may_send_what_the_newest_revision_needs(system: System) -> None:
    needed = ("authorization", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name")
    request = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(needed),
    }
    async with system.client(None) as client:
        answer = await client.options("/mcp", headers=request)
    assert answer.status_code == 200, answer.text
    assert set(needed) <= set(answer.headers["access-control-allow-headers"].lower().split(", "))


async def test_there_are_no_sessions_and_no_pages_of_other_origins(system: System) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with system.client(await system.key("mcp-session")) as client:
        assert (await client.get("/mcp")).status_code == 405
        assert (await client.delete("/mcp")).status_code == 405
        assert (await client.post("/mcp", json=body, headers={"Origin": "https://evil.example"})).status_code == 403
        assert (await client.post("/mcp", json=body, headers={"Origin": "https://app.example"})).status_code == 200
    async with system.client(None) as client:
        assert (await client.post("/mcp", json=body)).status_code == 401
