"""Before a call: a model that refuses calls is not asked, and one that will be shut down is told of."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from functions.generate.lease import Lease
from functions.generate.model.call import _Call, call_model, model_notices, refuse_if_throttled
from shared.cloud.throttle import RefusalNote
from shared.dependencies import GenerateDeps
from shared.domain.errors import (
    Blocked,
    DailyQuotaSpent,
    DropsightError,
    LeaseLost,
    ModelFailing,
    Postponement,
    Throttled,
    TimeIsUp,
    WaitingReason,
)
from shared.domain.models.catalogue import catalogue
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import Ran
from shared.transfer_slots import TransferSlots

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def deps_with(note: RefusalNote | None, now: datetime = NOW) -> GenerateDeps:
    async def current_note(model: str) -> RefusalNote | None:
        return note

    async def refuse_if_open(model: str) -> None:
        """Let every call through: the breaker is closed."""

    throttle, clock = SimpleNamespace(current_note=current_note), SimpleNamespace(now=lambda: now)
    breaker = SimpleNamespace(refuse_if_open=refuse_if_open)
    return cast(GenerateDeps, SimpleNamespace(throttle=throttle, clock=clock, breaker=breaker))


@pytest.mark.parametrize(
    ("reason", "kind"), [("rate_limited", Throttled), ("daily_quota", DailyQuotaSpent), ("blocked", Blocked)]
)
async def test_a_note_of_another_instance_puts_the_task_off_for_the_rest_of_its_time(
    reason: WaitingReason, kind: type[Postponement]
) -> None:
    with pytest.raises(kind, match="slow down") as put_off:
        await refuse_if_throttled(deps_with(RefusalNote(NOW + timedelta(seconds=40), reason, "slow down")), "m")
    assert put_off.value.delay == 40


async def test_a_model_without_a_note_is_asked() -> None:
    await refuse_if_throttled(deps_with(None), "m")


def test_only_a_model_whose_end_is_known_has_a_notice() -> None:
    ending = next(model for model in catalogue().models if model.shutdown is not None)
    staying = next(model for model in catalogue().models if model.shutdown is None)
    assert ending.shutdown is not None
    before = datetime.combine(ending.shutdown.on - timedelta(days=20), datetime.min.time(), UTC)
    assert model_notices(deps_with(None, before), ending.id) != ()
    assert model_notices(deps_with(None, before), staying.id) == ()


@pytest.mark.parametrize("error", [TimeIsUp, Throttled, LeaseLost, ModelFailing])
async def test_what_came_while_a_slot_was_waited_for_keeps_the_call_from_being_paid(
    error: type[DropsightError],
) -> None:
    deps, happened = deps_with(None), ""

    async def may(check: type[DropsightError]) -> None:
        if happened == check.__name__:
            raise check(happened)

    class Waiting:
        gained, streamed_answers = False, 0

        @property
        def seconds_left(self) -> float:
            return 49 if happened == "TimeIsUp" else 51

        async def confirm(self) -> None:
            await may(LeaseLost)

    deps.__dict__.update(
        transfers=TransferSlots(1),
        settings=SimpleNamespace(time_limit_seconds=100),
        throttle=SimpleNamespace(current_note=lambda model: may(Throttled)),
    )
    deps.breaker.__dict__["enter"] = lambda model: may(ModelFailing)
    question = SimpleNamespace(model="m", makes="speech", part=None, reasoning=False, choice=0)
    async with deps.transfers.slot():
        call = asyncio.create_task(call_model(deps, cast(Lease, Waiting()), cast(Question, question)))
        # It comes as far as it can.
        await asyncio.sleep(0)
        happened = error.__name__
    with pytest.raises(error):
        await call


async def test_a_whole_answer_is_in_the_ledger_with_what_was_sent_though_storing_it_is_broken_off() -> None:
    storing = asyncio.Event()

    async def write(*arguments: Any, **options: Any) -> None:
        storing.set()
        await asyncio.Event().wait()

    deps = SimpleNamespace(
        clock=SimpleNamespace(now=lambda: NOW),
        storage=SimpleNamespace(write=write),
        settings=SimpleNamespace(results_bucket="results"),
    )
    lease = SimpleNamespace(
        task=SimpleNamespace(id="task-1"), token=1, calls=None, timed=lambda step: contextlib.nullcontext()
    )
    sent: Any = [{"parts": [{"text": "w" * 400}]}]
    question = Question(model="m", body={"contents": sent}, ran=Ran(recipe="r", sha256="0", snapshot={}))
    call = _Call(cast(GenerateDeps, deps), cast(Lease, lease), question, 0, ("",), None)
    call.segments.pieces.append({"candidates": [{"content": {"parts": [{"text": "w" * 40}]}, "finishReason": "STOP"}]})
    whole = asyncio.create_task(call.store_whole())
    await storing.wait()
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    [counted] = cast(Any, lease.calls)
    assert (counted.tokens.input, counted.tokens.output) == (100, 10)
