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
_MOST_STEPS = 1200
"""In one advance; what falls due within a step comes at its end: over six hours, 18 seconds late at the most."""
_BREATH = 0.03
"""Real seconds after each step: enough for a sleeper to wake and a renewal to be written."""
_QUIET = 0.2
"""Real seconds without a sign of life after which work under way counts as waiting, not working."""
_PATIENCE = 2.0
"""Real seconds that work which shows signs of life is given before time moves all the same."""


class ClockSteps:
    """`at_work()` tells whether a function works, `signs_of_life()` changes while it does something (a call, or
    computing: a cold start calls nobody), and `next_due()` is the next moment for which something waits."""

    def __init__(
        self,
        clock: MovableClock,
        at_work: Callable[[], bool],
        signs_of_life: Callable[[], object],
        next_due: Callable[[], float | None],
    ) -> None:
        self._clock, self._at_work = clock, at_work
        self._signs_of_life, self._next_due = signs_of_life, next_due
        self._one_at_a_time = asyncio.Lock()

    async def advance(self, seconds: float) -> None:
        async with self._one_at_a_time:
            goal, shortest = self._clock.time() + seconds, seconds / _MOST_STEPS
            while (left := goal - self._clock.time()) > 0:
                await self._let_work_end()
                step = _STEP_AT_WORK if self._at_work() else max(self._jump(left), shortest)
                self._clock.advance(min(left, step))
                await asyncio.sleep(_BREATH)

    async def _let_work_end(self) -> None:
        waited, quiet, seen = 0.0, 0.0, self._signs_of_life()
        while self._at_work() and waited < _PATIENCE and quiet < _QUIET:
            await asyncio.sleep(_BREATH)
            before, seen = seen, self._signs_of_life()
            quiet = quiet + _BREATH if seen == before else 0.0
            waited += _BREATH

    def _jump(self, left: float) -> float:
        due = self._next_due()
        return left if due is None else max(due - self._clock.time(), 0.01)
