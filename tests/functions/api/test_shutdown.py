"""At SIGTERM the readers of streams are told, and the worker's own handler still runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from functions.api.shutdown import Shutdown


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals that the handler of the worker saw."""
    numbers: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        numbers.append(number)

    before = signal.signal(signal.SIGTERM, handle)
    yield numbers
    signal.signal(signal.SIGTERM, before)


async def test_sigterm_notifies_the_readers_once_and_reaches_the_workers_handler(handled: list[int]) -> None:
    notified = asyncio.Event()
    shutdown = Shutdown(notified.set)
    shutdown.watch()
    shutdown.watch()
    assert not shutdown.begun
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        await notified.wait()
    assert shutdown.begun
    assert handled == [signal.SIGTERM]


async def test_a_thread_other_than_the_main_one_sets_no_handler(handled: list[int]) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    await asyncio.to_thread(Shutdown(lambda: None).watch)
    assert signal.getsignal(signal.SIGTERM) is handler
