"""A key's budget of tasks a day: counted, given back, and refused with the moment of the next day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from functions.api.daily_budgets import Budgets
from shared.budgets import Budgets as MoneyBudgets
from shared.clock import MovableClock
from shared.daily_limits import DailyLimits
from shared.domain.errors import BudgetSpent, RequestRefused
from shared.domain.tasks.access import Key


class OneCounter:
    """Daily limits without Firestore: one count for whoever asks."""

    def __init__(self) -> None:
        self.count = 0

    async def admit(self, owner: str, most: int, *, near: int) -> bool:
        admitted = self.count < most
        self.count += admitted
        return admitted

    def give_back(self, owner: str) -> None:
        self.count -= 1


class NothingSpent:
    """Budgets of money that nobody has used up."""

    async def spent_budget(self, owner: str) -> BudgetSpent | None:
        return None


@pytest.fixture
def counter() -> OneCounter:
    return OneCounter()


@pytest.fixture
def budgets(counter: OneCounter, tmp_path: Path) -> Budgets:
    return Budgets(cast(DailyLimits, counter), cast(MoneyBudgets, NothingSpent()), MovableClock(tmp_path / "clock"))


def a_key(daily_tasks: int | None) -> Key:
    return Key(id="k", name="k", created_at=datetime(2026, 1, 1, tzinfo=UTC), daily_tasks=daily_tasks)


async def test_a_key_without_a_budget_is_not_counted(budgets: Budgets, counter: OneCounter) -> None:
    await budgets.spend(a_key(None))
    assert counter.count == 0


async def test_the_task_beyond_the_budget_is_refused_until_the_next_day_begins(budgets: Budgets) -> None:
    for _ in range(2):
        await budgets.spend(a_key(2))
    with pytest.raises(RequestRefused, match="2 tasks a day") as refused:
        await budgets.spend(a_key(2))
    assert (refused.value.status, refused.value.code) == (402, "budget_exceeded")
    wait = timedelta(seconds=int(refused.value.headers["Retry-After"]))
    assert timedelta(0) < wait <= timedelta(days=1, seconds=1)


async def test_a_replay_gives_its_place_back(budgets: Budgets) -> None:
    await budgets.spend(a_key(1))
    budgets.give_back(a_key(1))
    await budgets.spend(a_key(1))
