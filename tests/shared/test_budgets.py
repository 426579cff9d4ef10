"""No budget is overdrawn by more than the calls that are under way, however calls, instances and days interleave."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.budgets import Budgets
from shared.clock import Clock
from shared.cloud.reservations import Grant, Reservation, Reservations
from shared.cloud.totals import Totals
from shared.domain.errors import BudgetSpent, PermanentFailure
from shared.domain.money.calls import PICO
from shared.domain.money.totals import Counters, DayRow, Labels
from shared.domain.tasks.task import Source, Task, new_task
from shared.settings import BudgetSettings

START = datetime(2026, 11, 26, 23, 40, tzinfo=UTC)
OWNERS = ("inbox:a", "key:b")
LONGEST_CALL = timedelta(seconds=1680)


@dataclass
class Instant:
    """A clock that stands still until it is moved."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def time(self) -> float:
        return self.moment.timestamp()

    @property
    def today(self) -> date:
        return self.moment.date()


@dataclass
class Database:
    """The counters and the reservations that all instances share."""

    spent: dict[tuple[date, str], int] = field(default_factory=dict)
    held: dict[date, dict[str, Reservation]] = field(default_factory=dict)
    reads: int = 0

    async def rows(self, first: date, last: date) -> list[DayRow]:
        self.reads += 1
        return [
            DayRow(day.isoformat(), Labels(owner, "", "", "m"), Counters(picodollars=amount))
            for (day, owner), amount in self.spent.items()
            if first <= day <= last
        ]

    async def change(self, day: date, task_key: str, now: datetime, grant: Grant) -> bool:
        others = {key: entry for key, entry in (await self.held_on(day, now)).items() if key != task_key}
        wanted = await grant(others)
        if wanted is not None:
            self.held[day] = {**others, task_key: wanted}
        return wanted is not None

    async def held_on(self, day: date, now: datetime) -> dict[str, Reservation]:
        return {key: entry for key, entry in self.held.get(day, {}).items() if entry.until > now}

    async def is_held(self, day: date, task_key: str) -> bool:
        return task_key in self.held.get(day, {})

    def count(self, day: date, owner: str, cost: int) -> None:
        self.spent[day, owner] = self.spent.get((day, owner), 0) + cost

    def spent_on(self, day: date, owner: str = "") -> int:
        return sum(amount for (then, whose), amount in self.spent.items() if then == day and owner in ("", whose))


class HeldReservations:
    """What `Budgets` asks of the reservations."""

    def __init__(self, database: Database) -> None:
        self.change, self.is_held, self.held = database.change, database.is_held, database.held_on


def task_of(number: int, owner: str) -> Task:
    source = Source(kind="object", bucket="a", name=f"{number}.txt", generation=1, size=3, created_at=START)
    return new_task(source, owner=owner, model="m", now=START, keep=timedelta(days=30))


def with_counted(task: Task, dollars: Decimal) -> Task:
    """The task when so much of its cost is counted, though it has not ended."""
    ledger = task.ledger.model_copy(update={"counted": int(dollars * PICO)})
    return task.model_copy(update={"ledger": ledger})


async def no_budget_of_its_own(_name: str) -> Decimal | None:
    return None


def instance(database: Database, clock: Instant, limits: dict[str, Any]) -> Budgets:
    return Budgets(
        BudgetSettings.model_construct(**limits),
        cast(Clock, clock),
        cast(Totals, database),
        cast(Reservations, HeldReservations(database)),
        no_budget_of_its_own,
    )


def limits_of(dollars: Decimal | int) -> dict[str, Any]:
    limit = Decimal(dollars)
    return {
        "daily_budget": limit,
        "inbox_daily_budget": limit,
        "key_daily_budget": limit,
        "task_budget": Decimal(1000),
        "budget_action": "wait",
        "inboxes": {},
    }


async def calls_until_refused(database: Database, budgets: Budgets, clock: Instant, cost: Decimal) -> int:
    """Make one call after another; return how many were granted."""
    for number in range(3000):
        task = task_of(number, "inbox:a")
        try:
            await budgets.reserve(task, cost, Decimal(0))
        except BudgetSpent:
            return number
        database.count(clock.today, "inbox:a", int(cost * PICO))
        database.held.get(clock.today, {}).pop(task.key, None)
        budgets.settle(task, cost)
    return 3000


@pytest.mark.parametrize("dollars", [1, 200])
async def test_calls_one_after_another_end_at_the_budget(dollars: int) -> None:
    database, clock = Database(), Instant()
    budgets = instance(database, clock, limits_of(dollars))
    assert await calls_until_refused(database, budgets, clock, Decimal(dollars) / 1000) == 1000
    assert database.reads < 300, "far from the budget, few calls read"


async def test_what_the_counters_include_of_a_waiting_task_is_not_reserved_again() -> None:
    database, clock = Database(), Instant()
    budgets = instance(database, clock, limits_of(10))
    waiting = with_counted(task_of(1, "inbox:a"), Decimal(6))
    database.count(clock.today, "inbox:a", 6 * PICO)
    assert await budgets.reserve(waiting, Decimal("3.9"), Decimal(6)) == clock.today
    with pytest.raises(BudgetSpent, match="under way"):
        await budgets.reserve(task_of(2, "inbox:a"), Decimal("0.2"), Decimal(0))


async def test_lost_calls_count_in_the_daily_budgets_and_not_against_the_tasks_own() -> None:
    database, clock = Database(), Instant()
    budgets = instance(database, clock, {**limits_of(10), "task_budget": Decimal(6)})
    task, estimate, lost = task_of(1, "inbox:a"), Decimal("3.9"), Decimal(6)
    assert await budgets.reserve(task, estimate, lost, lost=lost) == clock.today
    assert database.held[clock.today][task.key].picodollars == int((estimate + lost) * PICO)
    with pytest.raises(PermanentFailure, match="may cost 9"):
        await budgets.reserve(task, estimate, lost)


async def test_a_spent_budget_is_logged_where_it_refuses_and_not_where_it_is_looked_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    database, clock = Database(), Instant()
    database.count(clock.today, "inbox:a", 10 * PICO)
    budgets = instance(database, clock, limits_of(10))
    assert await budgets.is_spent("inbox:a")
    assert "budget_spent" not in capsys.readouterr().out
    assert await budgets.spent_budget("inbox:a") is not None
    assert "budget_spent" in capsys.readouterr().out


async def test_what_a_dead_holder_has_reserved_stays_reserved_until_the_day_ends() -> None:
    database, clock = Database(), Instant(START.replace(hour=1))
    await instance(database, clock, limits_of(10)).reserve(task_of(1, "inbox:a"), Decimal("9.9"), Decimal(0))
    budgets = instance(database, clock, limits_of(10))
    clock.moment += timedelta(hours=22)
    with pytest.raises(BudgetSpent):
        await budgets.reserve(task_of(2, "inbox:a"), Decimal("0.2"), Decimal(0))
    clock.moment += timedelta(hours=2)
    await budgets.reserve(task_of(2, "inbox:a"), Decimal("0.2"), Decimal(0))


async def test_calls_under_way_count_against_their_owner_and_the_deployment_and_not_against_another_owner() -> None:
    database, clock = Database(), Instant()
    limits = {**limits_of(200), "inbox_daily_budget": Decimal("0.5")}
    budgets = instance(database, clock, limits)
    for number in range(12):
        assert await budgets.reserve(task_of(number, "key:b"), Decimal("0.1"), Decimal(0)) is None
    small = task_of(20, "inbox:a")
    assert await budgets.reserve(small, Decimal("0.03"), Decimal(0)) == clock.today
    for scope in ("key_daily_budget", "daily_budget"):
        budgets = instance(Database(), clock, {**limits_of(200), scope: Decimal(2)})
        assert await budgets.reserve(task_of(1, "key:b"), Decimal("0.001"), Decimal(0)) is None
        with pytest.raises(BudgetSpent, match="under way"):
            await budgets.reserve(task_of(2, "key:b"), Decimal("1.9995"), Decimal(0))


async def test_a_lost_call_that_may_have_spent_the_budget_is_not_followed_by_another() -> None:
    database, clock = Database(), Instant()
    task = task_of(1, "inbox:a")
    assert await instance(database, clock, limits_of(2)).reserve(task, Decimal(4), Decimal(0)) is not None
    taken_over = instance(database, clock, limits_of(2))
    with pytest.raises(BudgetSpent, match="is spent"):
        await taken_over.reserve(task, Decimal("0.5"), Decimal(4))
    assert await taken_over.reserve(task, Decimal("0.5"), Decimal("1.9")) == clock.today


@dataclass
class Running:
    """A task with a call under way."""

    task: Task
    budgets: Budgets
    estimate: Decimal
    day: date | None
    spent: Decimal
    until: datetime


@dataclass
class Waiting:
    """A task that was put off, or whose holder died."""

    task: Task
    spent: Decimal
    """With what a dead holder's call may have cost."""


class Spending(RuleBasedStateMachine):
    """Instances that make, end and put off calls, and die, over two days and a budget that moves."""

    INSTANCES = 4

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.database = Instant(), Database()
        self.limit = Decimal(10)
        self.instances = [self.new_instance() for _ in range(self.INSTANCES)]
        self.running: list[Running] = []
        self.waiting: list[Waiting] = []
        self.lost: dict[str, tuple[date, Decimal]] = {}
        """What the calls of dead holders cost, by the tasks' keys, and when, as far as it had been reserved."""
        self.tasks = 0
        self.loop = asyncio.new_event_loop()

    def teardown(self) -> None:
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def new_instance(self) -> Budgets:
        return instance(self.database, self.clock, limits_of(self.limit))

    # What is true, whoever knows of it

    def spent_truly(self) -> Decimal:
        """What was spent today, with what only the bill tells: the calls of dead holders."""
        counted = Decimal(self.database.spent_on(self.clock.today)) / PICO
        return counted + sum((cost for day, cost in self.lost.values() if day == self.clock.today), Decimal(0))

    @rule(which=st.integers(0, INSTANCES - 1), cents=st.integers(1, 400), owner=st.sampled_from(OWNERS))
    def a_call_begins(self, which: int, cents: int, owner: str) -> None:
        self.tasks += 1
        self.begin(which, task_of(self.tasks, owner), Decimal(cents) / 100, Decimal(0))

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, INSTANCES - 1), pick=st.integers(0, 99), cents=st.integers(1, 400))
    def a_waiting_task_goes_on(self, which: int, pick: int, cents: int) -> None:
        entry = self.waiting.pop(pick % len(self.waiting))
        if not self.begin(which, entry.task, Decimal(cents) / 100, entry.spent):
            self.waiting.append(entry)

    def begin(self, which: int, task: Task, estimate: Decimal, spent: Decimal) -> bool:
        budgets, before = self.instances[which], self.spent_truly()
        try:
            day = self.run(budgets.reserve(task, estimate, spent))
        except BudgetSpent:
            return False
        if day is not None:
            assert before < self.limit, "once a budget is spent, no call is granted"
        elif (adds := estimate + spent - Decimal(task.ledger.counted) / PICO) > self.limit / 1000:
            # What the others have spent since this instance looked is not known to it.
            assert before + adds <= self.limit * (1 + Decimal(self.INSTANCES) / 20)
        self.lost.pop(task.key, None)
        until = self.clock.now() + LONGEST_CALL
        self.running.append(Running(task, budgets, estimate, day, spent, until))
        return True

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 99), share=st.integers(0, 100))
    def a_task_ends(self, pick: int, share: int) -> None:
        call = self.running.pop(pick % len(self.running))
        self.end(call, call.spent + call.estimate * share / 100)

    def end(self, call: Running, cost: Decimal) -> None:
        self.count(call, cost)

    def count(self, call: Running, cost: Decimal) -> Task:
        """Count what is not counted yet, and end the reservation, as one commit does."""
        self.database.count(self.clock.today, call.task.owner, int(cost * PICO) - call.task.ledger.counted)
        for day in {call.day, self.clock.today} - {None}:
            self.database.held.get(cast(date, day), {}).pop(call.task.key, None)
        call.budgets.settle(call.task, cost)
        return with_counted(call.task, cost)

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 99), share=st.integers(0, 100))
    def a_task_is_put_off(self, pick: int, share: int) -> None:
        call = self.running.pop(pick % len(self.running))
        spent = call.spent + call.estimate * share / 100
        self.waiting.append(Waiting(self.count(call, spent), spent))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, INSTANCES - 1), share=st.integers(0, 100))
    def an_instance_is_killed(self, which: int, share: int) -> None:
        """Its calls are lost: nobody knows what they cost. Their tasks wait to be taken over."""
        dead = self.instances[which]
        self.instances[which] = self.new_instance()
        for call in [call for call in self.running if call.budgets is dead]:
            self.waiting.append(Waiting(call.task, call.spent + call.estimate))
            if call.day is not None:
                self.lost[call.task.key] = (call.day, call.estimate * share / 100)
        self.running = [call for call in self.running if call.budgets is not dead]

    @rule(seconds=st.sampled_from([1, 6, 61, 300]))
    def time_passes(self, seconds: int) -> None:
        until = self.clock.moment + timedelta(seconds=seconds)
        self.clock.moment = until
        late = [call for call in self.running if call.until <= until]
        self.running = [call for call in self.running if call.until > until]
        for call in late:
            self.end(call, call.spent + call.estimate)

    @rule(dollars=st.sampled_from([2, 10, 20]))
    def the_budget_is_changed(self, dollars: int) -> None:
        """A new revision of the functions, whose instances begin without memory; calls under way go on."""
        self.limit = Decimal(dollars)
        self.instances = [self.new_instance() for _ in range(self.INSTANCES)]

    @invariant()
    def no_reservation_outlives_its_task(self) -> None:
        alive = {call.task.key for call in self.running} | {entry.task.key for entry in self.waiting}
        assert self.run(self.database.held_on(self.clock.today, self.clock.now())).keys() <= alive


TestSpending = Spending.TestCase
TestSpending.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
