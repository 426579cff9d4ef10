"""What work cost over the API: usage by groups, budgets that answer 402, and what is paused."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from shared import wiring
from shared.settings import ApiSettings
from tests.functions.api.conftest import INBOX, OTHER_INBOX, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

REQUEST = {"model": "gemini-3.5-flash-lite", "messages": [{"role": "user", "content": "Say something."}], "sync": True}


async def usage(system: System, secret: str, **query: str) -> Any:
    async with system.client(secret) as client:
        answer = await client.get("/v1/usage", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_usage_is_grouped_and_its_total_is_the_sum_of_the_tasks(system: System) -> None:
    operator = await system.key("money-all", scopes=("read", "submit", "operate"), sources=(f"gs://{INBOX}/",))
    before = (await usage(system, operator))["total"]
    await system.drop("money/one.txt", b"one")
    await system.drop("two.txt", b"two words")
    tasks: list[Any] = [await system.ended(operator, f"gs://{INBOX}/{name}") for name in ("money/one.txt", "two.txt")]
    after = await usage(system, operator, group_by="inbox,prefix,model,recipe")
    assert after["total"]["tasks"] - before["tasks"] == 2
    spent = Decimal(after["total"]["cost"]) - Decimal(before["cost"])
    assert spent == sum(Decimal(task["usage"]["cost"]) for task in tasks)
    for field in ("prompt_tokens", "answer_tokens", "thinking_tokens", "calls"):
        counted = sum(sum(each.get(field, 1) for each in task["usage"]["rounds"]) for task in tasks)
        assert after["total"][field] - before[field] == counted, field
    rows = {(row["inbox"], row["prefix"]): row for row in after["data"] if row["inbox"] == INBOX}
    assert rows[INBOX, f"gs://{INBOX}/money/"]["tasks"] == 1
    assert rows[INBOX, f"gs://{INBOX}/money/"]["model"] == "gemini-3.5-flash-lite"
    assert sum(row["tasks"] for row in after["data"]) == after["total"]["tasks"]


async def test_a_key_sees_its_own_usage_and_that_of_its_sources(system: System) -> None:
    own = await system.key("money-own", sources=(f"gs://{OTHER_INBOX}/seen/",))
    await system.drop("seen/a.txt", b"a", bucket=OTHER_INBOX)
    await system.drop("unseen/b.txt", b"b", bucket=OTHER_INBOX)
    await system.quiet()
    async with system.client(own) as client:
        assert (await client.post("/v1/llm/generations", json=REQUEST)).status_code == 200
    shown = await usage(system, own, group_by="key,prefix")
    assert [(row["key"], row["prefix"]) for row in shown["data"]] == [
        ("", f"gs://{OTHER_INBOX}/seen/"),
        ("money-own", ""),
    ]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"group_by": "colour"}, "group_by"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from"),
        ({"from": "2020-01-01", "to": "2026-02-01"}, "from"),
        ({"from": "yesterday"}, "from"),
    ],
)
async def test_what_usage_cannot_show_is_refused_by_its_name(system: System, query: dict[str, str], param: str) -> None:
    secret = await system.key(f"money-wrong-{abs(hash(str(query))) % 10**6}")
    async with system.client(secret) as client:
        answer = await client.get("/v1/usage", params=query)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


async def test_over_a_budget_a_request_is_answered_402_and_costs_nothing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await system.key("money-spent", daily_budget=Decimal("0.0000001"))
    async with system.client(secret) as client:
        assert (await client.post("/v1/llm/generations", json=REQUEST)).status_code == 200
        monkeypatch.setattr(wiring.api().budgets, "_known", None)
        calls = model_calls(system)
        answer = await client.post("/v1/llm/generations", json=REQUEST)
    assert answer.status_code == 402, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("budget_exceeded", "insufficient_quota")
    assert "The budget of key:money-spent, 0.0000001 US dollars a day, is spent." in error["message"]
    assert 0 < int(answer.headers["Retry-After"]) <= 86_400
    assert model_calls(system) == calls


def model_calls(system: System) -> int:
    return system.tap.ledger.stats().get("gemini", {}).get("streamGenerateContent", 0)


@pytest.mark.long
async def test_parallel_requests_over_a_keys_budget_cause_no_call_too_many(system: System) -> None:
    secret = await system.key("money-parallel", daily_budget=Decimal("0.0000001"))
    before = model_calls(system)
    request = {**REQUEST, "sync": False, "max_tokens": 10}
    async with system.client(secret) as client:
        answers = await asyncio.gather(*(client.post("/v1/llm/generations", json=request) for _ in range(200)))
        assert {answer.status_code for answer in answers} <= {200, 402}
        for _ in range(20):
            system.clock.advance(10)
            assert await system.traffic.ended(60)
        assert model_calls(system) - before == 1
        query = {"status": "processing", "limit": "100"}
        while waiting := (await client.get("/v1/tasks", params=query)).json()["data"]:
            for task in waiting:
                # One that is looked at again just now does not wait.
                assert task.get("waiting", {"reason": "budget"})["reason"] == "budget"
                assert (await client.post(f"/v1/tasks/{task['id']}/cancel")).status_code == 200
    wiring.api().budgets._known = None


async def test_the_whole_deployments_budget_is_seen_in_the_status(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = await system.key("money-status", scopes=("operate", "submit", "read"))
    settings = ApiSettings().model_copy(update={"daily_budget": Decimal("12.5")})
    monkeypatch.setattr(wiring.api().budgets, "_settings", settings)
    async with system.client(operator) as client:
        status = (await client.get("/v1/status")).json()
    assert status["budget"]["daily_budget"] == "12.5"
    assert Decimal(status["budget"]["spent_today"]) >= 0
    assert (status["paused"], status["breakers"]) == ([], [])


async def test_what_is_paused_waits_and_goes_on_when_it_is_resumed(system: System) -> None:
    operator = await system.key("money-pause", scopes=("operate", "submit", "read"), sources=(f"gs://{INBOX}/",))
    uri = f"gs://{INBOX}/paused/file.txt"
    async with system.client(operator) as client:
        paused = await client.post("/v1/pause", json={"inbox": INBOX})
        assert [each["what"] for each in paused.json()["paused"]] == [f"inbox:{INBOX}"]
        system.clock.advance(11)
        calls = model_calls(system)
        await system.drop("paused/file.txt", b"wait for it")
        while not (tasks := (await client.get("/v1/tasks", params={"object": uri})).json()["data"]) or not tasks[0].get(
            "waiting"
        ):
            await asyncio.sleep(0.05)
        assert tasks[0]["waiting"]["reason"] == "paused"
        assert "paused by key:money-pause" in tasks[0]["waiting"]["detail"]
        await system.drop("not-paused.txt", b"at once", bucket=OTHER_INBOX)
        assert await system.traffic.ended(60)
        assert model_calls(system) == calls + 1
        system.clock.advance(11)
        assert (await client.post("/v1/resume", json={"inbox": INBOX})).json()["paused"] == []
        system.clock.advance(11)
    assert (await system.ended(operator, uri))["status"] == "completed"


@pytest.mark.parametrize(("path", "method"), [("/v1/status", "GET"), ("/v1/pause", "POST"), ("/v1/resume", "POST")])
async def test_only_operators_see_and_change_what_is_held_up(system: System, path: str, method: str) -> None:
    secret = await system.key(f"money-no-operator-{path[4:]}")
    async with system.client(secret) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope_missing")


@pytest.mark.parametrize("path", ["/v1/pause", "/v1/resume", "/v1/keys", "/v1/uploads"])
async def test_a_body_that_is_not_json_is_answered_400_and_one_of_another_shape_422(system: System, path: str) -> None:
    operator = await system.key(f"money-bodies-{path[4:]}", scopes=("operate", "submit", "read"))
    async with system.client(operator, **{"Content-Type": "application/json"}) as client:
        answers = [await client.post(path, content=content) for content in ("{", "[]")]
    refused = [(answer.status_code, answer.json()["error"]["param"]) for answer in answers]
    assert refused == [(400, "body"), (422, "body")]


async def test_an_unknown_inbox_is_not_paused(system: System) -> None:
    operator = await system.key("money-unknown", scopes=("operate",))
    async with system.client(operator) as client:
        answer = await client.post("/v1/pause", json={"inbox": "nowhere"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "inbox")


async def test_a_cancelled_task_tells_what_its_calls_had_cost_and_is_counted(system: System) -> None:
    operator = await system.key("money-cancel", scopes=("read", "submit", "operate"))
    before = (await usage(system, operator))["total"]
    system.gemini.set_model({"latency": "600s", "chunks": 3})
    async with system.client(operator) as client:
        made = (await client.post("/v1/llm/generations", json={**REQUEST, "sync": False})).json()
        path = f"/v1/tasks/{made['id']}"
        while (await client.get(path)).json()["status"] == "pending":
            await asyncio.sleep(0.05)
        await client.post(f"{path}/cancel")
        system.gemini.set_model({"latency": None, "chunks": None})
        while (task := (await client.get(path)).json())["usage"] is None:
            await asyncio.sleep(0.05)
    assert (task["status"], task["usage"]["calls"], task["usage"]["cost"]) == ("failed", 0, "0")
    after = (await usage(system, operator))["total"]
    assert (after["tasks"] - before["tasks"], after["failed"] - before["failed"]) == (1, 1)
