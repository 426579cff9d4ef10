"""One subscription: what is outstanding, what is leased to a subscriber, and when it is delivered again.

waiting ──lease──▶ leased ──acknowledge──▶ gone
   ▲                 │
   └─── deadline over, or modified to 0 (after the retry policy's backoff)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from local.standins.pubsub.filters import parse_filter
from local.standins.pubsub.rules import Pb
from shared.clock import Clock

_numbers = itertools.count(1)


@dataclass(eq=False)
class _Delivery:
    message: Pb
    due: float
    """When it may be delivered (again); for a leased message, the end of its lease."""
    attempts: int = 0
    ack_id: str = ""


class Subscription:
    def __init__(self, settings: Pb, clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self._matches = parse_filter(settings.filter)
        self._outstanding: dict[str, _Delivery] = {}
        """By message id, in the order of their publishing."""

    def add(self, message: Pb) -> None:
        """Take a published message, if it passes the filter."""
        if self._matches(message.attributes):
            self._outstanding[message.message_id] = _Delivery(message, self._clock.time())

    def lease(self, most: int, seconds: float | None = None) -> list[tuple[str, Pb, int]]:
        """Lease up to `most` messages. Return ack id, message and number of the attempt of each."""
        now, leased = self._clock.time(), list[tuple[str, Pb, int]]()
        for delivery in self._outstanding.values():
            if len(leased) >= most:
                break
            if delivery.due <= now:
                delivery.attempts += 1
                # The ack id of an earlier attempt has expired.
                delivery.ack_id = f"{delivery.message.message_id}:{next(_numbers)}"
                delivery.due = now + (seconds or self.settings.ack_deadline_seconds)
                leased.append((delivery.ack_id, delivery.message, delivery.attempts))
        return leased

    def acknowledge(self, ack_ids: list[str]) -> None:
        """Acknowledge messages. Ids that have expired or are unknown have no effect, as in the service."""
        for ack_id in ack_ids:
            delivery = self._leased(ack_id)
            if delivery is not None:
                del self._outstanding[delivery.message.message_id]

    def modify_deadline(self, ack_ids: list[str], seconds: float) -> None:
        """Lengthen leases; with 0, give the messages back."""
        for ack_id in ack_ids:
            if (delivery := self._leased(ack_id)) is None:
                continue
            if seconds == 0:
                delivery.ack_id = ""
                delivery.due = self._clock.time() + self._backoff(delivery.attempts)
            else:
                delivery.due = self._clock.time() + seconds

    def _leased(self, ack_id: str) -> _Delivery | None:
        delivery = self._outstanding.get(ack_id.partition(":")[0])
        if delivery is None or delivery.ack_id != ack_id or delivery.due <= self._clock.time():
            return None
        return delivery

    def _backoff(self, attempts: int) -> float:
        if self.settings.HasField("retry_policy"):
            policy = self.settings.retry_policy
            least, most = policy.minimum_backoff.ToMilliseconds() / 1000, policy.maximum_backoff.ToMilliseconds() / 1000
        elif self.settings.push_config.push_endpoint:
            least, most = 0.1, 60.0
        else:
            return 0.0
        return float(min(most or 600.0, (least or 10.0) * 2 ** (attempts - 1)))
