"""Slots bound what is held at once; one that is given back for a while lets others in, and is never returned twice."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from shared.domain.errors import TransientFailure
from shared.transfer_slots import TransferSlots


async def test_no_more_are_inside_at_once_than_there_are_slots() -> None:
    slots, inside, most = TransferSlots(3), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with slots.slot():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert (most, inside) == (3, 0)


async def test_a_slot_that_is_given_back_lets_another_in_and_is_waited_for_again() -> None:
    slots = TransferSlots(1)
    async with slots.slot() as first:
        first.give_back()
        async with asyncio.timeout(5), slots.slot():
            again = asyncio.create_task(first.take())
            await asyncio.sleep(0)
            assert not again.done()
        await again


async def test_who_waits_for_a_slot_for_long_enough_is_told_to_come_again() -> None:
    slots = TransferSlots(1)
    async with slots.slot():
        with pytest.raises(TransientFailure, match="busy"):
            await slots.slot(most_seconds=0.01).take()
    async with slots.slot(most_seconds=60):
        pass


async def test_a_slot_says_whether_it_was_held() -> None:
    async with TransferSlots(1).slot() as slot:
        assert slot.give_back()
        assert not slot.give_back()


async def test_a_holder_that_is_cancelled_while_it_waits_returns_nothing() -> None:
    slots = TransferSlots(1)

    async def wait_in_vain() -> None:
        async with slots.slot() as slot:
            slot.give_back()
            await let_in.wait()
            await slot.take()

    let_in = asyncio.Event()
    waiting = asyncio.create_task(wait_in_vain())
    await asyncio.sleep(0)
    async with slots.slot():
        let_in.set()
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        second = asyncio.create_task(slots.slot().take())
        await asyncio.sleep(0)
        assert not second.done(), "the only slot is held"
    await second
