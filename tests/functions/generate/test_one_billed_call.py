"""However the model's answer is disturbed, the wire carries one request for each attempt, and none beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.standins.faults import Fault
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import SAMPLES, System, answers

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES = SAMPLES / "notes.txt"
WORDS = "What the model says of it, in some words."
TOKENS = {"continuation_tokens": True, "checkpoint_every": 1, "chunks": 4, "text": WORDS}


@pytest.fixture(autouse=True)
def undisturbed(system: System) -> Iterator[None]:
    system.tap.ledger.forget()
    yield
    system.tap.faults.clear()
    system.model.set_model({"reset": True})


async def ended(system: System, name: str) -> Task:
    """The task of a file; what it waits for after the first attempt comes at once."""
    uri = await system.drop(name, NOTES)
    await system.until(uri, lambda task: task.terminal or (task.waiting is not None and task.lease_until is None))
    system.clock.advance(120)
    return await system.until(uri, lambda task: task.terminal and not task.after)


def asked_on_the_wire(system: System) -> list[Any]:
    """The status of each request, none of which goes on from a token: that would be the SDK's own."""
    assert "ontinuation" not in json.dumps([body for _, body in system.model.asked])
    return [call["status"] for call in system.tap.ledger.calls("gemini") if "enerateContent" in str(call["path"])]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("500", {"status": 500}),
        ("503", {"status": 503}),
        ("504", {"status": 504}),
        ("429", {"status": 429, "retry_delay": "1s"}),
        ("dropped", {"drop": "before"}),
        ("dropped-after", {"drop": "after"}),
        ("cut-at-once", {"cut_after": 0}),
        ("cut-behind-a-token", {"cut_after": 2}),
    ],
)
async def test_a_disturbed_call_is_followed_by_one_other(system: System, name: str, fault: dict[str, Any]) -> None:
    system.tap.faults.add([Fault.model_validate({"service": "gemini", "match": "enerateContent", "times": 1, **fault})])
    system.model.script.extend([TOKENS] * 2)
    task = await ended(system, f"disturbed-{name}.txt")
    assert answers(task) == [WORDS]
    assert len(asked_on_the_wire(system)) == 2


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_error_within_a_stream_behind_a_token_is_followed_by_one_call(system: System, status: int) -> None:
    system.model.script.extend([{**TOKENS, "error_after": 2, "error_status": status}, {**TOKENS, "error_after": None}])
    task = await ended(system, f"in-stream-{status}.txt")
    assert answers(task) == [WORDS]
    assert len(asked_on_the_wire(system)) == 2


async def test_a_slow_answer_is_one_call(system: System) -> None:
    system.model.script.append({**TOKENS, "latency": "1s"})
    task = await system.answered("slow.txt", NOTES)
    assert answers(task) == [WORDS]
    assert asked_on_the_wire(system) == [200]


async def test_a_stream_that_ends_behind_a_token_is_one_call_and_says_that_it_is_short(system: System) -> None:
    system.model.script.append({**TOKENS, "end_after": 2})
    task = await system.answered("short.txt", NOTES)
    assert any("without a finish reason" in each for each in task.warnings)
    assert asked_on_the_wire(system) == [200]


async def test_an_answer_to_be_continued_is_gone_on_with_in_rounds_that_are_counted(system: System) -> None:
    first = {**TOKENS, "text": WORDS * 2, "finish_reason": "CONTINUATION"}
    system.model.script.extend([first, {"text": f"{WORDS[-30:]} And its end.", "finish_reason": None}])
    task = await system.answered("continued-by-us.txt", NOTES)
    assert answers(task) == [f"{WORDS} And its end."]
    assert asked_on_the_wire(system) == [200, 200]
    assert len(system.model.asked) == 2


async def test_an_answer_to_be_continued_past_a_limit_that_was_asked_for_is_short_and_says_so(system: System) -> None:
    system.model.script.append({**TOKENS, "finish_reason": "CONTINUATION"})
    task = await system.answered("limited.txt", NOTES, dropsight_max_tokens="500")
    results: Any = task.results
    assert results[0]["choices"][0]["finish_reason"] == "length"
    assert any("CONTINUATION" in each for each in task.warnings)
    assert asked_on_the_wire(system) == [200]
