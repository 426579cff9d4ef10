"""How quiet the machine is, and what processes have used of it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

import psutil


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of the processes and of their children that have ended."""
    used = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


class OtherLoad:
    """`with OtherLoad() as others:`, then `others.share`: the share of all processors that other programs used."""

    share = 0.0

    def __enter__(self) -> OtherLoad:
        self._began, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        there = (time.monotonic() - self._began) * (psutil.cpu_count() or 1)
        others = _busy_seconds() - self._busy - (_own_seconds() - self._own)
        self.share = max(0.0, others / there)


def _busy_seconds() -> float:
    """Return the CPU time of all programs since the start of the machine, and what its host gave to other machines."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def _own_seconds() -> float:
    """Return the CPU time of this process and of all that it has started."""
    return cpu_seconds([os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))])


class Stopwatch:
    """`with Stopwatch() as watch:`, then `watch.seconds` and the CPU time of this process as `watch.cpu`."""

    seconds = cpu = 0.0

    def __enter__(self) -> Stopwatch:
        self._began, self._cpu = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = time.monotonic() - self._began, time.process_time() - self._cpu
