"""Keys: unknown, expired, revoked, rotated, too fast, out of budget; and what surrounds every answer."""

from __future__ import annotations

import argparse
from datetime import timedelta

import pytest

from functions.api import auth
from local.commands import keys as keys_command
from local.standins.faults import Fault
from shared.cloud.keys import Keys
from tests.functions.api.conftest import INBOX, System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNDERSTAND = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "understand", "arguments": {"url": "https://example.com/a.pdf", "question": "What is it?"}},
}


async def keys(system: System, *words: str) -> tuple[int, list[str]]:
    parser = argparse.ArgumentParser()
    keys_command.add_arguments(parser)
    printed: list[str] = []
    status = await keys_command.run(
        parser.parse_args(words), Keys(system.database, system.clock), system.clock, lambda line: printed.append(line)
    )
    return status, printed


async def code(system: System, secret: str) -> tuple[int, str | None]:
    async with system.client(secret) as client:
        answer = await client.get("/v1/tasks")
    return answer.status_code, answer.json().get("error", {}).get("code")


async def test_an_expired_key_is_told_apart_from_an_unknown_one(system: System) -> None:
    expired = await system.key("expired", expires_at=system.clock.now() - timedelta(seconds=1))
    assert await code(system, expired) == (401, "expired_api_key")
    assert await code(system, "sk-unknown") == (401, "invalid_api_key")


async def test_the_command_makes_lists_rotates_and_revokes_keys(system: System) -> None:
    status, printed = await keys(
        system,
        "create",
        "--name",
        "Team A",
        "--id",
        "team-a-key",
        "--source",
        f"gs://{INBOX}/team-a/",
        "--expires-in",
        "90d",
    )
    secret = printed[-1]
    assert (status, secret[:3]) == (0, "sk-")
    assert len(secret) >= 35
    assert (await code(system, secret))[0] == 200
    _, listed = await keys(system, "list")
    assert any("team-a-key" in line and "active" in line for line in listed)
    assert not any(secret in line for line in listed)
    _, rotated = await keys(system, "rotate", "team-a-key", "--overlap", "1h")
    assert (await code(system, secret))[0] == (await code(system, rotated[-1]))[0] == 200
    system.clock.advance(3700)
    assert (await code(system, secret))[1] == "expired_api_key"
    assert (await code(system, rotated[-1]))[0] == 200
    assert (await keys(system, "revoke", "team-a-key"))[0] == 0
    system.clock.advance(30)
    assert (await code(system, rotated[-1])) == (401, "invalid_api_key")
    assert (await keys(system, "revoke", "nobody"))[0] == 1
    assert (await keys(system, "create", "--name", "x", "--source", "gs://inbox"))[0] == 1


async def test_a_rotated_keys_tasks_stay_its_own(system: System) -> None:
    _, printed = await keys(system, "create", "--name", "Rota", "--id", "rota")
    async with system.client(printed[-1]) as client:
        task = (await client.post("/v1/llm/generations", json=request())).json()
    _, rotated = await keys(system, "rotate", "rota")
    async with system.client(rotated[-1]) as client:
        assert (await client.get(f"/v1/tasks/{task['id']}")).status_code == 200


async def test_a_key_that_is_too_fast_is_told_when_to_come_back(system: System) -> None:
    secret = await system.key("fast", requests_per_minute=3)
    async with system.client(secret) as client:
        answers = [await client.get("/v1/models") for _ in range(4)]
        system.clock.advance(21)
        later = await client.get("/v1/models")
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.json()["error"]["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) in range(1, 21)
    assert refused.headers["ratelimit-policy"] == '"default";q=3;w=60'
    assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
    assert answers[0].headers["ratelimit"].startswith('"default";r=2')
    assert later.status_code == 200


async def test_a_budget_of_tasks_a_day_ends_with_the_day(system: System) -> None:
    secret = await system.key("frugal", daily_tasks=2)
    async with system.client(secret) as client:
        made = [await client.post("/v1/llm/generations", json=request(seed=number)) for number in range(3)]
        wrong = await client.post("/v1/llm/generations", json=request(temperature=9))
        system.clock.advance(86_400)
        tomorrow = await client.post("/v1/llm/generations", json=request())
    assert [answer.status_code for answer in made] == [200, 200, 402]
    assert made[-1].json()["error"]["code"] == "budget_exceeded"
    assert wrong.status_code == 422
    assert tomorrow.status_code == 200


async def test_errors_come_as_problems_to_who_accepts_those(system: System) -> None:
    async with system.client(None, Accept="application/problem+json") as client:
        answer = await client.get("/v1/tasks")
        nowhere = await client.get("/nowhere")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["request_id"]) == (
        401,
        "missing_api_key",
        answer.headers["x-request-id"],
    )
    assert nowhere.json()["status"] == 404


async def test_pages_of_listed_origins_may_call_and_others_may_not(system: System) -> None:
    async with system.client(None) as client:
        preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        allowed = await client.options("/v1/tasks", headers={"Origin": "https://app.example", **preflight})
        foreign = await client.options("/v1/tasks", headers={"Origin": "https://evil.example", **preflight})
        refused = await client.get("/v1/tasks", headers={"Origin": "https://app.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in foreign.headers
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://app.example"


async def test_an_unforeseen_error_is_logged_once_and_answered_in_the_contracts_form(
    system: System, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(key: object) -> None:
        raise ZeroDivisionError("a bug")

    secret = await system.key("unlucky")
    monkeypatch.setattr(auth, "limit_rate", broken)
    async with system.client(secret) as client:
        answer = await client.get("/v1/tasks")
    output = capsys.readouterr()
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert output.out.count('"action": "request_failed"') == 1
    assert output.err == ""


async def test_a_database_that_is_busy_is_answered_503_and_is_no_bug(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    async with system.client(await system.key("busy")) as client:
        await client.get("/v1/tasks")
        system.tap.faults.add([Fault(service="firestore", match="RunQuery", status=409)])
        answer = await client.get("/v1/tasks")
        system.tap.faults.clear()
    output = capsys.readouterr().out
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"]["code"] == "service_unavailable"
    assert output.count('"action": "request_failed"') == 1
    assert '"severity": "WARNING", "action": "request_failed"' in output


@pytest.mark.long
async def test_after_an_outage_only_what_makes_no_second_task_is_to_be_sent_again(system: System) -> None:
    """A task that was made before the outage would be paid for twice."""
    async with system.client(await system.key("outage")) as client:
        await client.get("/v1/tasks")
        system.tap.faults.add([Fault(service="firestore", match="Commit", status=500)])
        plain = await client.post("/v1/llm/generations", json=request())
        keyed = await client.post("/v1/llm/generations", json=request(), headers={"Idempotency-Key": "one"})
        # MCP takes its key as an argument of understand, not as a header.
        by_mcp = await client.post("/mcp", json=UNDERSTAND, headers={"Idempotency-Key": "one"})
        system.tap.faults.clear()
    assert (plain.status_code, plain.headers.get("retry-after")) == (503, None)
    assert "Idempotency-Key" in plain.json()["error"]["message"]
    assert (keyed.status_code, keyed.headers.get("retry-after")) == (503, "2")
    assert (by_mcp.status_code, by_mcp.headers.get("retry-after")) == (503, None)
