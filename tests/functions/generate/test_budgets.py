"""No call is made that a budget does not allow; what is held up for it goes on once there is room."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from shared import wiring
from shared.settings import GenerateSettings
from tests.functions.generate.conftest import SAMPLES, System, camelled

pytestmark = pytest.mark.asyncio(loop_scope="session")


def with_budgets(patch: pytest.MonkeyPatch, **budgets: Any) -> None:
    settings = GenerateSettings().model_copy(update=budgets)
    patch.setattr(wiring.generate().budgets, "_settings", settings)
    patch.setattr(wiring.generate().budgets, "_known", None)


async def spent_today() -> Decimal:
    wiring.generate().budgets._known = None
    return (await wiring.generate().budgets.state())[0]


async def price_of_one(system: System, name: str) -> Decimal:
    task = await system.answered(name, b"the same words", dropsight_max_tokens="64")
    usage: Any = task.usage
    return Decimal(usage["cost"])


async def test_of_many_files_only_those_within_the_budget_are_asked_about_until_it_is_raised(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await price_of_one(system, "budget/first.txt")
    with_budgets(monkeypatch, daily_budget=await spent_today() + 5 * one)
    system.model.asked.clear()
    uris = [
        await system.drop(f"budget/{number}.txt", b"the same words", dropsight_max_tokens="64") for number in range(20)
    ]

    async def settled() -> bool:
        tasks = [await system.task(uri) for uri in uris]
        return all(task is not None and (task.terminal or _is_spent(task)) for task in tasks)

    async with asyncio.timeout(60):
        while not await settled():
            system.clock.advance(5)
            await asyncio.sleep(0.05)
    assert 5 <= len(system.model.asked) <= 6
    waiting = [task for task in [await system.task(uri) for uri in uris] if task is not None and task.waiting]
    assert {task.waiting.reason for task in waiting if task.waiting} == {"budget"}
    assert "US dollars a day, is spent" in str(waiting[0].waiting and waiting[0].waiting.detail)
    with_budgets(monkeypatch, daily_budget=Decimal(100))
    async with asyncio.timeout(60):
        while not all(task is not None and task.terminal for task in [await system.task(uri) for uri in uris]):
            system.clock.advance(300)
            await asyncio.sleep(0.05)
    assert len(system.model.asked) == 20


def _is_spent(task: Any) -> bool:
    return task.waiting is not None and "is spent" in task.waiting.detail


async def test_what_may_cost_more_than_a_task_may_is_refused_before_it_is_asked(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_budgets(monkeypatch, task_budget=Decimal("0.0001"))
    task = await system.answered("budget/dear.txt", b"some words")
    assert task.error is not None
    assert task.error.code == "budget_exceeded"
    assert "a task may cost 0.0001 at most" in task.error.message
    assert system.model.asked == []


async def test_over_its_budget_a_task_fails_if_the_operator_wants_it_so(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    await price_of_one(system, "budget/before.txt")
    system.model.asked.clear()
    with_budgets(monkeypatch, inbox_daily_budget=Decimal(0), budget_action="fail")
    task = await system.answered("budget/fails.txt", b"some words")
    assert task.error is not None
    assert (task.error.code, system.model.asked) == ("budget_exceeded", [])
    assert "The budget of inbox:inbox, 0 US dollars a day, is spent." in task.error.message


async def test_the_counters_are_the_sum_of_the_tasks(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await spent_today()
    system.model.script.extend([{"finish_reason": "MAX_TOKENS"}, {}, {"parts": []}, {"parts": []}])
    tasks = [await system.answered(f"budget/sum-{number}.txt", b"some words") for number in range(4)]
    costs = [Decimal(str((task.usage or {})["cost"])) for task in tasks]
    assert await spent_today() - before == sum(costs)
    assert sum(costs) > 0


async def test_a_transcript_has_a_ceiling_by_the_length_of_its_recording(system: System) -> None:
    await system.answered("budget/speech.wav", SAMPLES / "speech.wav")
    config = camelled(system.model.asked[-1][1])["generationConfig"]
    assert 45_056 <= config["maxOutputTokens"] < 65_536
    await system.answered("budget/own.wav", SAMPLES / "speech.wav", dropsight_max_tokens="77")
    assert camelled(system.model.asked[-1][1])["generationConfig"]["maxOutputTokens"] == 77
    await system.answered("budget/text.txt", b"some words")
    assert "maxOutputTokens" not in camelled(system.model.asked[-1][1]).get("generationConfig", {})
