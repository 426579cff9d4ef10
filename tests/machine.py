"""How slow the machine is at this moment, so that limits of real time hold on one that is busy with other work."""

from __future__ import annotations

import os
import time

_SPIN_SECONDS = 0.03
_MOST = 8.0
"""A machine that is slower than that is not waited for: it is named instead."""
_UNKNOWN = 2.0
"""For what cannot be measured in a moment: a slower processor, a disk that others use."""


def slowness() -> float:
    """Return how many seconds pass while this process computes for one: 1 where nobody else wants the processor."""
    began = time.perf_counter()
    until = time.thread_time() + _SPIN_SECONDS
    while time.thread_time() < until:
        pass
    return max(1.0, (time.perf_counter() - began) / _SPIN_SECONDS)


def allowed(seconds: float) -> float:
    """Return the seconds after which what takes so long on a quiet machine has gone wrong on this one.

    What is waited for ran before this moment, in which the machine may happen to be quiet: the load of the last minute
    counts too.
    """
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * _UNKNOWN * min(max(slowness(), load), _MOST)


def condition() -> str:
    """Describe the machine for the message of a test whose time was over."""
    found = slowness()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    words = f"load {load} on {os.cpu_count()} cores; a process gets {100 / found:.0f} % of one"
    return f"the machine was too slow for this test: {words}" if found > _MOST else f"the machine: {words}"
