"""Before a call: a model that refuses calls is not asked, and one that will be shut down is told of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from functions.generate.model.call import model_notices, refuse_if_throttled
from shared.cloud.throttle import RefusalNote
from shared.dependencies import GenerateDeps
from shared.domain.errors import Blocked, DailyQuotaSpent, Postponement, Throttled, WaitingReason
from shared.domain.models.catalogue import catalogue

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
