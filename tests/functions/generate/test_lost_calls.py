"""A call of which no count came is on its task and in the budgets, with the most that it may have cost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from functions.generate.result.after_work import run_after_work
from local.standins.faults import Fault
from shared import wiring
from shared.cloud.gemini import Gemini
from shared.domain.tasks import claims
from shared.domain.tasks.task import Task
from tests.environment import NOWHERE
from tests.functions.generate.conftest import System
from tests.functions.generate.test_budgets import is_reserved, spent_today

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("own_calls")]

CEILING = Decimal("2.50") * 1000 / 1_000_000
"""What the longest answer of a task of these tests costs, in US dollars."""


async def dropped(system: System, name: str) -> str:
    return await system.drop(name, b"some words", dropsight_max_tokens="1000")


async def claimed_by_one_who_dies(system: System, uri: str, **changes: Any) -> None:
    """Claim the waiting task. `changes`: of fields of its document."""
    stored = await system.tasks.get((await system.until(uri, lambda task: task.waiting is not None)).id)
    assert stored is not None

    def claimed(task: Task) -> Task:
        return claims.claim(task, now=system.clock.now(), lease=timedelta(seconds=60)).model_copy(update=changes)

    await system.tasks.change(stored, claimed)


def lost(task: Task) -> tuple[int, Decimal]:
    usage: Any = task.usage
    entry = usage.get("lost_calls", {"calls": 0, "assumed_cost": "0"})
    return entry["calls"], Decimal(entry["assumed_cost"])


def cost(task: Task) -> Decimal:
    usage: Any = task.usage
    return Decimal(usage["cost"])


async def test_the_call_of_a_holder_that_died_is_counted_once_however_often_its_task_is_put_off(
    system: System,
) -> None:
    before = await spent_today()
    system.model.script.extend([{"status": 503}, {"status": 429}, {"status": 503}])
    uri = await dropped(system, "lost/killed.txt")
    await claimed_by_one_who_dies(system, uri)
    task = await system.ended(uri)
    calls, assumed = lost(task)
    assert (task.error, calls, task.usage and task.usage["calls"]) == (None, 1, 1)
    assert CEILING < assumed < 2 * CEILING
    assert await spent_today() - before == cost(task) + assumed


async def test_each_holder_that_may_have_made_a_call_counts(system: System) -> None:
    system.model.script.extend([{"status": 503}, {"status": 429}])
    uri = await dropped(system, "lost/twice.txt")
    await claimed_by_one_who_dies(system, uri)
    system.clock.advance(61)
    await system.until(uri, lambda task: task.waiting is not None and task.waiting.reason == "rate_limited")
    await claimed_by_one_who_dies(system, uri)
    assert lost(await system.ended(uri))[0] == 2


async def test_a_task_that_ends_before_another_call_counts_what_its_dead_holder_may_have_spent(system: System) -> None:
    before = await spent_today()
    system.model.script.append({"status": 503})
    uri = await dropped(system, "lost/cancelled.txt")
    await claimed_by_one_who_dies(system, uri)
    stored = await system.tasks.get((await system.until(uri, lambda _: True)).id)
    assert stored is not None
    system.clock.advance(61)

    def taken_over_and_cancelled(task: Task) -> Task:
        now = system.clock.now()
        return claims.cancel(claims.claim(task, now=now, lease=timedelta(seconds=60)), now=now)

    await system.tasks.change(stored, taken_over_and_cancelled)
    task = await system.ended(uri)
    calls, assumed = lost(task)
    assert calls == 1
    assert CEILING < assumed < 2 * CEILING
    assert await spent_today() - before == assumed


async def cancelled(system: System, uri: str) -> Task:
    stored = await system.tasks.get((await system.until(uri, lambda _: True)).id)
    assert stored is not None
    after = await system.tasks.change(stored, lambda task: claims.cancel(task, now=system.clock.now()))
    assert after is not None
    return after.task


async def test_a_task_that_is_cancelled_before_anyone_saw_its_holder_dead_counts_the_lost_call(system: System) -> None:
    before = await spent_today()
    system.model.script.append({"status": 503})
    uri = await dropped(system, "lost/cancelled-at-once.txt")
    await claimed_by_one_who_dies(system, uri)
    await cancelled(system, uri)
    calls, assumed = lost(await system.ended(uri))
    assert calls == 1
    assert CEILING < assumed < 2 * CEILING
    assert await spent_today() - before == assumed


@pytest.mark.parametrize("counted_first", [False, True])
async def test_a_holder_that_was_cancelled_before_its_call_has_lost_none(system: System, counted_first: bool) -> None:
    before = await spent_today()
    system.model.set_model({"processing": "1h"})
    uri = await dropped(system, f"lost/cancelled-before-its-call-{counted_first}.txt")
    held = await system.until(uri, lambda task: task.lease_until is not None)
    task = await cancelled(system, uri)
    if counted_first:
        await count_by_after_work(system, task)
        assert await spent_today() > before, "it may have made a call"
    while not (task := await system.until(uri, lambda _: True)).usage or lost(task)[0]:
        system.clock.advance(1)
        await asyncio.sleep(0.05)
    assert (held.token, task.token, system.model.asked) == (1, 2, [])
    assert await spent_today() == before


@pytest.mark.parametrize("counted_first", [False, True])
async def test_the_call_of_a_dead_holder_counts_if_its_successor_is_cancelled_before_its_own(
    system: System, counted_first: bool
) -> None:
    before = await spent_today()
    system.model.script.append({"status": 503})
    uri = await dropped(system, f"lost/successor-cancelled-{counted_first}.txt")
    await claimed_by_one_who_dies(system, uri, files=())
    system.model.set_model({"processing": "1h"})
    while not (held := await system.until(uri, lambda _: True)).takeovers:
        system.clock.advance(5)
        await asyncio.sleep(0.05)
    task = await cancelled(system, uri)
    assert (held.ledger.lost.calls, task.token) == (0, held.token + 1)
    if counted_first:
        await count_by_after_work(system, task)
    while system.traffic.under_way():
        system.clock.advance(1)
        await asyncio.sleep(0.05)
    if not counted_first:
        await count_by_after_work(system, task)
    task = await system.until(uri, lambda task: task.usage is not None)
    calls, assumed = lost(task)
    assert (calls, system.model.asked) == (1, [])
    assert CEILING < assumed < 2 * CEILING
    assert await spent_today() - before == assumed


async def count_by_after_work(system: System, task: Task) -> None:
    """Do the after-work, which counts the calls if the holder has not."""
    stored = await system.tasks.get(task.id)
    assert stored is not None
    await run_after_work(wiring.generate(), stored)


@pytest.mark.parametrize("pieces", [0, 2])
async def test_a_connection_that_breaks_counts_what_came_or_what_may_have_come(system: System, pieces: int) -> None:
    before = await spent_today()
    system.tap.faults.add([Fault(service="gemini", match="enerateContent", times=1, cut_after=pieces)])
    system.model.script.append({"text": "several words " * 40, "chunks": 8})
    task = await system.ended(await dropped(system, f"lost/broken-{pieces}.txt"))
    calls, assumed = lost(task)
    usage: Any = task.usage
    if pieces:
        assert (calls, usage["calls"]) == (0, 2)
        assert usage["rounds"][0]["answer_tokens"] > 0
    else:
        assert (calls, usage["calls"]) == (1, 1)
        assert assumed > CEILING
    assert await spent_today() - before == cost(task) + assumed


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_an_answer_that_ends_in_an_error_is_counted_as_far_as_it_came(system: System, status: int) -> None:
    before = await spent_today()
    system.model.script.append({"text": "several words " * 40, "chunks": 8, "error_after": 2, "error_status": status})
    task = await system.ended(await dropped(system, f"lost/failed-{status}.txt"))
    usage: Any = task.usage
    assert usage["rounds"][0]["answer_tokens"] > 0
    assert await spent_today() - before == cost(task)


async def test_a_refusal_costs_nothing(system: System) -> None:
    system.model.script.extend([{"status": 503}, {"status": 500}])
    assert lost(await system.ended(await dropped(system, "lost/refused.txt"))) == (0, Decimal(0))


async def test_what_a_task_has_spent_counts_while_it_waits_and_once_when_it_ends(system: System) -> None:
    before = await spent_today()
    system.model.script.extend([{"finish_reason": "MAX_TOKENS"}, {"status": 429}, {"status": 503}])
    uri = await system.drop("waits/half.txt", b"some words")
    task = await system.until(uri, lambda task: task.waiting is not None)
    waiting = await spent_today() - before
    assert waiting > 0
    assert not await is_reserved(system, task), "far from a budget, nothing is reserved"
    today = system.clock.now().date()
    rows = [row for row in await wiring.generate().totals.rows(today, today) if row.labels.prefix.endswith("/waits/")]
    assert {row.counters.tasks for row in rows} == {0}
    task = await system.ended(uri)
    assert await spent_today() - before == cost(task) > waiting


async def test_a_call_that_reaches_nobody_costs_nothing(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    deps, before = wiring.generate(), await spent_today()
    with monkeypatch.context() as patch:
        patch.setenv("GOOGLE_GEMINI_BASE_URL", f"http://{NOWHERE}")
        unreachable = Gemini("a key", deps.clock, threads=1)
    monkeypatch.setattr(deps.gemini, "stream", unreachable.stream)
    uri = await dropped(system, "lost/unreachable.txt")
    task = await system.until(uri, lambda task: task.waiting is not None)
    assert "Gemini cannot be reached" in str(task.waiting and task.waiting.detail)
    monkeypatch.undo()
    task = await system.ended(uri)
    await unreachable.aclose()
    assert (task.error, lost(task)) == (None, (0, Decimal(0)))
    assert await spent_today() - before == cost(task)
