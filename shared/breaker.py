"""A circuit breaker for each model: after many failures of one kind it is not asked for a while, but for one probe.

closed ──▶ 20 failures of a kind within two minutes, in one instance: open, one alert, known everywhere in a second
open   ──▶ a minute later one call is let through: it closes the breaker, or the pause doubles, to ten minutes at most
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace
from datetime import timedelta

from shared.clock import Clock
from shared.cloud.telemetry import log
from shared.cloud.throttle import OpenBreaker, Throttle
from shared.domain.errors import ModelFailing, TransientFailure

_FAILURES = 20
_WINDOW_SECONDS = 120.0
_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(minutes=10)


class Breaker:
    def __init__(self, throttle: Throttle, clock: Clock) -> None:
        self._throttle, self._clock = throttle, clock
        self._failures: defaultdict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=_FAILURES))

    async def refuse_if_open(self, model: str) -> None:
        """Raise `ModelFailing` while the model's breaker is open."""
        breaker = await self._throttle.breaker_of(model)
        if breaker is not None and breaker.until > self._clock.now():
            delay = (breaker.until - self._clock.now()).total_seconds()
            raise ModelFailing(f"Calls of {model} fail again and again: {breaker.detail}", delay=delay)

    async def enter(self, model: str) -> None:
        """Let a call through: every call while the breaker is closed, one probe after its open time."""
        await self.refuse_if_open(model)
        breaker = await self._throttle.breaker_of(model)
        if breaker is not None:
            probes = breaker.probes + 1
            until = self._clock.now() + min(_PAUSE * 2**probes, _LONGEST_PAUSE)
            await self._throttle.set_breaker(model, replace(breaker, until=until, probes=probes))

    async def note_failure(self, model: str, failure: TransientFailure) -> None:
        """Count a failed call, and open the breaker if there were too many of its kind."""
        failures, now = self._failures[model, type(failure).__name__], self._clock.time()
        failures.append(now)
        if len(failures) < _FAILURES or now - failures[0] > _WINDOW_SECONDS:
            return
        failures.clear()
        if await self._throttle.breaker_of(model) is None:
            opened = self._clock.now()
            await self._throttle.set_breaker(model, OpenBreaker(opened, opened + _PAUSE, failure.summary))
            log("ERROR", "breaker_opened", f"{model} is not asked for now: {failure.summary}", model=model)

    async def note_success(self, model: str) -> None:
        """Forget the model's failures, and close its breaker."""
        for key in [key for key in self._failures if key[0] == model]:
            del self._failures[key]
        if self._throttle.knows_breaker(model):
            await self._throttle.set_breaker(model, None)
            log("INFO", "breaker_closed", f"{model} answers again", model=model)
