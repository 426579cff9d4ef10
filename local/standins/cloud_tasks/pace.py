"""The pace of a queue: a token bucket that pushback slows down, and the backoff before a retry."""

from __future__ import annotations

from local.standins.cloud_tasks.rules import Pb

_ALMOST_ONE = 0.999
"""Seconds since 1970 as a float are too coarse to reach a whole token exactly."""
_RECOVERY_SECONDS = 10.0
_SLOWEST_PER_SECOND = 1.0


class Pace:
    """A token bucket of `rate` tokens a second that holds `burst` at most.

    An answer of 429 or 503 halves the rate, once a second at most (a burst of them is one signal) and not below one
    dispatch a second by more than once; without another, the rate doubles every ten seconds until it is whole again. It
    is documented that the service slows the whole queue down, but not by how much.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._filled_at = burst, 0.0
        self._share, self._slowed_at = 1.0, float("-inf")

    def configure(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens = min(self._tokens, burst)

    def share(self, now: float) -> float:
        """Return the part of the configured rate that applies now, 0 to 1."""
        if self._share == 1.0:
            return 1.0
        doublings = (now - self._slowed_at) / _RECOVERY_SECONDS
        return 1.0 if doublings > 10 else min(1.0, self._share * 2.0**doublings)

    def ready_at(self, now: float) -> float:
        """Return `now` if a dispatch may leave, else when to ask again; the rate may rise in the meantime."""
        self._fill(now)
        if self._tokens >= _ALMOST_ONE:
            return now
        share = self.share(now)
        wait = (1 - self._tokens) / (self._rate * share)
        return now + (wait if share == 1.0 else min(wait, _RECOVERY_SECONDS))

    def take(self, now: float) -> None:
        self._fill(now)
        self._tokens -= 1

    def push_back(self, now: float) -> None:
        if now - self._slowed_at < 1.0:
            return
        slowest = min(0.5, _SLOWEST_PER_SECOND / self._rate)
        self._share, self._slowed_at = max(slowest, self.share(now) / 2), now
        self._tokens = min(self._tokens, 1.0)

    def _fill(self, now: float) -> None:
        share = self.share(now)
        burst = max(1.0, self._burst * share)
        self._tokens = min(burst, self._tokens + max(0.0, now - self._filled_at) * self._rate * share)
        self._filled_at = now


def backoff(config: Pb, failures: int) -> float:
    """Return the seconds to wait after a number of failed attempts (1 or more).

    From min_backoff it doubles max_doublings times, then grows by the last doubled step, up to max_backoff:
    10 s, 300 s and 3 doublings give 10, 20, 40, 80, 160, 240, 300, 300, …
    """
    shortest, longest = (limit.ToMilliseconds() / 1000 for limit in (config.min_backoff, config.max_backoff))
    doublings = min(failures - 1, config.max_doublings, 60)
    step = shortest * 2.0**doublings
    return float(min(longest, step * (1 + max(0, failures - 1 - config.max_doublings))))


def exhausted(config: Pb, attempts: int, age: float) -> bool:
    """Return whether to give a task up: it has reached each of the two limits that are set.

    `age` is in seconds since the first attempt.
    """
    longest = config.max_retry_duration.ToMilliseconds() / 1000
    if config.max_attempts == -1 and not longest:
        return False
    return bool(config.max_attempts == -1 or attempts >= config.max_attempts) and bool(age >= longest)
