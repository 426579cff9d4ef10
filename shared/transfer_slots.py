"""Bound how many tasks of an instance read, examine and upload files at once; any number may wait for the model."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from shared.domain.errors import TransientFailure

AFTER_WORK_SECONDS = 300.0
"""How long after-work waits for a slot: no lease ends it, and a later delivery of its dispatch tries again."""


class TransferSlots:
    """`async with slots.slot() as slot:` waits for one of `count` slots, and gives it back at the end of the block."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)

    def slot(self, *, most_seconds: float | None = None) -> Slot:
        """Return a slot. Raises `TransientFailure` if none is free within `most_seconds`."""
        return Slot(self._free, most_seconds)


class Slot:
    """A slot that its holder may give back for a while. Belongs to one task."""

    def __init__(self, free: asyncio.Semaphore, most_seconds: float | None = None) -> None:
        self._free, self._held, self._most_seconds = free, False, most_seconds

    async def take(self) -> None:
        """Wait for a slot, unless this one is held."""
        if not self._held:
            try:
                async with asyncio.timeout(self._most_seconds):
                    await self._free.acquire()
            except TimeoutError as error:
                raise TransientFailure("This instance is busy with the files of other tasks.") from error
            self._held = True

    def give_back(self) -> bool:
        """Give the slot back. Return whether it was held."""
        was_held, self._held = self._held, False
        if was_held:
            self._free.release()
        return was_held

    async def __aenter__(self) -> Self:
        await self.take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()
