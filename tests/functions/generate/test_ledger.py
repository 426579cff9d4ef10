"""What a task used and cost: on its document, in its published file, over rounds, takeovers and reroutings."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.functions.generate.conftest import SAMPLES, System

pytestmark = pytest.mark.asyncio(loop_scope="session")


def billed(system: System) -> list[dict[str, Any]]:
    """The answered generations as the stand-in counted them."""
    return [call for call in system.tap.ledger.calls("gemini") if "prompt_tokens" in call]


async def test_a_task_tells_its_tokens_model_tier_cost_bytes_and_times(system: System) -> None:
    before = len(billed(system))
    task = await system.answered("ledger/speech.wav", SAMPLES / "speech.wav")
    usage: Any = task.usage
    [call] = billed(system)[before:]
    assert usage["prompt_tokens"] == int(call["prompt_tokens"])
    assert usage["completion_tokens"] == int(call["answer_tokens"]) + int(call["thought_tokens"])
    assert usage["prompt_tokens_by_modality"]["audio"] > 0
    assert (usage["model"], usage["service_tier"], usage["calls"]) == ("gemini-3.5-flash-lite", "standard", 1)
    rate = Decimal("0.30") * usage["prompt_tokens"] + Decimal("2.50") * usage["completion_tokens"]
    assert Decimal(usage["cost"]) == rate / 1_000_000
    assert usage["price_date"] == "2026-11-26"
    size = (SAMPLES / "speech.wav").stat().st_size
    assert usage["bytes"] == {"source": size, "uploaded": size}
    assert set(usage["timings"]) == {"event", "queue", "upload", "file_processing", "model", "store"}
    assert usage["attempts"] == []
    published = json.loads((await system.published(task))["task.json"])
    assert published["usage"] == usage


async def test_every_round_of_a_task_is_in_its_ledger(system: System) -> None:
    before = len(billed(system))
    system.model.script.extend([{"finish_reason": "MAX_TOKENS"}, {}])
    task = await system.answered("ledger/rounds.txt", b"some words to talk about")
    usage: Any = task.usage
    calls = billed(system)[before:]
    assert len(calls) == usage["calls"] == len(usage["rounds"]) == 2
    assert [each["prompt_tokens"] for each in usage["rounds"]] == [int(call["prompt_tokens"]) for call in calls]
    assert sum(Decimal(each["cost"]) for each in usage["rounds"]) == Decimal(usage["cost"])


async def test_a_failed_task_tells_what_its_calls_cost(system: System) -> None:
    system.model.script.extend([{"parts": []}, {"parts": []}])
    task = await system.answered("ledger/empty.txt", b"some words")
    assert task.error is not None
    usage: Any = task.usage
    assert usage["calls"] == 2
    assert Decimal(usage["cost"]) > 0


async def test_a_task_that_was_never_asked_cost_nothing(system: System) -> None:
    task = await system.answered("ledger/nothing.wav", b"")
    usage: Any = task.usage
    assert task.error is not None
    assert (usage["calls"], usage["cost"], usage["model"]) == (0, "0", None)


async def test_an_answer_of_another_model_is_named_and_priced_as_what_it_is(system: System) -> None:
    system.model.script.append({"model_version": "gemini-3.8-flash"})
    task = await system.answered("ledger/rerouted.txt", b"some words")
    usage: Any = task.usage
    assert usage["model"] == "gemini-3.8-flash"
    assert "model_rerouted: gemini-3.5-flash-lite was asked for, and gemini-3.8-flash answered." in task.warnings
    rate = Decimal("0.75") * usage["prompt_tokens"] + Decimal("3.75") * usage["completion_tokens"]
    assert Decimal(usage["cost"]) == rate / 1_000_000


async def test_an_unknown_price_is_null_with_a_warning(system: System) -> None:
    system.model.script.append({"model_version": "gemini-9-xenon"})
    task = await system.answered("ledger/unpriced.txt", b"some words")
    usage: Any = task.usage
    assert usage["cost"] is None
    assert "What this cost is not known: there is no price for gemini-9-xenon (standard)." in task.warnings


async def test_attempts_are_told_with_their_reasons(system: System) -> None:
    system.model.script.append({"error_after": 1, "error_status": 503})
    uri = await system.drop("ledger/attempts.txt", b"some words")
    await system.until(uri, lambda task: task.waiting is not None)
    system.clock.advance(30)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    usage: Any = task.usage
    [attempt] = usage["attempts"]
    assert (attempt["claim"], attempt["reason"]) == (1, "retrying")
    assert usage["calls"] == 2, "the answer that broke off had begun, and is paid for"
