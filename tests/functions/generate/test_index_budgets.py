"""No file is added to an index that a budget does not allow; it is added once there is room, and the answer stands."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from functions.generate.result.indexing import add_to_index
from shared import wiring
from shared.cloud.file_search import ImportUnderWay
from shared.domain.errors import BudgetSpent, PermanentFailure, TransientFailure
from shared.domain.money.calls import PICO
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import RULED, System, warned
from tests.functions.generate.indexed_files import added, documents_of, dropped
from tests.functions.generate.test_adding_to_index import taken_out
from tests.functions.generate.test_budgets import is_reserved, spent_today, with_budgets
from tests.shared.test_budgets import Database, Instant, instance, limits_of, task_of, with_counted

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("own_calls")]

A_CALL_AND_NO_MORE = Decimal("0.000000001")
"""US dollars. While anything is left of a budget, one call is granted, and spends it."""


def imports(system: System) -> int:
    return sum(":importFile" in str(call["path"]) for call in system.tap.ledger.calls("gemini"))


def put_off(task: Task) -> bool:
    """Whether a later dispatch goes on with the after-work of the task."""
    return task.epoch > 0 and task.dispatch_at is not None


async def test_over_the_days_budget_an_import_waits_without_its_answer_until_the_budget_is_raised(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_budgets(monkeypatch, daily_budget=await spent_today() + A_CALL_AND_NO_MORE)
    uri = await dropped(system, "north/waits.txt", "The import of this has to wait.")
    waiting = await system.until(uri, put_off)
    assert (waiting.status, waiting.after) == ("completed", ("index", "delete_file"))
    assert waiting.outputs
    later = await system.until(uri, lambda task: task.epoch > waiting.epoch, skip_waits=True)
    assert later.dispatch_at is not None
    assert (later.after, imports(system)) == (waiting.after, 0)
    with_budgets(monkeypatch, daily_budget=Decimal(1000))
    task = await system.ended(uri)
    assert documents_of(system, task) == ["text/markdown", "text/plain"]
    usage: Any = task.usage
    assert usage["indexing"]["estimated_tokens"] > 0
    assert warned(task) == ()


async def test_a_dispatch_from_before_the_wait_does_not_end_it(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.generate.main import Dispatch, handle_dispatch

    with_budgets(monkeypatch, daily_budget=await spent_today() + A_CALL_AND_NO_MORE)
    waiting = await system.until(await dropped(system, "north/redelivered.txt", "It waits."), put_off)
    assert await handle_dispatch(wiring.generate(), Dispatch(task=waiting.id, epoch=waiting.epoch - 1))
    stored = await system.tasks.get(waiting.id)
    assert stored is not None
    assert (stored.task.epoch, stored.task.after) == (waiting.epoch, waiting.after)


async def test_an_import_is_left_out_with_a_warning_if_tasks_over_the_budget_are_set_to_fail(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await spent_today()
    with_budgets(monkeypatch, daily_budget=before + A_CALL_AND_NO_MORE, budget_action="fail")
    task = await added(system, "north/fails.txt", "The import of this is left out.")
    assert (task.status, imports(system), documents_of(system, task)) == ("completed", 0, [])
    [warning] = warned(task)
    assert warning.startswith("The file could not be added to its index: The budget of this deployment, ")
    usage: Any = task.usage
    assert await spent_today() - before == Decimal(usage["cost"])


async def test_what_would_bring_a_task_over_its_own_budget_is_not_imported(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = await dropped(system, "north/dear.txt", "The answer to this is all that its task may cost.")
    budgets, before = wiring.generate().budgets, Decimal(0)
    reserve_import = budgets.reserve_import

    async def reserved(task: Task, estimate: Decimal, spent: Decimal) -> Any:
        nonlocal before
        before = Decimal(str((task.usage or {})["cost"]))
        with_budgets(monkeypatch, task_budget=before + estimate / 2)
        return await reserve_import(task, estimate, spent)

    monkeypatch.setattr(budgets, "reserve_import", reserved)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    assert (imports(system), Decimal(str((task.usage or {})["cost"]))) == (0, before)
    assert [warning.partition(": ")[2][:18] for warning in warned(task)] == ["This task may cost"]


async def test_an_import_reserves_what_its_earlier_tries_cost_and_not_what_the_counters_have() -> None:
    database, clock = Database(), Instant()
    budgets = instance(database, clock, {**limits_of(10), "task_budget": Decimal(9)})
    ended = with_counted(task_of(1, "inbox:a"), Decimal(3)).model_copy(update={"usage": {"cost": "5"}})
    database.count(clock.today, "inbox:a", 5 * PICO)
    assert await budgets.reserve_import(ended, Decimal("1.5"), Decimal("0.5")) == clock.today
    assert database.held[clock.today][ended.key].picodollars == 2 * PICO
    with pytest.raises(PermanentFailure, match=r"may cost 9\.5 "):
        await budgets.reserve_import(ended, Decimal(4), Decimal("0.5"))
    database.count(clock.today, "inbox:a", 5 * PICO)
    with pytest.raises(BudgetSpent):
        await budgets.reserve_import(ended, Decimal("1.5"), Decimal("0.5"))


async def test_close_to_a_budget_an_import_is_reserved_until_it_is_counted(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    deps, reserved = wiring.generate(), list[bool]()
    add_file, reserve_import = deps.file_search.add_file, deps.budgets.reserve_import
    uri = await dropped(system, "north/near.txt", "The import of this is reserved.")

    async def close(task: Task, estimate: Decimal, spent: Decimal) -> Any:
        with_budgets(monkeypatch, daily_budget=await spent_today() + 2 * estimate)
        return await reserve_import(task, estimate, spent)

    async def looked(*args: Any) -> str:
        task = await system.task(uri)
        assert task is not None
        reserved.append(await is_reserved(system, task))
        return await add_file(*args)

    monkeypatch.setattr(deps.budgets, "reserve_import", close)
    monkeypatch.setattr(deps.file_search, "add_file", looked)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    assert reserved == [True, True]
    assert not await is_reserved(system, task)


@pytest.mark.parametrize(
    ("failure", "is_kept"),
    [(TransientFailure("Gemini is unavailable"), False), (ImportUnderWay("not in time"), True)],
    ids=["failed", "may be billed yet"],
)
async def test_an_import_that_failed_or_waits_is_in_the_way_of_no_other_call(
    system: System, monkeypatch: pytest.MonkeyPatch, failure: TransientFailure, is_kept: bool
) -> None:
    task = await added(system, f"north/reserved-{is_kept}.txt", "The first import of this fails.")
    await taken_out(system, task)
    deps, reserved = wiring.generate(), list[bool]()
    reserve_import = deps.budgets.reserve_import

    async def close(task: Task, estimate: Decimal, spent: Decimal) -> Any:
        with_budgets(monkeypatch, daily_budget=await spent_today() + 2 * estimate)
        return await reserve_import(task, estimate, spent)

    async def fail(*_: Any) -> str:
        reserved.append(await is_reserved(system, task))
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(deps.budgets, "reserve_import", close)
        patch.setattr(deps.file_search, "add_file", fail)
        with pytest.raises(type(failure)):
            await add_to_index(deps, task)
    assert reserved == [True]
    assert await is_reserved(system, task) is is_kept
    system.clock.advance(10 * 60)
    with_budgets(monkeypatch, daily_budget=await spent_today())
    with pytest.raises(BudgetSpent):
        await add_to_index(deps, task)
    assert not await is_reserved(system, task)


@pytest.mark.parametrize("end", ["a budget is against it", "the file is deleted"])
async def test_what_a_try_may_have_cost_is_counted_if_the_file_is_left_out_after_it(
    system: System, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    deps, before, tries = wiring.generate(), await spent_today(), list[str]()
    add_file = deps.file_search.add_file

    async def add_late(*args: Any) -> str:
        tries.append(await add_file(*args))
        raise ImportUnderWay("File Search did not take the file in time")

    monkeypatch.setattr(deps.file_search, "add_file", add_late)
    name = f"north/left out, since {end}.txt"
    uri = await dropped(system, name, "One try is paid, and there is no other.")
    await system.until(uri, lambda task: tries and "publish" not in task.after)
    if end == "the file is deleted":
        await asyncio.to_thread(system.objects.bucket(RULED).blob(f"contracts/{name}").delete)
    else:
        with_budgets(monkeypatch, daily_budget=await spent_today(), budget_action="fail")
    task = await system.ended(uri)
    usage: Any = task.usage
    assert (len(tries), documents_of(system, task)) == (1, [])
    assert usage["indexing"]["estimated_tokens"] > usage["rounds"][0]["prompt_tokens"]
    assert await spent_today() - before == Decimal(usage["cost"])
    assert len(warned(task)) == (end == "a budget is against it")
