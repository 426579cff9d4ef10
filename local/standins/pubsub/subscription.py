"""One subscription: what waits, what is leased to a subscriber, and when it is delivered again.

waiting ──lease──▶ leased ──acknowledge──▶ acknowledged (kept only for a seek, or until earlier ones of its key are too)
   ▲                 │
   └─── deadline over, or modified to 0 (after the retry policy's backoff)

With ordering, the messages of a key are leased in their order, none before the earlier ones are acknowledged or leased
with it; when one is delivered again, all later ones of its key are, acknowledged ones too
(https://cloud.google.com/pubsub/docs/ordering).
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from local.standins.pubsub.filters import parse_filter
from local.standins.pubsub.rules import DEFAULT_DELIVERY_ATTEMPTS, Pb
from shared.clock import Clock

LARGEST_ANSWER_BYTES = 3_000_000
"""What is leased at once, so that an answer stays below the 4 MiB that gRPC's clients accept."""
_MAX_DOUBLINGS = 32
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Leased:
    ack_id: str
    message: Pb
    attempt: int
    """1 for the first delivery."""


@dataclass(eq=False)
class _Lane:
    """Messages that are delivered in their order: those of an ordering key, or a single one."""

    key: str
    outstanding: OrderedDict[str, _Delivery] = field(default_factory=OrderedDict)
    """By message id. The first one is not acknowledged."""
    leased: int = 0

    @property
    def first(self) -> _Delivery | None:
        return next(iter(self.outstanding.values()), None)


@dataclass(eq=False)
class _Delivery:
    message: Pb
    published: float
    lane: _Lane
    due: float
    """When it may be delivered (again); for a leased message, the end of its lease."""
    failures: int = 0
    """How often it was given back, or its deadline was over."""
    ack_id: str = ""
    """Empty unless it is leased."""
    issued: set[str] = field(default_factory=set)
    """All ack ids that it ever had."""
    acknowledged: bool = False

    @property
    def id(self) -> str:
        return str(self.message.message_id)


class Subscription:
    """Its work grows with the messages that change their state, not with those that it keeps; a seek looks at all."""

    def __init__(self, settings: Pb, clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self._matches = parse_filter(settings.filter)
        self._kept: OrderedDict[str, _Delivery] = OrderedDict()
        """By message id, in the order of their publishing."""
        self._lanes: dict[str, _Lane] = {}
        """With ordering: by key."""
        self._ready: OrderedDict[_Lane, None] = OrderedDict()
        """Lanes whose first message can be leased now."""
        self._alarms: list[tuple[float, int, _Delivery]] = []
        """A heap of when leases and backoffs end. An entry whose message has another `due` by now means nothing."""
        self._given_up: dict[str, _Delivery] = {}
        """Candidates for the dead letter topic, by message id."""

    def add(self, message: Pb) -> None:
        """Take a published message, if it passes the filter."""
        if self._matches(message.attributes):
            delivery = _Delivery(message, _seconds(message.publish_time), self._lane_of(message), self._clock.time())
            self._kept[delivery.id] = delivery
            self._enter(delivery)

    def lease(self, most: int, seconds: float | None = None, most_bytes: int = LARGEST_ANSWER_BYTES,
              *, one_of_a_key: bool = False) -> list[Leased]:  # fmt: skip
        """Lease up to `most` messages of up to `most_bytes` together; if that is positive, the first may have more."""
        self._bring_up_to_date()
        now, leased, room = self._clock.time(), list[Leased](), most_bytes
        until = now + (seconds or self.settings.ack_deadline_seconds)
        while self._ready:
            lane = next(iter(self._ready))
            for delivery in lane.outstanding.values():
                if delivery.acknowledged:
                    continue
                size = delivery.message.ByteSize()
                if len(leased) >= most or room <= 0 or (leased and size > room):
                    return leased
                self._ready.pop(lane, None)
                leased.append(self._issue(delivery, until))
                room -= size
                if one_of_a_key:
                    break
        return leased

    def is_leased(self, ack_id: str) -> bool:
        return self._leased(ack_id) is not None

    def acknowledge(self, ack_ids: Sequence[str]) -> list[str]:
        """Acknowledge messages. Return the ids without effect.

        As in the service, an ack after the deadline may still count: it does unless delivery is exactly once, or
        earlier messages of the same key are not acknowledged.
        """
        without_effect = list[str]()
        for ack_id in ack_ids:
            if (delivery := self._acknowledgeable(ack_id)) is None:
                without_effect.append(ack_id)
                continue
            self._end_lease(delivery)
            delivery.acknowledged = True
            self._advance(delivery.lane)
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
                self._wake_for(delivery, self._clock.time() + seconds)
        return without_effect

    def seek(self, time: Pb) -> None:
        """Have what was published before the time acknowledged, and the rest, as far as it is kept, delivered again."""
        self._bring_up_to_date()
        now, kept, acknowledged_seconds = self._clock.time(), list(self._kept.values()), self._acknowledged_seconds
        self.clear()
        for old in kept:
            if old.acknowledged and now - old.published >= acknowledged_seconds:
                continue
            new = _Delivery(old.message, old.published, self._lane_of(old.message), now, issued=old.issued)
            new.acknowledged = new.published < _seconds(time)
            if not new.acknowledged or acknowledged_seconds:
                self._kept[new.id] = new
            if not new.acknowledged:
                self._enter(new)

    def take_undeliverable(self) -> list[Leased]:
        """Acknowledge and return the messages that were delivered as often as the dead letter policy allows."""
        self._bring_up_to_date()
        given_up = [delivery for delivery in self._given_up.values() if delivery.id in delivery.lane.outstanding
                    and not delivery.ack_id and not delivery.acknowledged]  # fmt: skip
        self._given_up.clear()
        for delivery in given_up:
            self._settle(delivery)
            self._advance(delivery.lane)
        return [Leased("", delivery.message, delivery.failures) for delivery in given_up]

    def clear(self) -> None:
        for state in (self._kept, self._lanes, self._ready, self._alarms, self._given_up):
            state.clear()

    def _bring_up_to_date(self) -> None:
        """Give back what has a deadline that is over; drop what is older than the subscription keeps messages."""
        now = self._clock.time()
        while self._alarms and self._alarms[0][0] <= now:
            due, _, delivery = heapq.heappop(self._alarms)
            if delivery.due != due or delivery.id not in delivery.lane.outstanding:
                continue
            if delivery.ack_id:
                self._give_back(delivery, due)
            else:
                self._offer(delivery.lane)
        settings = self.settings
        kept_seconds = max(settings.message_retention_duration.ToSeconds(), self._topic_seconds)
        while self._kept and now - (oldest := next(iter(self._kept.values()))).published >= kept_seconds:
            self._settle(oldest)
            self._kept.pop(oldest.id, None)
            self._advance(oldest.lane)

    @property
    def _topic_seconds(self) -> int:
        return int(self.settings.topic_message_retention_duration.ToSeconds())

    @property
    def _acknowledged_seconds(self) -> int:
        """How long acknowledged messages are kept."""
        settings = self.settings
        own = settings.message_retention_duration.ToSeconds() if settings.retain_acked_messages else 0
        return max(own, self._topic_seconds)

    def _lane_of(self, message: Pb) -> _Lane:
        key = str(message.ordering_key) if self.settings.enable_message_ordering else ""
        return self._lanes.setdefault(key, _Lane(key)) if key else _Lane("")

    def _enter(self, delivery: _Delivery) -> None:
        delivery.lane.outstanding[delivery.id] = delivery
        self._offer(delivery.lane)

    def _offer(self, lane: _Lane) -> None:
        """Let the lane's messages be leased, as soon as the first is due, unless some of it are leased already."""
        if lane.leased or (first := lane.first) is None:
            return
        if first.due <= self._clock.time():
            self._ready[lane] = None
        else:
            self._wake_for(first, first.due)

    def _wake_for(self, delivery: _Delivery, due: float) -> None:
        delivery.due = due
        heapq.heappush(self._alarms, (due, next(_numbers), delivery))

    def _issue(self, delivery: _Delivery, until: float) -> Leased:
        delivery.ack_id = f"{delivery.id}:{next(_numbers)}"
        delivery.issued.add(delivery.ack_id)
        delivery.lane.leased += 1
        self._wake_for(delivery, until)
        return Leased(delivery.ack_id, delivery.message, delivery.failures + 1)

    def _end_lease(self, delivery: _Delivery) -> None:
        if delivery.ack_id:
            delivery.ack_id = ""
            delivery.lane.leased -= 1

    def _give_back(self, delivery: _Delivery, now: float) -> None:
        delivery.failures += 1
        due = now + self._backoff(delivery.failures)
        in_order = delivery.lane.outstanding.values()
        for other in itertools.dropwhile(lambda other: other is not delivery, in_order):
            self._end_lease(other)
            other.acknowledged, other.due = False, due
        if self.settings.HasField("dead_letter_policy"):
            most = self.settings.dead_letter_policy.max_delivery_attempts or DEFAULT_DELIVERY_ATTEMPTS
            if delivery.failures >= most:
                self._given_up[delivery.id] = delivery
        self._offer(delivery.lane)

    def _advance(self, lane: _Lane) -> None:
        """Settle the acknowledged messages that the lane begins with, and offer the rest."""
        while (first := lane.first) is not None and first.acknowledged:
            self._settle(first)
        self._offer(lane)

    def _settle(self, delivery: _Delivery) -> None:
        """Take a message out of its lane, acknowledged for good. It is kept only for a seek."""
        lane = delivery.lane
        self._end_lease(delivery)
        delivery.acknowledged = True
        if lane.outstanding.pop(delivery.id, None) is not None and not lane.outstanding:
            self._ready.pop(lane, None)
            self._lanes.pop(lane.key, None)
        if not self._acknowledged_seconds:
            self._kept.pop(delivery.id, None)

    def _leased(self, ack_id: str) -> _Delivery | None:
        delivery = self._with(ack_id)
        if delivery is None or delivery.ack_id != ack_id or delivery.due <= self._clock.time():
            return None
        return delivery

    def _acknowledgeable(self, ack_id: str) -> _Delivery | None:
        if (delivery := self._leased(ack_id)) is not None or self.settings.enable_exactly_once_delivery:
            return delivery
        # A message of a key whose earlier ones are delivered again is delivered again with them.
        delivery = self._with(ack_id)
        return delivery if delivery is not None and delivery.lane.first is delivery else None

    def _with(self, ack_id: str) -> _Delivery | None:
        """Return the message that the ack id was issued for, if it is kept still."""
        delivery = self._kept.get(ack_id.partition(":")[0])
        return delivery if delivery is not None and ack_id in delivery.issued else None

    def _backoff(self, failures: int) -> float:
        if self.settings.HasField("retry_policy"):
            policy = self.settings.retry_policy
            least, most = policy.minimum_backoff.ToMilliseconds() / 1000, policy.maximum_backoff.ToMilliseconds() / 1000
        elif self.settings.push_config.push_endpoint:
            least, most = 0.1, 60.0
        else:
            return 0.0
        return float(min(most or 600.0, (least or 10.0) * 2 ** min(failures - 1, _MAX_DOUBLINGS)))


def _seconds(timestamp: Pb) -> float:
    return float(timestamp.ToMicroseconds()) / 1e6
