"""How long a task waits after a failure, and why: pure decisions on the task, the failure and the time."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.domain.errors import (
    BudgetSpent,
    DailyQuotaSpent,
    FlexRefused,
    Postponement,
    TaskFailure,
    TimeIsUp,
    Unavailable,
    WaitingReason,
)
from shared.domain.tasks import claims
from shared.domain.tasks.task import Task

_GEMINI_DAY = ZoneInfo("America/Los_Angeles")
"""Gemini resets daily quotas at midnight Pacific time."""
_NO_TIME_NAMED = 300.0
_LONGEST_WAIT = 3600.0
"""Seconds. The longest pause between two tries of a task that has waited long for one reason."""
_LONGEST_BACKOFF = 1800.0
_BUSY_SECONDS = (3.0, 12.0)
_OUTAGES_PER_ATTEMPT = 6
"""Outages of a service allow this many times more tries than failures of the task itself: about half a day."""


class Wait(NamedTuple):
    """Until when a task waits, and why."""

    until: datetime
    reason: WaitingReason
    detail: str
    counted: claims.Counted | None = None


class RetryLimits(NamedTuple):
    """The operator's limits."""

    max_attempts: int
    max_age: timedelta
    """Counted from when the task was accepted."""
    flex: timedelta
    """How long a task waits for the flex tier, from its first refusal, before it is asked at the standard price."""


def decide_wait(
    task: Task, failure: TaskFailure | TimeIsUp, limits: RetryLimits, *, now: datetime, answering: bool, random: Random
) -> Wait | None:
    """Return how long the task waits; None if it has no tries left.

    `answering`: a billed call was running. A broken or cut-off answer was paid for, so it counts as an attempt.
    """
    attempts, outages = task.attempts + 1, task.outages + 1
    match failure:
        case BudgetSpent() if not failure.is_spent:
            # It is up to other calls, which take seconds or minutes; what a killed instance reserved, hours.
            delay = random.uniform(*_BUSY_SECONDS)
            until = next_try_at(task, failure.reason, delay, limits.max_age, now=now, random=random)
            return Wait(until, failure.reason, failure.message)
        case FlexRefused():
            delay = seconds_until_retry(failure, now)
            until = next_try_at(task, failure.reason, delay, limits.max_age, now=now, random=random)
            ends = end_of_flex(task, limits.flex) or now + limits.flex
            return Wait(max(now, min(until, ends)), failure.reason, failure.message)
        case Postponement():
            delay = seconds_until_retry(failure, now)
            until = next_try_at(task, failure.reason, delay, limits.max_age, now=now, random=random)
            return Wait(until, failure.reason, failure.message)
        case TimeIsUp() if not answering:
            return Wait(now, "time_limit", "one dispatch's time was over")
        case Unavailable() if not answering:
            if outages >= limits.max_attempts * _OUTAGES_PER_ATTEMPT:
                return None
            return Wait(_back_off(now, outages, random), "retrying", failure.message, "outage")
        case _ if attempts >= limits.max_attempts:
            return None
        case TimeIsUp():
            return Wait(now, "time_limit", "the model was still answering", "attempt")
        case _:
            return Wait(_back_off(now, attempts, random), "retrying", failure.message, "attempt")


def end_of_flex(task: Task, patience: timedelta) -> datetime | None:
    """Return when the task is promoted to the standard tier; None if flex never refused it."""
    first = next((attempt.at for attempt in task.ledger.attempts if attempt.reason == "flex"), None)
    return None if first is None else first + patience


def _back_off(now: datetime, times: int, random: Random) -> datetime:
    """Return a moment whose delay doubles with each try, with jitter."""
    return now + timedelta(seconds=min(_LONGEST_BACKOFF, 2.0**times) * random.uniform(0.5, 1))


def next_try_at(
    task: Task, reason: WaitingReason, delay: float, max_age: timedelta, *, now: datetime, random: Random
) -> datetime:
    """Return when to try again: after at least `delay` seconds, and later the longer the task has waited.

    Tasks that wait for the same moment are spread over a few seconds. A task that has waited for hours tries again
    after about as long as it has waited, an hour at most. None waits past its age limit.
    """
    since = task.waiting_since if task.waiting_since is not None and claims.last_waiting_reason(task) == reason else now
    waited = min(_LONGEST_WAIT, (now - since).total_seconds() * random.uniform(0.75, 1.5))
    spread = random.uniform(0.5, 3)
    until = now + timedelta(seconds=max(delay, waited) + spread)
    limit = task.accepted_at + max_age + timedelta(seconds=1)
    return min(until, max(limit, now + timedelta(seconds=spread)))


def next_after_work_at(task: Task, failure: Postponement, *, now: datetime, random: Random) -> datetime:
    """Return when to try the after-work of an ended task again, as `next_try_at` does for tasks that wait."""
    ended_for = (now - (task.completed_at or now)).total_seconds() * random.uniform(0.75, 1.5)
    delay = max(seconds_until_retry(failure, now), min(_LONGEST_WAIT, ended_for))
    return now + timedelta(seconds=delay + random.uniform(0.5, 3))


def seconds_until_retry(failure: Postponement, now: datetime) -> float:
    """Return the seconds until the next try: as the service says, or until the daily quota is reset."""
    if failure.delay is not None:
        return failure.delay
    if not isinstance(failure, DailyQuotaSpent):
        return _NO_TIME_NAMED
    local = now.astimezone(_GEMINI_DAY)
    reset = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    # By timestamps, not by local times: at clock changes, a night is an hour longer or shorter.
    return reset.timestamp() - now.timestamp()


def still_waits(current: Task, before: Task, now: datetime) -> bool:
    """Return whether nobody has claimed, ended or rescheduled the task since it was read as `before`."""
    return current.epoch == before.epoch and not current.terminal and not claims.leased(current, now)
