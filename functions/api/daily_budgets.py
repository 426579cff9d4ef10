"""Enforce the daily budgets of each key, in tasks and in US dollars. Days are in UTC."""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import cache

from shared import wiring
from shared.budgets import Budgets as MoneyBudgets
from shared.budgets import seconds_to_tomorrow
from shared.clock import Clock
from shared.daily_limits import DailyLimits, start_of
from shared.domain.errors import RequestRefused
from shared.domain.tasks.access import Key

_NEAR = 20
"""If this many tasks or fewer are left, each submission reads the count again."""


class Budgets:
    def __init__(self, limits: DailyLimits, money: MoneyBudgets, clock: Clock) -> None:
        self._limits, self._money, self._clock = limits, money, clock

    async def spend(self, key: Key) -> None:
        """Count one more task. Raises 402 if a budget is used up, of tasks or of money."""
        if (spent := await self._money.spent_budget(key.owner)) is not None:
            raise self._refusal(spent.message)
        if key.daily_tasks is None or await self._limits.admit(key.owner, key.daily_tasks, near=_NEAR):
            return
        tomorrow = start_of(self._clock.now().astimezone(UTC).date() + timedelta(days=1))
        message = f"This key may submit {key.daily_tasks} tasks a day. The next day begins at {tomorrow.isoformat()}."
        raise self._refusal(message)

    def give_back(self, key: Key) -> None:
        """Undo the count of a replayed request, which created no task."""
        self._limits.give_back(key.owner)

    def _refusal(self, message: str) -> RequestRefused:
        headers = {"Retry-After": str(seconds_to_tomorrow(self._clock.now()))}
        return RequestRefused(402, "budget_exceeded", message, headers=headers)


@cache
def budgets() -> Budgets:
    deps = wiring.api()
    return Budgets(DailyLimits(deps.tasks, deps.clock), deps.budgets, deps.clock)
