"""One subscription: what is outstanding, what is leased to a subscriber, and when it is delivered again.

waiting ──lease──▶ leased ──acknowledge──▶ acknowledged (kept only for a seek, or until earlier ones of its key are too)
   ▲                 │
   └─── deadline over, or modified to 0 (after the retry policy's backoff)

With ordering, the messages of a key are leased in their order, none before the earlier ones are acknowledged or leased
with it; when one is delivered again, all later ones of its key are, acknowledged ones too
(https://cloud.google.com/pubsub/docs/ordering).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from local.standins.pubsub.filters import parse_filter
from local.standins.pubsub.rules import DEFAULT_DELIVERY_ATTEMPTS, Pb
from shared.clock import Clock

_MOST_DOUBLINGS = 32
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Leased:
    ack_id: str
    message: Pb
    attempt: int
    """1 for the first delivery."""


@dataclass(eq=False)
class _Delivery:
    message: Pb
    published: float
    due: float
    """When it may be delivered (again); for a leased message, the end of its lease."""
    failures: int = 0
    """How often it was given back, or its deadline was over."""
    ack_id: str = ""
    """Empty unless it is leased."""
    acknowledged: bool = False


class Subscription:
    def __init__(self, settings: Pb, clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self._matches = parse_filter(settings.filter)
        self._outstanding: dict[str, _Delivery] = {}
        """By message id, in the order of their publishing."""
        self._of_key: defaultdict[str, dict[str, _Delivery]] = defaultdict(dict)
        """With ordering: those of each key, likewise."""

    def add(self, message: Pb) -> None:
        """Take a published message, if it passes the filter."""
        if self._matches(message.attributes):
            delivery = _Delivery(message, _seconds(message.publish_time), self._clock.time())
            self._outstanding[message.message_id] = delivery
            if key := self._key(delivery):
                self._of_key[key][message.message_id] = delivery

    def lease(self, most: int, seconds: float | None = None, most_bytes: int | None = None,
              *, one_of_a_key: bool = False) -> list[Leased]:  # fmt: skip
        """Lease up to `most` messages, and no further one once they have `most_bytes` or more."""
        self._end_leases()
        now, leased, size, closed_keys = self._clock.time(), list[Leased](), 0, set[str]()
        for delivery in self._outstanding.values():
            if len(leased) >= most or (most_bytes is not None and size >= most_bytes):
                break
            key = self._key(delivery)
            if delivery.acknowledged or key in closed_keys:
                continue
            if delivery.due <= now:
                delivery.ack_id = f"{delivery.message.message_id}:{next(_numbers)}"
                delivery.due = now + (seconds or self.settings.ack_deadline_seconds)
                leased.append(Leased(delivery.ack_id, delivery.message, delivery.failures + 1))
                size += delivery.message.ByteSize()
                if not one_of_a_key:
                    continue
            if key:
                closed_keys.add(key)
        return leased

    def is_leased(self, ack_id: str) -> bool:
        return self._leased(ack_id) is not None

    def acknowledge(self, ack_ids: Sequence[str]) -> list[str]:
        """Acknowledge messages. Return the ids that have expired or are unknown: they have no effect."""
        without_effect = list[str]()
        for ack_id in ack_ids:
            if (delivery := self._leased(ack_id)) is None:
                without_effect.append(ack_id)
                continue
            delivery.acknowledged, delivery.ack_id = True, ""
            self._forget_acknowledged(delivery)
        return without_effect

    def modify_deadline(self, ack_ids: Sequence[str], seconds: float) -> list[str]:
        """Lengthen leases; with 0, give the messages back. Return the ids that have expired or are unknown."""
        without_effect = list[str]()
        for ack_id in ack_ids:
            if (delivery := self._leased(ack_id)) is None:
                without_effect.append(ack_id)
            elif seconds == 0:
                self._give_back(delivery, self._clock.time())
            else:
                delivery.due = self._clock.time() + seconds
        return without_effect

    def seek(self, time: Pb) -> None:
        """Have what was published before the time acknowledged, and the rest, as far as it is kept, delivered again."""
        for delivery in list(self._outstanding.values()):
            delivery.acknowledged = delivery.published < _seconds(time)
            delivery.ack_id, delivery.failures, delivery.due = "", 0, self._clock.time()
            if delivery.acknowledged and not self._retains_acknowledged:
                self._drop(delivery)

    def take_undeliverable(self) -> list[Leased]:
        """Remove and return the messages that were delivered as often as the dead letter policy allows."""
        if not self.settings.HasField("dead_letter_policy"):
            return []
        self._end_leases()
        most = self.settings.dead_letter_policy.max_delivery_attempts or DEFAULT_DELIVERY_ATTEMPTS
        given_up = [delivery for delivery in self._outstanding.values()
                    if delivery.failures >= most and not delivery.acknowledged and not delivery.ack_id]  # fmt: skip
        for delivery in given_up:
            self._drop(delivery)
        return [Leased("", delivery.message, delivery.failures) for delivery in given_up]

    def clear(self) -> None:
        self._outstanding.clear()
        self._of_key.clear()

    def _end_leases(self) -> None:
        """Give back what has a deadline that is over; drop what is older than the subscription keeps messages."""
        now, settings = self._clock.time(), self.settings
        kept = settings.message_retention_duration.ToSeconds()
        kept_at_all = max(kept, settings.topic_message_retention_duration.ToSeconds())
        for delivery in list(self._outstanding.values()):
            if now - delivery.published >= kept_at_all:
                self._drop(delivery)
            elif now - delivery.published >= kept:
                delivery.acknowledged, delivery.ack_id = True, ""
            elif delivery.ack_id and delivery.due <= now:
                self._give_back(delivery, delivery.due)

    @property
    def _retains_acknowledged(self) -> bool:
        settings = self.settings
        return bool(settings.retain_acked_messages or settings.HasField("topic_message_retention_duration"))

    def _give_back(self, delivery: _Delivery, now: float) -> None:
        delivery.failures += 1
        due = now + self._backoff(delivery.failures)
        for other in (delivery, *self._later_of_its_key(delivery)):
            other.ack_id, other.acknowledged, other.due = "", False, due

    def _later_of_its_key(self, delivery: _Delivery) -> list[_Delivery]:
        if not (key := self._key(delivery)):
            return []
        of_key = self._of_key[key].values()
        return list(itertools.dropwhile(lambda other: other is not delivery, of_key))[1:]

    def _forget_acknowledged(self, delivery: _Delivery) -> None:
        if self._retains_acknowledged:
            return
        if not (key := self._key(delivery)):
            self._drop(delivery)
            return
        of_key = self._of_key[key].values()
        for other in list(itertools.takewhile(lambda other: other.acknowledged, of_key)):
            self._drop(other)

    def _drop(self, delivery: _Delivery) -> None:
        del self._outstanding[delivery.message.message_id]
        if key := self._key(delivery):
            del self._of_key[key][delivery.message.message_id]
            if not self._of_key[key]:
                del self._of_key[key]

    def _key(self, delivery: _Delivery) -> str:
        return str(delivery.message.ordering_key) if self.settings.enable_message_ordering else ""

    def _leased(self, ack_id: str) -> _Delivery | None:
        delivery = self._outstanding.get(ack_id.partition(":")[0])
        if delivery is None or not ack_id or delivery.ack_id != ack_id or delivery.due <= self._clock.time():
            return None
        return delivery

    def _backoff(self, failures: int) -> float:
        if self.settings.HasField("retry_policy"):
            policy = self.settings.retry_policy
            least, most = policy.minimum_backoff.ToMilliseconds() / 1000, policy.maximum_backoff.ToMilliseconds() / 1000
        elif self.settings.push_config.push_endpoint:
            least, most = 0.1, 60.0
        else:
            return 0.0
        return float(min(most or 600.0, (least or 10.0) * 2 ** min(failures - 1, _MOST_DOUBLINGS)))


def _seconds(timestamp: Pb) -> float:
    return float(timestamp.ToMicroseconds()) / 1e6
