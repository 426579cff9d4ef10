"""Predict whether a conversion will finish in time."""

from __future__ import annotations

import time

_JUDGED_AFTER = 20.0
"""Seconds of work after which the rest can be foreseen."""
_DOUBT = 1.5
"""How much longer than allowed a conversion must seem to take before it is given up early."""


class TooSlowError(Exception):
    """The conversion would not finish in time."""


class Pace:
    """Ends a conversion early that would not be done within `limit` seconds. `duration` is None if it is unknown."""

    def __init__(self, duration: float | None, limit: float) -> None:
        self._duration, self._limit, self._began = duration, limit, time.monotonic()

    def check(self, done: float) -> None:
        """Raise `TooSlowError` if the first `done` seconds of the recording took too long."""
        spent = time.monotonic() - self._began
        if self._duration and spent > _JUDGED_AFTER and done < self._duration:
            total = spent / max(done, 0.001) * self._duration
            if total > self._limit * _DOUBT:
                raise TooSlowError(f"{done:.0f} of {self._duration:.0f} s took {spent:.0f} s")
