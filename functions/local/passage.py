"""Moving the clock of a running system: far, but in steps that leave nobody behind.

While a function works, time moves in steps that are short against a lease, so that its holder can renew; while none
does, it moves at once to the next moment at which something is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.clock import MovableClock

_STEP_AT_WORK = 10.0
"""Seconds: a sixth of the default lease."""
_BREATH = 0.03
"""Real seconds after each step: enough for a sleeper to wake and a renewal to be written."""
_PATIENCE = 0.5
"""Real seconds that work under way is given to end by itself before time moves past it."""


class Passage:
    """`at_work()` tells whether a function works; `next_due()` the next moment for which something waits."""

    def __init__(self, clock: MovableClock, at_work: Callable[[], bool], next_due: Callable[[], float | None]) -> None:
        self._clock, self._at_work, self._next_due = clock, at_work, next_due
        self._one_at_a_time = asyncio.Lock()

    async def advance(self, seconds: float) -> None:
        async with self._one_at_a_time:
            goal = self._clock.time() + seconds
            while (left := goal - self._clock.time()) > 0:
                await self._let_work_end()
                step = min(left, _STEP_AT_WORK if self._at_work() else self._jump(left))
                self._clock.advance(step)
                await asyncio.sleep(_BREATH)

    async def _let_work_end(self) -> None:
        waited = 0.0
        while self._at_work() and waited < _PATIENCE:
            await asyncio.sleep(_BREATH)
            waited += _BREATH

    def _jump(self, left: float) -> float:
        due = self._next_due()
        return left if due is None else max(due - self._clock.time(), 0.05)
