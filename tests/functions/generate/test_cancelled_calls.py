"""What a call had answered when its task was cancelled, or its time was up, is in the ledger: it is billed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from functions.generate.model.answer_store import load_answers
from functions.generate.result.after_work import run_after_work
from shared import wiring
from shared.cloud.firestore import Stored
from shared.domain.tasks import claims
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import System
from tests.functions.generate.test_budgets import is_reserved, spent_today, with_budgets
from tests.functions.wired import DEFAULTS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("own_calls")]

TEXT = "A long answer, of which nobody hears the end. " * 200
PIECES = 100
TOKENS_OF_PIECE = len(TEXT) // 4 // PIECES


async def answering(system: System, name: str, latency: str = "1000s", **model: Any) -> tuple[str, Task]:
    """Drop a file and return its task while the model is half-way through its answer."""
    system.model.script.append({"text": TEXT, "chunks": PIECES, "latency": latency, **model})
    uri = await system.drop(name, b"some words")
    task = await system.until(uri, lambda task: task.lease_until is not None)
    await system.until(uri, lambda _: system.model.asked)
    begun = bytes_of_call(system)
    await system.let_time_pass(uri, until=lambda: bytes_of_call(system) > begun + 1500)
    return uri, task


def bytes_of_call(system: System) -> int:
    [call] = [call for call in system.tap.ledger.calls("gemini") if "streamGenerateContent" in str(call["path"])]
    return int(str(call["bytes"]))


def cut_calls(system: System) -> list[dict[str, Any]]:
    return [call for call in system.tap.ledger.calls("gemini") if "sent_prompt_tokens" in call]


async def cancel(system: System, task: Task) -> Stored:
    stored = await system.tasks.get(task.id)
    assert stored is not None
    cancelled = await system.tasks.change(stored, lambda current: claims.cancel(current, now=system.clock.now()))
    assert cancelled is not None
    return cancelled


async def sent(system: System) -> dict[str, Any]:
    """What the stand-in had sent of the answer when the client hung up."""
    while not (calls := cut_calls(system)):
        system.clock.advance(1)
        await asyncio.sleep(0.05)
    return calls[-1]


def assert_heard(answer_tokens: int, call: dict[str, Any]) -> None:
    """Assert that what was sent is counted, but for a piece that was on its way when the client hung up."""
    sent_tokens = int(call["sent_answer_tokens"])
    assert 0 < answer_tokens <= sent_tokens <= answer_tokens + TOKENS_OF_PIECE


@pytest.mark.parametrize("counted_first", [False, True])
async def test_what_a_cancelled_call_had_answered_is_on_the_task_and_in_the_totals_once(
    system: System, monkeypatch: pytest.MonkeyPatch, counted_first: bool
) -> None:
    before = await spent_today()
    with_budgets(monkeypatch, daily_budget=before + Decimal("0.0001"))
    folder = f"cancelled-{counted_first}"
    uri, task = await answering(system, f"{folder}/one.txt")
    assert await is_reserved(system, task)
    cancelled = await cancel(system, task)
    if counted_first:
        assert await run_after_work(wiring.generate(), cancelled)
    counted = await sent(system)
    await system.until(uri, lambda task: task.usage is not None and task.usage["calls"])
    if not counted_first:
        stored = await system.tasks.get(task.id)
        assert stored is not None
        assert await run_after_work(wiring.generate(), stored)
    ended = await system.until(uri, lambda task: task.terminal and not task.after)
    usage: Any = ended.usage
    assert usage["calls"] == 1
    assert usage["prompt_tokens"] == int(counted["sent_prompt_tokens"])
    assert_heard(usage["completion_tokens"], counted)
    assert await spent_today() - before == Decimal(usage["cost"]) > 0
    rows = await wiring.generate().totals.rows(system.clock.now().date(), system.clock.now().date())
    assert sum(row.counters.tasks for row in rows if row.labels.prefix.endswith(f"/{folder}/")) == 1
    assert not await is_reserved(system, task)


async def test_what_a_call_had_answered_when_its_time_was_up_counts_beside_the_next_call(system: System) -> None:
    uri, task = await answering(system, "cancelled/time-is-up.txt", latency="4000s")
    system.model.set_model(DEFAULTS)
    await system.let_time_pass(uri, until=lambda: bool(cut_calls(system)), step=15)
    counted = await sent(system)
    task = await system.until(uri, lambda task: task.terminal and not task.after, skip_waits=True)
    usage: Any = task.usage
    assert (task.error, usage["calls"]) == (None, 2)
    first = usage["rounds"][0]
    assert first["prompt_tokens"] == int(counted["sent_prompt_tokens"])
    assert_heard(first["answer_tokens"], counted)
    assert Decimal(usage["cost"]) == sum(Decimal(entry["cost"]) for entry in usage["rounds"])


async def test_a_call_that_is_stored_further_after_it_was_counted_is_counted_once(system: System) -> None:
    before = await spent_today()
    uri, task = await answering(system, "grown/one.txt", continuation_tokens=True, checkpoint_every=3)
    # A token was sent before the answer up to it is stored.
    while not await load_answers(wiring.generate(), task):
        await asyncio.sleep(0.03)
    assert await run_after_work(wiring.generate(), await cancel(system, task))
    counted = await system.until(uri, lambda task: task.usage is not None)
    first: Any = counted.usage
    assert first["calls"] == 1, "what came up to a token"
    await sent(system)
    grown = await system.until(uri, lambda task: task.usage != first)
    usage: Any = grown.usage
    assert usage["calls"] == 1
    assert usage["completion_tokens"] > first["completion_tokens"]
    assert await spent_today() - before == Decimal(usage["cost"]) > 0
    rows = await wiring.generate().totals.rows(system.clock.now().date(), system.clock.now().date())
    mine = [row.counters for row in rows if row.labels.prefix.endswith("/grown/")]
    assert sum(counters.calls for counters in mine) == sum(counters.tasks for counters in mine) == 1
    assert sum(counters.answer_tokens for counters in mine) == usage["completion_tokens"]
