"""How quiet the machine is, and what processes have used of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

import psutil

_PROBE_SECONDS = 1.0
_QUIET = 0.15
"""Share of the processors that others may use before figures in seconds are worth little."""


def busy_share(seconds: float = _PROBE_SECONDS) -> float:
    """Return the share of all processors that was in use while this process slept."""
    return psutil.cpu_percent(interval=seconds) / 100


def noise(shares: Iterable[float]) -> str | None:
    """Return what is to be said of shares measured before, between and after the rounds; None for a quiet machine."""
    most = max(shares, default=0.0)
    if most <= _QUIET:
        return None
    return (
        f"The machine was not quiet: other programs used up to {most:.0%} of it between the rounds. "
        "Figures in seconds are worthless; ratios and CPU times are rough."
    )


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of the processes and of their children that have ended."""
    used = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


class Stopwatch:
    """`with Stopwatch() as watch:`, then `watch.seconds` and the CPU time of this process as `watch.cpu`."""

    seconds = cpu = 0.0

    def __enter__(self) -> Stopwatch:
        self._began, self._cpu = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = time.monotonic() - self._began, time.process_time() - self._cpu
