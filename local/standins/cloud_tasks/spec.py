"""The settings of a new queue, with Cloud Tasks' defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

from local.standins.cloud_tasks.rules import Pb, QueuePb, check_queue


@dataclass(frozen=True)
class QueueSpec:
    """One queue, by its full name `projects/P/locations/L/queues/Q`; times in seconds."""

    name: str
    max_dispatches_per_second: float = 500.0
    max_concurrent_dispatches: int = 1000
    max_attempts: int = 100
    """Including the first attempt; -1: unlimited."""
    max_retry_duration: float = 0.0
    """Since the first attempt; 0: unlimited."""
    min_backoff: float = 0.1
    max_backoff: float = 3600.0
    max_doublings: int = 16

    def message(self) -> Pb:
        queue = QueuePb(name=self.name)
        queue.rate_limits.max_dispatches_per_second = self.max_dispatches_per_second
        queue.rate_limits.max_concurrent_dispatches = self.max_concurrent_dispatches
        queue.retry_config.max_attempts = self.max_attempts
        queue.retry_config.max_retry_duration.FromMilliseconds(round(self.max_retry_duration * 1000))
        queue.retry_config.min_backoff.FromMilliseconds(round(self.min_backoff * 1000))
        queue.retry_config.max_backoff.FromMilliseconds(round(self.max_backoff * 1000))
        with_defaults(queue).retry_config.max_doublings = self.max_doublings
        return queue


def with_defaults(queue: Pb) -> Pb:
    """Fill in missing settings, and the burst size, which only the service sets.

    Raises Refusal if one is out of range.
    """
    check_queue(queue)
    default = QueueSpec(queue.name)
    limits = queue.rate_limits
    limits.max_dispatches_per_second = limits.max_dispatches_per_second or default.max_dispatches_per_second
    limits.max_concurrent_dispatches = limits.max_concurrent_dispatches or default.max_concurrent_dispatches
    limits.max_burst_size = max(10, math.ceil(limits.max_dispatches_per_second / 5))
    fill_retries(queue.retry_config, default)
    queue.state = queue.state or QueuePb.RUNNING
    return queue


def fill_retries(config: Pb, default: QueueSpec) -> None:
    config.max_attempts = config.max_attempts or default.max_attempts
    config.max_doublings = config.max_doublings or default.max_doublings
    for field in ("min_backoff", "max_backoff", "max_retry_duration"):
        if not config.HasField(field):
            getattr(config, field).FromMilliseconds(round(getattr(default, field) * 1000))
