"""Bound how many tasks of an instance read, examine and upload files at once; any number may wait for the model."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class TransferSlots:
    """`async with slots.slot() as slot:` waits for one of `count` slots, and gives it back at the end of the block."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)

    def slot(self) -> Slot:
        return Slot(self._free)


class Slot:
    """A slot that its holder may give back for a while. Belongs to one task."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free, self._held = free, False

    async def take(self) -> None:
        """Wait for a slot, unless this one is held."""
        if not self._held:
            await self._free.acquire()
            self._held = True

    def give_back(self) -> bool:
        """Let another have it. Return whether it was held."""
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
