"""No call is made that a budget does not allow; what is held up for it goes on once there is room."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from functions.generate.lease import Lease
from shared import wiring
from shared.cloud.reservations import Reservation, TooManyAtOnce
from shared.domain.errors import TransientFailure
from shared.domain.money.calls import PICO
from shared.domain.tasks import claims
from shared.domain.tasks.task import Task
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


@pytest.mark.long
async def test_of_many_files_only_those_within_the_budget_are_asked_about_until_it_is_raised(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await price_of_one(system, "budget/first.txt")
    with_budgets(monkeypatch, daily_budget=await spent_today() + 5 * one)
    system.model.asked.clear()
    uris = [
        await system.drop(f"budget/{number}.txt", b"the same words", dropsight_max_tokens="64") for number in range(20)
    ]

    tasks = await system.until_all(uris, lambda task: task.terminal or _is_spent(task))
    assert 5 <= len(system.model.asked) <= 6
    waiting = [task for task in tasks if task.waiting]
    assert {task.waiting.reason for task in waiting if task.waiting} == {"budget"}
    assert "US dollars a day, is spent" in str(waiting[0].waiting and waiting[0].waiting.detail)
    with_budgets(monkeypatch, daily_budget=Decimal(100))
    await system.until_all(uris, lambda task: task.terminal)
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


@pytest.mark.parametrize(
    "script", ["The quick brown fox. ", "天地玄黃宇宙洪荒。", "นายสังฆภัณฑ์ ", "🙂🎉", "QUJDREVGR0hJ"]
)
async def test_what_a_call_about_a_text_may_cost_at_most_is_no_less_than_it_costs(system: System, script: str) -> None:
    text = (script * 40_000).encode()
    task = await system.answered(f"budget/script-{len(text)}.txt", text, dropsight_max_tokens="64")
    cost, most = Decimal(str((task.usage or {})["cost"])), task.ledger.lost.estimate
    assert most is not None
    assert cost <= Decimal(most) / PICO < 5 * cost


async def is_reserved(system: System, task: Task) -> bool:
    return await wiring.generate().reservations.is_held(system.clock.now().date(), task.key)


async def left_behind_by_a_dead_holder(system: System, task: Task) -> None:
    now = system.clock.now()

    async def dear(_others: dict[str, Reservation]) -> Reservation:
        return Reservation(task.owner, 10**12, now + timedelta(hours=1))

    assert await wiring.generate().reservations.change(now.date(), task.key, now, dear)


async def cancel(system: System, task: Task) -> None:
    stored = await system.tasks.get(task.id)
    assert stored is not None
    await system.tasks.change(stored, lambda current: claims.cancel(current, now=system.clock.now()))


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled", "given_up"])
async def test_however_a_task_ends_no_reservation_of_its_earlier_claims_stays(system: System, end: str) -> None:
    system.model.script.append({"status": 503})
    uri = await system.drop(f"budget/left-{end}.txt", b"some words")
    task = await system.until(uri, lambda task: task.waiting is not None)
    await left_behind_by_a_dead_holder(system, task)
    assert await is_reserved(system, task)
    scripts: dict[str, list[Any]] = {"completed": [{}], "failed": [{"status": 400}], "given_up": [{"status": 500}] * 9}
    system.model.script.extend(scripts.get(end, []))
    if end == "cancelled":
        await cancel(system, task)
    task = await system.ended(uri)
    assert task.usage is not None
    assert not await is_reserved(system, task)


async def test_what_a_cancelled_call_had_reserved_is_given_back_by_who_made_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_budgets(monkeypatch, daily_budget=await spent_today() + Decimal("0.0001"))
    system.model.script.append({"latency": "1h"})
    uri = await system.drop("budget/cancelled-while-asked.txt", b"some words", dropsight_max_tokens="64")
    task = await system.until(uri, lambda task: task.lease_until is not None)
    while not system.model.asked:
        await asyncio.sleep(0.03)
    assert await is_reserved(system, task)
    await cancel(system, task)
    while await is_reserved(system, task):
        system.clock.advance(5)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("end", ["put_off", "given_up"])
async def test_who_lost_a_cancelled_task_while_its_call_failed_leaves_nothing_reserved(
    system: System, end: str
) -> None:
    # Read here, where the settings are complete.
    from functions.generate.main import put_off_or_fail

    system.model.script.append({"status": 503})
    uri = await system.drop(f"budget/cancelled-and-{end}.txt", b"some words")
    task = await system.until(uri, lambda task: task.waiting is not None)
    stored = await system.tasks.get(task.id)
    assert stored is not None
    most = 1 if end == "given_up" else 20
    settings = wiring.generate().settings.model_copy(update={"max_attempts": most})
    deps = replace(wiring.generate(), settings=settings)
    lease = Lease(deps.tasks, deps.clock, stored, lease=timedelta(minutes=1), until=deps.clock.time() + 60)
    await cancel(system, task)
    # It was counted before, when there was nothing to end.
    await left_behind_by_a_dead_holder(system, task)
    lease.reserved = system.clock.now().date()
    assert await put_off_or_fail(deps, lease, TransientFailure("the call failed"))
    assert not await is_reserved(system, task)


async def test_a_task_that_is_put_off_keeps_no_more_reserved_than_it_has_spent(system: System) -> None:
    system.model.script.extend([{"status": 503}, {"status": 429}])
    uri = await system.drop("budget/put-off-again.txt", b"some words")
    task = await system.until(uri, lambda task: task.waiting is not None)
    await left_behind_by_a_dead_holder(system, task)
    system.clock.advance(30)
    await system.until(uri, lambda task: task.waiting is not None and task.waiting.reason == "rate_limited")
    held: dict[str, Reservation] = {}

    async def look(others: dict[str, Reservation]) -> None:
        held.update(others)

    now = system.clock.now()
    await wiring.generate().reservations.change(now.date(), "another", now, look)
    assert task.key not in held
    await cancel(system, task)


async def test_reservations_that_fill_their_document_leave_no_room_for_another(system: System) -> None:
    reservations, now = wiring.generate().reservations, system.clock.now()
    day = now.date() + timedelta(days=400)

    async def half(_others: dict[str, Reservation]) -> Reservation:
        return Reservation("x" * 600_000, 0, now + timedelta(hours=1))

    assert await reservations.change(day, "first", now, half)
    with pytest.raises(TooManyAtOnce):
        await reservations.change(day, "second", now, half)
    assert list(await reservations.held(day, now)) == ["first"]
