"""Let simultaneous callers with the same key share one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """`await flights.run(key, call)` starts `call`, or awaits the call that is running for this key.

    Belongs to one event loop. A caller that is cancelled leaves the call to the others. Errors of the call reach all
    who wait for it.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(_awaited(call))
            running.add_done_callback(partial(self._forget, key))
        return await asyncio.shield(running)

    def _forget(self, key: Hashable, ended: asyncio.Task[T]) -> None:
        del self._running[key]
        if not ended.cancelled():
            # Read here too, in case nobody waits for it any more: asyncio complains of errors that are never read.
            ended.exception()


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
