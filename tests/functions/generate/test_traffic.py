"""A test that leaves work under way fails for it, and no other does."""

from __future__ import annotations

import pytest

from local.standins.faults import Fault
from local.standins.gemini import Behaviour
from tests.functions.generate.conftest import System, answers

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_answer_that_waits_for_a_clock_that_nobody_moves_is_named_and_ended(system: System) -> None:
    system.model.script.append({"text": "late", "latency": "450s", "chunks": 3})
    system.tap.faults.add([Fault(service="storage", match="never called", status=500)])
    uri = await system.drop("left/behind.txt", b"some words")
    await system.until(uri, lambda task: bool(system.model.asked))
    with pytest.raises(AssertionError, match="left behind: 1 dispatches under way, 1 requests to gemini"):
        await system.traffic.leave_nothing_behind(seconds=0.2)
    assert system.traffic.under_way() == ""
    assert system.model.behaviour == Behaviour()
    assert system.tap.faults.listing() == []


async def test_what_ends_by_itself_is_waited_for(system: System) -> None:
    uri = await system.drop("left/alone.txt", b"some words")
    await system.traffic.leave_nothing_behind()
    task = await system.task(uri)
    assert task is not None
    assert answers(task)


async def test_an_entry_of_the_script_says_nothing_of_the_next_answer(system: System) -> None:
    every = {"text": "odd", "chunks": 2, "finish_reason": "MAX_TOKENS", "latency": "10ms", "thoughts": 7}
    system.model.script.extend([{**every, "finish_reason": None}, {"text": "plain"}])
    for name in ("first", "second"):
        assert (await system.answered(f"left/{name}.txt", b"some words")).status == "completed"
    assert system.model.behaviour == Behaviour(text="plain")


@pytest.mark.long
async def test_the_clock_is_moved_to_the_next_dispatch_only_while_nobody_works(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.model.script.extend([{"status": 503}, {"text": "late", "latency": "30s", "chunks": 2}])
    waits = await system.drop("left/waits.txt", b"some words")
    await system.until(waits, lambda task: task.waiting is not None and not system.traffic.under_way())
    works = await system.drop("left/works.txt", b"some words")
    await system.until(works, lambda _: bool(system.model.asked))
    assert system.traffic.queue.next_due() is not None
    moves: list[float] = []
    with monkeypatch.context() as patch:
        patch.setattr(system.clock, "advance", moves.append)
        system.traffic.skip_wait()
    assert moves == []
    system.clock.advance(31)
    for uri in (works, waits):
        task = await system.until(uri, lambda task: task.terminal and not task.after, skip_waits=True)
        assert answers(task)
