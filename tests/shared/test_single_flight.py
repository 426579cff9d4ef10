"""Callers that want the same thing at once share one call, its answer and its error."""

from __future__ import annotations

import asyncio

import pytest

from shared.single_flight import SingleFlight


class Counted:
    def __init__(self) -> None:
        self.calls, self.go_on = 0, asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        await self.go_on.wait()
        return self.calls


async def test_callers_at_once_share_one_call_and_the_next_one_makes_its_own() -> None:
    flights, call = SingleFlight[int](), Counted()
    waiting = [asyncio.create_task(flights.run("a", call)) for _ in range(5)]
    await asyncio.sleep(0)
    call.go_on.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await flights.run("a", call) == 2


async def test_a_cancelled_caller_leaves_the_call_to_the_others() -> None:
    flights, call = SingleFlight[int](), Counted()
    first, second = (asyncio.create_task(flights.run("a", call)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    call.go_on.set()
    assert await second == 1
    assert call.calls == 1


async def test_an_error_reaches_all_and_is_not_kept() -> None:
    flights = SingleFlight[int]()

    async def fail() -> int:
        raise ValueError("away")

    for outcome in await asyncio.gather(*(flights.run("a", fail) for _ in range(3)), return_exceptions=True):
        assert isinstance(outcome, ValueError)
    call = Counted()
    call.go_on.set()
    with pytest.raises(ValueError, match="away"):
        await flights.run("a", fail)
    assert await flights.run("a", call) == 1
