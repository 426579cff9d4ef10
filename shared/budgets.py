"""Keep the deployment, each inbox and each API key within their daily budgets (UTC), in US dollars.

Far from every budget, a call needs neither a read nor a write: the instance caches the spending and the reservations
for a minute, and reads them again once it has itself spent a twentieth of what was left. Near a budget, each call is
reserved first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from shared.clock import Clock
from shared.cloud.reservations import Reservation, Reservations, TooManyAtOnce
from shared.cloud.telemetry import log
from shared.cloud.totals import Totals
from shared.daily_limits import start_of
from shared.domain.errors import BudgetSpent, PermanentFailure
from shared.domain.money.budgets import Scope, decide, is_far
from shared.domain.money.calls import PICO, as_dollars, in_pico
from shared.domain.money.indexing import cost_of_ended
from shared.domain.money.totals import spent_by_scope
from shared.domain.tasks.task import Task
from shared.settings import BudgetSettings

_INSTANCES = 20
"""Between two readings, an instance spends at most what is left divided by this number."""
_UNREAD_SHARE = 1000
"""Before its first reading on a day, an instance spends at most a budget divided by this number."""
_FRESH_SECONDS = 60.0
"""Seconds for which a reading may be used. Meanwhile, other instances may spend what this one believes to be left."""
_NEARLY_FRESH_SECONDS = 5.0
"""Seconds for which a reading may be used without a reservation, once half of a budget is spent."""
_BUSY_SECONDS = 5.0
_MAX_WAIT = timedelta(minutes=5)

KeyBudget = Callable[[str], Awaitable[Decimal | None]]
"""Returns an API key's own daily budget, by the key's id; None if it has none."""


@dataclass(frozen=True)
class _Spent:
    day: date
    read_at: float
    by_scope: dict[str, int]
    held: dict[str, Reservation]
    """The reservations, by the tasks' keys."""
    settled: int
    """The cost of this instance's calls without a reservation, up to this reading."""


class Budgets:
    def __init__(
        self, settings: BudgetSettings, clock: Clock, totals: Totals, reservations: Reservations, key_budget: KeyBudget
    ) -> None:
        self._settings, self._clock, self._totals = settings, clock, totals
        self._reservations, self._key_budget = reservations, key_budget
        self._known: _Spent | None = None
        self._under_way: dict[str, Reservation] = {}
        """The highest possible cost of running calls that needed no reservation, by their tasks' keys."""
        self._settled = 0
        """The cost of such calls that have ended."""

    async def reserve(
        self, task: Task, estimate: Decimal, spent_already: Decimal, *, lost: Decimal = Decimal(0)
    ) -> date | None:
        """Make sure that a call which costs at most `estimate` is within the budgets.

        Return the day of the new reservation, or None if none was needed. `spent_already`: the cost of the task's
        earlier calls; `lost`: how much of it is only assumed, for lost calls. That counts in the daily budgets, but a
        killed instance does not bring the task over its own.

        Raises `BudgetSpent`, or `PermanentFailure` if tasks over the budget are set to fail.
        """
        self._refuse_over_task_budget(estimate + spent_already - lost)
        return await self._reserve(task, estimate, in_pico(spent_already) - task.ledger.counted)

    async def reserve_import(self, task: Task, estimate: Decimal, spent_already: Decimal) -> date | None:
        """Make sure that adding an ended task to its index is within the budgets, as `reserve` does for a call.

        `spent_already`: the cost of earlier tries to add it. The counters have its calls, but not these.
        """
        self._refuse_over_task_budget(estimate + spent_already + cost_of_ended(task))
        return await self._reserve(task, estimate, in_pico(spent_already))

    async def _reserve(self, task: Task, estimate: Decimal, owed: int) -> date | None:
        """Reserve the estimate, and what the task has spent and the counters do not have yet: `owed`."""
        limits = await self._limits(task.owner)
        pico = in_pico(estimate) + owed
        wanted = Reservation(task.owner, pico, start_of(self._today() + timedelta(days=1)))
        if await self._is_far(task.key, limits, pico):
            self._under_way[task.key] = wanted
            return None
        self._under_way.pop(task.key, None)
        return await self._reserve_near(task, limits, wanted, owed)

    def settle(self, task: Task, cost: Decimal) -> None:
        """Note that no call or import of the task is running any more. `cost`: what they cost."""
        if self._under_way.pop(task.key, None) is not None:
            self._settled += in_pico(cost)

    def _others_under_way(self, task_key: str, scope: str = "") -> int:
        """Return what calls of other tasks may cost in a scope, without reservations; the empty scope has all."""
        return _reserved({key: call for key, call in self._under_way.items() if key != task_key}, scope)

    async def _is_far(self, task_key: str, limits: dict[str, int], pico: int) -> bool:
        """Return whether this instance may make the call without a reservation, which other instances would see."""
        own = pico + self._others_under_way(task_key)
        unread = self._settled - (self._known.settled if self._known is not None else 0)
        if not self._knows_today() and unread + own <= min(limits.values()) // _UNREAD_SHARE:
            return True
        for fresh in (_FRESH_SECONDS, 0):
            known = await self._spent(fresh)
            others = {key: reservation for key, reservation in known.held.items() if key != task_key}
            since, own = self._settled - known.settled, pico + self._others_under_way(task_key)
            if is_far(_scopes(limits, known.by_scope, others), since + own, instances=_INSTANCES):
                return True
            if not since:
                break
        return False

    async def _reserve_near(self, task: Task, limits: dict[str, int], wanted: Reservation, owed: int) -> date:
        """Reserve what the task may add to the counters. `owed`: how much of that it has spent already."""
        today, now = self._today(), self._clock.now()
        against: Scope | None = None
        is_busy = False

        async def grant(others: dict[str, Reservation]) -> Reservation | None:
            nonlocal against, is_busy
            # Read after the reservations: a reservation that is settled in between counts twice rather than not at all.
            known = await self._spent(0)
            scopes = [
                replace(
                    scope,
                    spent=scope.spent + owed,
                    reserved=scope.reserved + self._others_under_way(task.key, scope.name),
                )
                for scope in _scopes(limits, known.by_scope, others)
            ]
            verdict, against = decide(scopes, wanted.picodollars - owed)
            is_busy = verdict == "busy"
            return wanted if verdict == "granted" else None

        try:
            if await self._reservations.change(today, task.key, now, grant):
                known = await self._spent(_FRESH_SECONDS)
                self._known = replace(known, held={**known.held, task.key: wanted})
                return today
        except TooManyAtOnce as error:
            raise BudgetSpent("Many tasks are close to the budget at once.", delay=_BUSY_SECONDS) from error
        assert against is not None
        refused = self._refusal(against, is_busy=is_busy)
        if self._settings.budget_action == "fail" and refused.is_spent:
            raise PermanentFailure("budget_exceeded", refused.message)
        raise refused

    async def reserved_day(self, task: Task) -> date | None:
        """Return today if the task has a reservation for today, else None. Earlier reservations have no effect."""
        today = self._today()
        return today if await self._reservations.is_held(today, task.key) else None

    async def spent_budget(self, owner: str) -> BudgetSpent | None:
        """Return the spent budget that stops a task of `owner`, and log it; or None."""
        spent = await self._spent_scope(owner)
        return None if spent is None else self._refusal(spent, is_busy=False)

    async def is_spent(self, owner: str) -> bool:
        """Return whether a spent budget stops tasks of `owner`."""
        return await self._spent_scope(owner) is not None

    async def _spent_scope(self, owner: str) -> Scope | None:
        limits = await self._limits(owner)
        known = await self._spent(_FRESH_SECONDS)
        if any(scope.spent * 2 >= scope.limit for scope in _scopes(limits, known.by_scope, {})):
            known = await self._spent(_NEARLY_FRESH_SECONDS)
        return next((scope for scope in _scopes(limits, known.by_scope, {}) if scope.left <= 0), None)

    async def state(self) -> tuple[Decimal, Decimal]:
        """Return what the deployment has spent today, and its budget."""
        known = await self._spent(_NEARLY_FRESH_SECONDS)
        return Decimal(known.by_scope[""]) / PICO, self._settings.daily_budget

    def _refuse_over_task_budget(self, total: Decimal) -> None:
        most = self._settings.task_budget
        if total > most:
            message = (
                f"This task may cost {as_dollars(total.quantize(Decimal('0.0001')))} US dollars; a task may cost "
                f"{as_dollars(most)} at most. Set max_tokens, send a shorter file, or raise task_budget."
            )
            raise PermanentFailure("budget_exceeded", message)

    def _refusal(self, scope: Scope, *, is_busy: bool) -> BudgetSpent:
        """Return what a call or a task is refused with; log a spent budget."""
        whose = f"of {scope.name}" if scope.name else "of this deployment"
        limit = as_dollars(Decimal(scope.limit) / PICO)
        if is_busy:
            message = f"Calls under way may use up the budget {whose}, {limit} US dollars a day."
            return BudgetSpent(message, delay=_BUSY_SECONDS, is_spent=False)
        tomorrow = start_of(self._today() + timedelta(days=1))
        message = (
            f"The budget {whose}, {limit} US dollars a day, is spent. The next day begins at {tomorrow.isoformat()}."
        )
        log("WARNING", "budget_spent", message, budget=scope.name or "deployment")
        return BudgetSpent(message, delay=min(_MAX_WAIT, tomorrow - self._clock.now()).total_seconds())

    async def _limits(self, owner: str) -> dict[str, int]:
        """Return the budgets that hold for tasks of `owner`, in picodollars; the deployment's under the empty name."""
        kind, _, name = owner.partition(":")
        settings = self._settings
        own: Decimal | None = None
        if kind == "inbox":
            inbox = settings.inboxes.get(name)
            own = (
                inbox.daily_budget
                if inbox is not None and inbox.daily_budget is not None
                else settings.inbox_daily_budget
            )
        elif kind == "key":
            own = await self._key_budget(name)
            own = settings.key_daily_budget if own is None else own
        limits = {"": in_pico(settings.daily_budget)}
        return limits if own is None else {**limits, owner: in_pico(own)}

    async def _spent(self, fresh: float) -> _Spent:
        known, today = self._known, self._today()
        if known is None or not self._knows_today() or self._clock.time() - known.read_at >= fresh:
            read_at, settled = self._clock.time(), self._settled
            # In this order: a reservation that is settled in between counts twice rather than not at all.
            held = await self._reservations.held(today, self._clock.now())
            by_scope = spent_by_scope(await self._totals.rows(today, today))
            known = _Spent(today, read_at, by_scope, held, settled)
            self._known = known
        return known

    def _knows_today(self) -> bool:
        return self._known is not None and self._known.day == self._today()

    def _today(self) -> date:
        return self._clock.now().astimezone(UTC).date()


def seconds_to_tomorrow(now: datetime) -> int:
    """Return the whole seconds until the next day (UTC)."""
    tomorrow = start_of(now.astimezone(UTC).date() + timedelta(days=1))
    return int((tomorrow - now).total_seconds()) + 1


def _scopes(limits: dict[str, int], spent: dict[str, int], others: dict[str, Reservation]) -> list[Scope]:
    return [Scope(name, limit, spent.get(name, 0), _reserved(others, name)) for name, limit in limits.items()]


def _reserved(others: dict[str, Reservation], scope: str) -> int:
    return sum(reservation.picodollars for reservation in others.values() if scope in ("", reservation.owner))
