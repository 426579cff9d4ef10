"""Time limits on a movable clock, with one waiter for any number of requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.clock import Clock


@dataclass(eq=False)
class _Limit:
    moment: float
    scope: asyncio.Timeout


class Deadlines:
    """`async with deadlines.until(moment)`: TimeoutError once the clock has reached `moment` inside the block.

    A moved clock is polled by whoever waits for it; a thousand open streams must not poll it a thousand times.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits: set[_Limit] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._watched = float("inf")

    @contextlib.asynccontextmanager
    async def until(self, moment: float) -> AsyncIterator[None]:
        async with asyncio.timeout(None) as scope:
            limit = _Limit(moment, scope)
            self._limits.add(limit)
            if moment < self._watched:
                self._watch(moment)
            try:
                yield
            finally:
                self._limits.discard(limit)
                if not self._limits:
                    self._rest()

    def _watch(self, moment: float) -> None:
        self._rest()
        self._watched = moment
        self._watcher = asyncio.create_task(self._wait())

    def _rest(self) -> None:
        self._watched = float("inf")
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _wait(self) -> None:
        while self._limits:
            self._watched = min(limit.moment for limit in self._limits)
            await self._clock.sleep_until(self._watched)
            for limit in [limit for limit in self._limits if limit.moment <= self._watched]:
                self._limits.discard(limit)
                limit.scope.reschedule(asyncio.get_running_loop().time())
        self._watcher, self._watched = None, float("inf")
