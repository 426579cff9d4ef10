"""A model that fails again and again is not asked, but for one probe at a time; one that answers closes the breaker."""

from __future__ import annotations

import json

import pytest

from shared.breaker import Breaker
from shared.clock import MovableClock
from shared.cloud.firestore import Tasks
from shared.cloud.notes import Notes
from shared.cloud.throttle import Throttle
from shared.domain.errors import ModelFailing, TransientFailure, Unavailable


def breaker_of(tasks: Tasks, clock: MovableClock) -> Breaker:
    """An instance's breaker."""
    return Breaker(Throttle(Notes(tasks.client, "throttle"), clock), clock)


async def fail(breaker: Breaker, times: int, failure: TransientFailure | None = None) -> None:
    for _ in range(times):
        await breaker.note_failure("m", failure or Unavailable("503"))


async def test_it_opens_after_many_failures_of_one_kind_with_one_alert_and_closes_by_itself(
    tasks: Tasks, clock: MovableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = breaker_of(tasks, clock), breaker_of(tasks, clock)
    await fail(here, 19)
    await here.enter("m")
    await fail(here, 30)
    clock.advance(1)
    for breaker in (here, there):
        with pytest.raises(ModelFailing, match="Calls of m fail again and again: 503"):
            await breaker.enter("m")
    await here.enter("another")
    clock.advance(60)
    await there.refuse_if_open("m")
    await there.enter("m")
    clock.advance(1)
    with pytest.raises(ModelFailing):
        await here.enter("m")
    await there.note_success("m")
    clock.advance(1)
    await here.enter("m")
    logged = [json.loads(line)["action"] for line in capsys.readouterr().out.splitlines()]
    assert logged == ["breaker_opened", "breaker_closed"]


async def test_failures_of_different_kinds_or_far_apart_do_not_open_it(tasks: Tasks, clock: MovableClock) -> None:
    breaker = breaker_of(tasks, clock)
    await fail(breaker, 19)
    await fail(breaker, 19, TransientFailure("500"))
    clock.advance(121)
    await fail(breaker, 1)
    await breaker.enter("m")


async def test_a_probe_that_fails_waits_longer_for_the_next(tasks: Tasks, clock: MovableClock) -> None:
    breaker = breaker_of(tasks, clock)
    await fail(breaker, 20)
    clock.advance(61)
    await breaker.enter("m")
    await fail(breaker, 1)
    clock.advance(61)
    with pytest.raises(ModelFailing):
        await breaker.enter("m")
    clock.advance(61)
    await breaker.enter("m")
