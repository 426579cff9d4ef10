"""Object changes sent as CloudEvents: at least once, unordered, retried with backoff until a 2xx."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote

from local.standins.database import CannotWrite
from local.standins.http1 import ConnectionLost, MalformedAnswer, exchange
from local.standins.storage.catalog import EventType
from local.standins.storage.records import ObjectVersion
from local.standins.storage.store import Store
from shared.clock import Clock

Headers = Callable[[], Mapping[str, str]]

FIRST_BACKOFF = 10.0
LONGEST_BACKOFF = 600.0
_IDLE = 3600.0
_PAUSE_SECONDS = 0.5
"""The wait before another write to a full disk, in real time: moving the clock frees no space."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subscription:
    """A destination of events: those of one bucket, or of all (None), are POSTed to `url` with `headers()` added."""

    bucket: str | None
    types: frozenset[EventType]
    url: str
    headers: Headers | None = None
    name: str = ""
    """Identifies the destination of undelivered events after a restart, when its URL may have changed."""
    concurrency: int = 16
    wake: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class Events:
    """The outbox and its couriers, one for each subscription."""

    def __init__(self, clock: Clock, store: Store, retention: float, timeout: float) -> None:
        self._clock, self._store = clock, store
        self._retention, self._timeout = retention, timeout
        self._subscriptions: dict[str, Subscription] = {}
        self._couriers: dict[str, asyncio.Task[None]] = {}
        self._started = False
        self._copies, self._delay, self._hold, self._unordered = 1, 0.0, False, False
        self._run_began = store.rising("event", 0)
        store.change("DELETE FROM deliveries WHERE expires <= ?", (clock.time(),))
        # Nothing is held back any more: what a run before this one held would wait for ever.
        store.change("UPDATE deliveries SET held = 0 WHERE held")
        sql = "DELETE FROM events WHERE id <= ? AND id NOT IN (SELECT event FROM deliveries)"
        store.change(sql, (self._run_began,))
        self.base = ""
        """The stand-in's own URL, for the links in the events' object resources."""

    async def start(self) -> None:
        self._started = True
        for subscription in self._subscriptions.values():
            self._employ(subscription)

    async def stop(self) -> None:
        for task in self._couriers.values():
            task.cancel()
        await asyncio.gather(*self._couriers.values(), return_exceptions=True)
        self._couriers.clear()
        self._started = False

    def subscribe(self, subscription: Subscription) -> None:
        """Add a subscription, before or after `start`. It replaces an earlier one of the same name."""
        name = subscription.name
        self._subscriptions[name] = subscription
        if task := self._couriers.pop(name, None):
            task.cancel()
        if self._started:
            self._employ(subscription)

    def publish(self, kind: EventType, version: ObjectVersion) -> None:
        """Put an event into the outbox, in the transaction of the change it reports."""
        event = self._store.rising("event", 1)
        headers = {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": str(event),
            "ce-type": f"google.cloud.storage.object.v1.{kind}",
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/{version.bucket}",
            "ce-subject": quote(f"objects/{version.name}", safe="!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            "ce-time": str(version.state.get("timeDeleted") or version.state["updated"]),
            "ce-bucket": version.bucket,
        }
        body = json.dumps(version.resource(self.base))
        values = (event, kind, version.bucket, json.dumps(headers), body)
        self._store.change("INSERT INTO events VALUES (?, ?, ?, ?, ?)", values)
        self._address(event, kind, version.bucket, self._copies)

    def replay(self, times: int) -> int:
        """Deliver every finalize event since the start again, `times` times. Return the number of deliveries."""
        before = self.pending()
        with self._store.transaction():
            sql = "SELECT id, bucket FROM events WHERE type = 'finalized' AND id > ? ORDER BY id"
            for event, bucket in self._store.rows(sql, (self._run_began,)):
                self._address(event, "finalized", bucket, times)
        return self.pending() - before

    def configure(
        self,
        copies: int | None = None,
        delay_seconds: float | None = None,
        hold: bool | None = None,
        unordered: bool | None = None,
    ) -> None:
        """Set how future events are delivered; ending `hold` releases held ones."""
        if copies is not None:
            self._copies = copies
        if delay_seconds is not None:
            self._delay = delay_seconds
        if unordered is not None:
            self._unordered = unordered
        if hold is not None:
            self._hold = hold
            if not hold:
                self._store.change("UPDATE deliveries SET held = 0 WHERE held")
                self._wake(self._subscriptions.values())

    def lose_held(self) -> int:
        """Drop the held deliveries. Return how many were lost."""
        held = int(self._store.rows("SELECT count(*) FROM deliveries WHERE held")[0][0])
        self._store.change("DELETE FROM deliveries WHERE held")
        return held

    def pending(self) -> int:
        """Return the number of outstanding deliveries, including held ones."""
        return int(self._store.rows("SELECT count(*) FROM deliveries")[0][0])

    def _address(self, event: int, kind: EventType, bucket: str, copies: int) -> None:
        now = self._clock.time()
        meant = [
            candidate
            for candidate in self._subscriptions.values()
            if candidate.bucket in (None, bucket) and kind in candidate.types
        ]
        for subscription in meant:
            for _ in range(copies):
                values = (event, subscription.name, now + self._delay, now + self._retention, int(self._hold))
                self._store.change("INSERT INTO deliveries VALUES (NULL, ?, ?, ?, ?, 0, ?)", values)
        self._wake(meant)

    def _wake(self, subscriptions: Iterable[Subscription]) -> None:
        for subscription in subscriptions:
            subscription.wake.set()

    def _employ(self, subscription: Subscription) -> None:
        self._couriers[subscription.name] = asyncio.create_task(self._courier(subscription))

    async def _courier(self, subscription: Subscription) -> None:
        """Deliver due events, with at most `concurrency` at a time."""
        under_way: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                subscription.wake.clear()
                now = self._clock.time()
                await self._written(
                    "DELETE FROM deliveries WHERE subscription = ? AND expires <= ?", (subscription.name, now)
                )
                for delivery, event, attempts in self._due(subscription, now, set(under_way)):
                    task = asyncio.create_task(self._deliver(subscription, delivery, event, attempts))
                    under_way[delivery] = task
                    task.add_done_callback(partial(self._done, subscription, under_way, delivery))
                await self._until_next(subscription, set(under_way))
        finally:
            for task in under_way.values():
                task.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    def _done(
        self,
        subscription: Subscription,
        under_way: dict[int, asyncio.Task[None]],
        delivery: int,
        task: asyncio.Task[None],
    ) -> None:
        under_way.pop(delivery, None)
        subscription.wake.set()

    def _due(self, subscription: Subscription, now: float, under_way: set[int]) -> list[tuple[int, int, int]]:
        free = subscription.concurrency - len(under_way)
        if free <= 0:
            return []
        sql = """SELECT id, event, attempts FROM deliveries WHERE subscription = ? AND NOT held AND due <= ?
                 ORDER BY due, id LIMIT ?"""
        rows = self._store.rows(sql, (subscription.name, now, 64 + len(under_way)))
        waiting = [row for row in rows if row[0] not in under_way]
        if self._unordered:
            random.shuffle(waiting)
        return [(row[0], row[1], row[2]) for row in waiting[:free]]

    async def _until_next(self, subscription: Subscription, under_way: set[int]) -> None:
        """Wait until something changes or the next delivery is due; the clock may be moved meanwhile."""
        moment = self._clock.time() + _IDLE
        if len(under_way) < subscription.concurrency:
            sql = "SELECT id, due FROM deliveries WHERE subscription = ? AND NOT held ORDER BY due LIMIT ?"
            rows = self._store.rows(sql, (subscription.name, len(under_way) + 1))
            moment = min([moment, *(due for delivery, due in rows if delivery not in under_way)])
        waits = [
            asyncio.ensure_future(subscription.wake.wait()),
            asyncio.ensure_future(self._clock.sleep_until(moment)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _deliver(self, subscription: Subscription, delivery: int, event: int, attempts: int) -> None:
        headers, body = self._store.rows("SELECT headers, body FROM events WHERE id = ?", (event,))[0]
        content = body.encode()
        sent = {
            **json.loads(headers),
            "content-length": str(len(content)),
            **(subscription.headers() if subscription.headers else {}),
        }
        accepted = False
        with contextlib.suppress(OSError, ConnectionLost, MalformedAnswer):
            async with asyncio.timeout(self._timeout):
                answer = await exchange("POST", subscription.url, sent, content)
            accepted = 200 <= answer.status < 300
        if accepted:
            await self._written("DELETE FROM deliveries WHERE id = ?", (delivery,))
        else:
            due = self._clock.time() + min(FIRST_BACKOFF * 2 ** min(attempts, 10), LONGEST_BACKOFF)
            await self._written(
                "UPDATE deliveries SET due = ?, attempts = ? WHERE id = ?", (due, attempts + 1, delivery)
            )

    async def _written(self, sql: str, values: tuple[object, ...]) -> None:
        """Write a change, and retry while the disk is full: a courier that ended would deliver nothing more."""
        while True:
            try:
                self._store.change(sql, values)
            except CannotWrite as error:
                _log.warning("the state of an event's delivery cannot be kept for now: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
