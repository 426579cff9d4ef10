"""The flex tier: half the price, waiting for capacity, and the standard price once patience is over."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.functions.generate.conftest import System, camelled

pytestmark = pytest.mark.asyncio(loop_scope="session")


def tiers(system: System) -> list[Any]:
    return [camelled(body).get("serviceTier") for _, body in system.model.asked]


async def test_a_file_that_asks_for_flex_costs_half(system: System) -> None:
    flex = await system.answered("flex/cheap.txt", b"the same words", dropsight_service_tier="flex")
    full = await system.answered("flex/full.txt", b"the same words")
    assert tiers(system) == ["flex", None]
    half: Any = flex.usage
    whole: Any = full.usage
    assert (half["service_tier"], whole["service_tier"]) == ("flex", "standard")
    per_token = (
        Decimal(half["cost"])
        * 2
        / (Decimal("0.3") * half["prompt_tokens"] + Decimal("2.5") * half["completion_tokens"])
    )
    assert per_token == Decimal(1) / 1_000_000


@pytest.mark.parametrize(
    ("named", "sent"), [("flex", "flex"), ("priority", "priority"), ("default", None), ("auto", None)]
)
async def test_a_request_names_its_tier_as_openai_does(system: System, named: str, sent: str | None) -> None:
    messages = [{"role": "user", "content": "Say something."}]
    task = await system.requested(f"tier-{named}", messages=messages, service_tier=named)
    usage: Any = task.usage
    assert tiers(system) == [sent]
    assert usage["service_tier"] == (sent or "standard")


async def test_an_unknown_tier_is_refused_by_its_name(system: System) -> None:
    task = await system.answered("flex/wrong.txt", b"words", dropsight_service_tier="cheapest")
    assert task.error is not None
    assert task.error.message.startswith("dropsight-service-tier")
    assert system.model.asked == []


@pytest.mark.parametrize("status", [503, 429])
async def test_refused_flex_work_waits_and_is_promoted_when_patience_is_over(system: System, status: int) -> None:
    system.model.set_model({"flex_status": status})
    system.model.script.extend([{"flex_status": status}] * 200)
    uri = await system.drop(f"flex/refused-{status}.txt", b"words", dropsight_service_tier="flex")
    task = await system.until(uri, lambda task: task.waiting is not None)
    assert task.waiting is not None
    assert task.waiting.reason == "flex"
    began = system.clock.now()
    task = await system.until(uri, lambda task: task.terminal, skip_waits=True)
    system.model.script.clear()
    usage: Any = task.usage
    assert (task.status, usage["service_tier"]) == ("completed", "standard")
    assert usage["attempts"][0]["reason"] == "flex"
    hours = (system.clock.now() - began).total_seconds() / 3600
    assert 5.5 < hours < 8
    assert tiers(system)[-1] is None
    assert usage["calls"] == 1
    rate = Decimal("0.30") * usage["prompt_tokens"] + Decimal("2.50") * usage["completion_tokens"]
    assert Decimal(usage["cost"]) == rate / 1_000_000
    await system.until(uri, lambda task: not task.after)
