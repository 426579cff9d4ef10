"""Moves the clock of a running system, in steps that let its functions keep up.

While a function works, the steps are short against a lease, so that its holder can renew. While none works, the clock
jumps to the next moment at which something is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.clock import MovableClock

_BUSY_STEP = 10.0
"""Seconds: a sixth of the default lease."""
_MAX_STEPS = 1200
"""In one advance. What falls due within a step happens at its end: over six hours, 18 seconds late at most."""
_PAUSE = 0.03
"""Real seconds after each step: enough for a sleeper to wake and a renewal to be written."""
_QUIET = 0.2
"""Real seconds without activity after which work under way counts as waiting for the clock."""
_PATIENCE = 2.0
"""Real seconds after which the clock moves although the work under way is active."""


class ClockSteps:
    """Advances the clock, one call at a time.

    `is_busy()` says whether a function handles a request. `activity()` returns a value that changes while one makes
    calls or computes. `next_due()` returns the next time at which something is due, or None.
    """

    def __init__(
        self,
        clock: MovableClock,
        is_busy: Callable[[], bool],
        activity: Callable[[], object],
        next_due: Callable[[], float | None],
    ) -> None:
        self._clock, self._is_busy = clock, is_busy
        self._activity, self._next_due = activity, next_due
        self._lock = asyncio.Lock()

    async def advance(self, seconds: float) -> None:
        async with self._lock:
            goal, shortest = self._clock.time() + seconds, seconds / _MAX_STEPS
            while (left := goal - self._clock.time()) > 0:
                await self._wait_for_work()
                step = _BUSY_STEP if self._is_busy() else max(self._seconds_until_due(left), shortest)
                self._clock.advance(min(left, step))
                await asyncio.sleep(_PAUSE)

    async def _wait_for_work(self) -> None:
        waited, quiet, latest = 0.0, 0.0, self._activity()
        while self._is_busy() and waited < _PATIENCE and quiet < _QUIET:
            await asyncio.sleep(_PAUSE)
            before, latest = latest, self._activity()
            quiet = quiet + _PAUSE if latest == before else 0.0
            waited += _PAUSE

    def _seconds_until_due(self, left: float) -> float:
        due = self._next_due()
        return left if due is None else max(due - self._clock.time(), 0.01)
