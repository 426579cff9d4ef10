"""How long a task waits after a failure, why, and when it has no tries left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import (
    Blocked,
    BudgetSpent,
    DailyQuotaSpent,
    FlexRefused,
    Postponement,
    TaskFailure,
    Throttled,
    TimeIsUp,
    TransientFailure,
    Unavailable,
)
from shared.domain.money.ledger import Attempt
from shared.domain.tasks import claims
from shared.domain.tasks.postponement import (
    RetryLimits,
    Wait,
    decide_wait,
    end_of_flex,
    next_after_work_at,
    next_try_at,
    seconds_until_retry,
    still_waits,
)
from shared.domain.tasks.task import Source, Task, new_task

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOURCE = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=NOW)
PATIENCE = RetryLimits(max_attempts=8, max_age=timedelta(hours=168), flex=timedelta(hours=6))


def a_task(**fields: object) -> Task:
    task = new_task(SOURCE, owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))
    return task.model_copy(update=fields)


def rest_of(failure: TaskFailure | TimeIsUp, *, answering: bool = False, **fields: object) -> Wait | None:
    return decide_wait(a_task(**fields), failure, PATIENCE, now=NOW, answering=answering, random=Random(1))


def seconds(rest: Wait | None) -> float:
    assert rest is not None
    return (rest.until - NOW).total_seconds()


def test_after_work_over_a_budget_is_tried_again_after_minutes_and_within_the_hour_when_it_has_waited_long() -> None:
    spent = BudgetSpent("The budget is spent.", delay=300)
    for waited, least in ((0, 300), (2, 3600), (90, 3600)):
        task = a_task(completed_at=NOW - timedelta(hours=waited))
        at = next_after_work_at(task, spent, now=NOW, random=Random(1))
        assert least <= (at - NOW).total_seconds() <= least + 3


def test_a_refusal_for_a_named_time_is_waited_out_and_counts_as_nothing() -> None:
    rest = rest_of(Throttled("slow down", delay=40))
    assert 40 <= seconds(rest) <= 44
    assert rest is not None
    assert (rest.reason, rest.detail, rest.counted) == ("rate_limited", "slow down", None)


def test_a_refusal_without_a_time_is_waited_out_for_five_minutes() -> None:
    assert seconds_until_retry(Throttled("slow down"), NOW) == 300
    assert seconds_until_retry(Blocked("the key is wrong"), NOW) == 300


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 5, 1, 12, tzinfo=UTC), 19),
        (datetime(2026, 5, 1, 6, 59, 59, tzinfo=UTC), 1 / 3600),
        # Nights in which California changes its clocks: 23 and 25 hours.
        (datetime(2026, 3, 8, 8, tzinfo=UTC), 23),
        (datetime(2026, 11, 1, 7, tzinfo=UTC), 25),
    ],
)
def test_a_spent_daily_quota_is_waited_out_until_midnight_pacific_time(now: datetime, hours: float) -> None:
    assert seconds_until_retry(DailyQuotaSpent("spent"), now) == pytest.approx(hours * 3600)


def test_a_service_that_is_away_gets_six_times_as_many_tries_as_a_failing_task() -> None:
    assert rest_of(Unavailable("503"), outages=46) is not None
    assert rest_of(Unavailable("503"), outages=47) is None
    assert rest_of(TransientFailure("broken"), attempts=6) is not None
    assert rest_of(TransientFailure("broken"), attempts=7) is None


def test_an_outage_is_counted_apart_unless_an_answer_was_being_paid_for() -> None:
    waiting, answering = rest_of(Unavailable("503")), rest_of(Unavailable("503"), answering=True)
    assert waiting is not None
    assert answering is not None
    assert (waiting.counted, answering.counted) == ("outage", "attempt")


def test_time_that_runs_out_costs_an_attempt_only_while_the_model_answers() -> None:
    waiting, answering = rest_of(TimeIsUp("over")), rest_of(TimeIsUp("over"), answering=True)
    assert waiting == Wait(NOW, "time_limit", "one dispatch's time was over")
    assert answering == Wait(NOW, "time_limit", "the model was still answering", "attempt")
    assert rest_of(TimeIsUp("over"), attempts=7) == waiting
    assert rest_of(TimeIsUp("over"), answering=True, attempts=7) is None


@pytest.mark.parametrize(("attempts", "most"), [(0, 2), (1, 4), (5, 64), (6, 128)])
def test_the_pause_between_attempts_doubles(attempts: int, most: float) -> None:
    assert most / 2 <= seconds(rest_of(TransientFailure("broken"), attempts=attempts)) <= most


def test_no_pause_after_an_outage_is_longer_than_half_an_hour() -> None:
    assert 900 <= seconds(rest_of(Unavailable("503"), outages=40)) <= 1800


def test_a_task_that_has_waited_long_tries_again_after_about_as_long() -> None:
    since = NOW - timedelta(minutes=20)
    waited = claims.keep_waiting(a_task(), now=since, until=NOW, reason="rate_limited")
    until = next_try_at(waited, "rate_limited", 1, PATIENCE.max_age, now=NOW, random=Random(1))
    assert timedelta(minutes=15) <= until - NOW <= timedelta(minutes=30, seconds=3)
    other = next_try_at(waited, "daily_quota", 1, PATIENCE.max_age, now=NOW, random=Random(1))
    assert other - NOW <= timedelta(seconds=4)


@given(
    delay=st.floats(0, 10_000_000),
    age=st.integers(0, 1_000_000),
    waited=st.integers(0, 1_000_000),
    seed=st.integers(0, 1000),
)
def test_a_task_waits_at_least_the_named_time_but_never_past_its_age_limit(
    delay: float, age: int, waited: int, seed: int
) -> None:
    task = a_task(accepted_at=NOW - timedelta(seconds=age))
    task = claims.keep_waiting(task, now=NOW - timedelta(seconds=waited), until=NOW, reason="rate_limited")
    until = next_try_at(task, "rate_limited", delay, PATIENCE.max_age, now=NOW, random=Random(seed))
    limit = task.accepted_at + PATIENCE.max_age
    assert until > NOW
    assert until <= max(limit + timedelta(seconds=1), NOW + timedelta(seconds=3))
    assert until >= min(NOW + timedelta(seconds=delay), limit)


def test_a_budget_that_other_calls_have_reserved_is_tried_again_within_seconds() -> None:
    assert 3 <= seconds(rest_of(BudgetSpent("reserved", delay=3600, is_spent=False))) <= 15
    assert seconds(rest_of(BudgetSpent("spent", delay=3600))) >= 3600


def test_a_budget_that_stays_reserved_is_tried_again_the_more_seldom_the_longer_it_does() -> None:
    since = NOW - timedelta(minutes=20)
    waited = claims.keep_waiting(a_task(), now=since, until=NOW, reason="budget")
    busy = BudgetSpent("reserved", delay=5, is_spent=False)
    wait = decide_wait(waited, busy, PATIENCE, now=NOW, answering=False, random=Random(1))
    assert 15 * 60 <= seconds(wait) <= 31 * 60


def test_a_task_waits_for_the_flex_tier_until_its_patience_is_over_and_no_longer() -> None:
    assert 60 <= seconds(rest_of(FlexRefused("busy", delay=60))) <= 64
    first = Attempt(claim=1, at=NOW - timedelta(hours=5, minutes=59), reason="flex")
    refused = a_task().ledger.model_copy(update={"attempts": (first,)})
    assert seconds(rest_of(FlexRefused("busy", delay=600), ledger=refused)) == 60
    assert end_of_flex(a_task(), timedelta(hours=6)) is None


def test_tasks_that_wait_for_one_moment_do_not_all_come_at_it() -> None:
    moments = {
        next_try_at(a_task(), "rate_limited", 60, PATIENCE.max_age, now=NOW, random=Random(seed)) for seed in range(50)
    }
    assert len(moments) == 50
    assert max(moments) - min(moments) > timedelta(seconds=2)


def test_a_task_that_was_claimed_ended_or_rescheduled_meanwhile_does_not_wait_any_more() -> None:
    before = claims.keep_waiting(a_task(), now=NOW, until=NOW, reason="rate_limited")
    lease = timedelta(seconds=60)
    assert still_waits(before, before, NOW)
    assert not still_waits(claims.claim(before, now=NOW, lease=lease), before, NOW)
    assert still_waits(claims.claim(before, now=NOW, lease=lease), before, NOW + lease)
    assert not still_waits(claims.cancel(before, now=NOW), before, NOW)
    assert not still_waits(claims.keep_waiting(before, now=NOW, until=NOW, reason="rate_limited"), before, NOW)


def test_every_postponement_names_its_reason() -> None:
    for failure in (Throttled("x"), DailyQuotaSpent("x"), Blocked("x")):
        assert isinstance(failure, Postponement)
        rest = rest_of(failure)
        assert rest is not None
        assert rest.reason == failure.reason
