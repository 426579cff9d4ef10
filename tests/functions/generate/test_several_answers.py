"""Several answers to one request: each a stored call, within the budgets, and together one result."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared import wiring
from shared.settings import GenerateSettings
from tests.functions.generate.conftest import System

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELLO = [{"role": "user", "content": "Say hello."}]
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
NAMED: Any = {"type": "json_schema", "json_schema": {"name": "named", "schema": SCHEMA}}


def contents(task: Any) -> list[str]:
    assert task.error is None, task.error
    [result] = task.results
    assert [choice["index"] for choice in result["choices"]] == list(range(len(result["choices"])))
    return [choice["message"]["content"] for choice in result["choices"]]


async def test_each_answer_is_a_call_of_its_own_with_another_seed(system: System) -> None:
    system.model.script.extend([{"text": f"Answer {number}."} for number in range(3)])
    task = await system.requested("several", messages=HELLO, n=3, seed=2**31 - 2)
    assert contents(task) == ["Answer 0.", "Answer 1.", "Answer 2."]
    bodies = [body for _, body in system.model.asked]
    assert [body["generationConfig"].pop("seed") for body in bodies] == [2**31 - 2, 2**31 - 1, -(2**31)]
    assert bodies[0] == bodies[1] == bodies[2]
    usage: Any = task.usage
    used: Any = (task.results or ())[0]["usage"]
    assert (usage["calls"], usage["total_tokens"]) == (3, used["total_tokens"])


async def test_what_a_takeover_finds_stored_is_not_asked_again(system: System) -> None:
    system.model.script.extend([{"text": "First."}, {"status": 503}, {"text": "Second."}])
    uri = "gs://requests/manifests/tests/several-taken-over.json"
    request = b'{"model": "gemini-2.5-flash-lite", "messages": [{"role": "user", "content": "Hello"}], "n": 2}'
    await system.drop("manifests/tests/several-taken-over.json", request, bucket="requests")
    waiting = await system.until(uri, lambda task: task.terminal or task.waiting is not None)
    assert not waiting.terminal
    system.clock.advance(120)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    assert contents(task) == ["First.", "Second."]
    assert len(system.model.asked) == 2


async def test_each_answer_is_mended_by_itself(system: System) -> None:
    system.model.script.extend([{"text": '{"name": "A"}'}, {"text": "{}"}, {"text": '{"name": "B"}'}])
    task = await system.requested("several-mended", messages=HELLO, n=2, response_format=NAMED)
    assert contents(task) == ['{"name": "A"}', '{"name": "B"}']


async def test_what_several_answers_may_cost_is_refused_before_the_first_one(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    one: Any = (await system.requested("several-price", messages=HELLO, max_tokens=64)).usage
    system.model.asked.clear()
    settings = GenerateSettings().model_copy(update={"task_budget": 2 * Decimal(one["cost"]) + Decimal("0.0001")})
    monkeypatch.setattr(wiring.generate().budgets, "_settings", settings)
    dear = await system.requested("several-dear", messages=HELLO, max_tokens=64, n=8)
    assert dear.error is not None
    assert (dear.error.code, system.model.asked) == ("budget_exceeded", [])


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"recipe": "summarise"}, "gives one answer"),
        ({"evidence": True, "response_format": NAMED}, "leave out n, or evidence"),
        ({"n": 9}, "less than or equal to 8"),
    ],
)
async def test_several_answers_are_refused_where_one_is_given(system: System, fields: dict[str, Any], why: str) -> None:
    files = [{"role": "user", "content": [{"type": "file_url", "file_url": {"url": "gs://inbox/a.txt"}}]}]
    task = await system.requested(f"several-refused-{len(why)}", **{"messages": files, "n": 2, **fields})
    assert task.error is not None
    assert why in task.error.message
    assert system.model.asked == []
