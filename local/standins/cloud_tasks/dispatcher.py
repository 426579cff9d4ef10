"""A queue at work: decides when each task is dispatched, and retries or drops it after the attempt."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable
from functools import partial

from local.standins.cloud_tasks.delivery import Courier, Outcome
from local.standins.cloud_tasks.pace import Pace, backoff, exhausted
from local.standins.cloud_tasks.rules import LONGEST_LIFE_SECONDS, Pb, QueuePb, redirect_request
from local.standins.cloud_tasks.store import Entry, Store
from local.standins.deadlines import Deadlines
from shared.clock import Clock

_log = logging.getLogger(__name__)

# What `Attempt.response_status` says of an HTTP status (google.rpc.Code).
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 429: 8, 499: 1, 500: 13, 501: 12, 503: 14, 504: 4}


class Dispatcher:
    """Holds a queue's tasks and runs them, by schedule time, within the queue's rate and concurrency."""

    def __init__(
        self,
        queue: Pb,
        *,
        clock: Clock,
        deadlines: Deadlines,
        store: Store,
        courier: Courier,
        tombstone_seconds: float,
        duplicates: int,
    ) -> None:
        self.queue = queue
        self.entries: dict[str, Entry] = {}
        self.duplicates = duplicates
        self._clock, self._deadlines, self._store, self._courier = clock, deadlines, store, courier
        self._tombstone_seconds = tombstone_seconds
        limits = queue.rate_limits
        self._pace = Pace(limits.max_dispatches_per_second, limits.max_burst_size)
        self._waiting: dict[Entry, int] = {}
        self._heap: list[tuple[float, int, Entry]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()
        self._attempts: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        tasks = [*self._attempts, *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def configure(self, queue: Pb) -> None:
        """Apply new settings or another state."""
        self.queue = queue
        limits = queue.rate_limits
        self._pace.configure(limits.max_dispatches_per_second, limits.max_burst_size)
        self._changed.set()

    def add(self, entry: Entry) -> None:
        self.entries[entry.name] = entry
        self._schedule(entry)

    def remove(self, entry: Entry) -> None:
        """Remove a task; its name stays blocked for a while. Raises CannotWrite and leaves the task in place."""
        self._store_drop(entry)()
        self._forget(entry)

    def _finish(self, entry: Entry) -> None:
        """Remove a task as `remove` does, but retry a failed write in the background."""
        self._store.write_when_possible(entry.name, self._store_drop(entry))
        self._forget(entry)

    def _store_drop(self, entry: Entry) -> Callable[[], None]:
        now = self._clock.time()
        return partial(self._store.drop_task, entry.name, now=now, blocked_until=now + self._tombstone_seconds)

    def _forget(self, entry: Entry) -> None:
        entry.gone = True
        self.entries.pop(entry.name, None)
        self._waiting.pop(entry, None)
        self._changed.set()

    def repoint(self, base: str) -> int:
        """Redirect waiting tasks that target this machine to `base`. Return how many changed."""
        changed = [entry for entry in self._waiting if redirect_request(entry.task.http_request, base)]
        for entry in changed:
            self._store_progress(entry)
        return len(changed)

    def run_now(self, entry: Entry) -> None:
        """Dispatch a task now, regardless of the rate, its schedule time and the queue's state."""
        self._waiting.pop(entry, None)
        entry.task.schedule_time.FromMicroseconds(int(self._clock.time() * 1e6))
        self._start_attempts(entry)

    @property
    def running(self) -> int:
        """The number of attempts in progress."""
        return len(self._attempts)

    def waiting(self) -> list[Entry]:
        return list(self._waiting)

    def next_due(self) -> float | None:
        """Return the schedule time of the earliest waiting task, or None if none waits or the queue is paused."""
        if self.queue.state != QueuePb.RUNNING:
            return None
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def _schedule(self, entry: Entry) -> None:
        number = next(self._order)
        self._waiting[entry] = number
        heapq.heappush(self._heap, (entry.due, number, entry))
        self._changed.set()

    def _drop_stale(self) -> None:
        while self._heap and self._waiting.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            moment = self._next_departure()
            if moment is None:
                await self._changed.wait()
            elif moment > self._clock.time():
                await self._changed_before(moment)
            else:
                self._pace.take(self._clock.time())
                entry = heapq.heappop(self._heap)[2]
                del self._waiting[entry]
                self._start_attempts(entry)

    async def _changed_before(self, moment: float) -> None:
        try:
            async with self._deadlines.until(moment):
                await self._changed.wait()
        except TimeoutError:
            return

    def _next_departure(self) -> float | None:
        due = self.next_due()
        if due is None or self.running >= self.queue.rate_limits.max_concurrent_dispatches:
            return None
        return max(due, self._pace.ready_at(self._clock.time()))

    def _start_attempts(self, entry: Entry) -> None:
        now = self._clock.time()
        task = entry.task
        if now - task.create_time.ToSeconds() > LONGEST_LIFE_SECONDS:
            _log.warning("dispatch %s is given up: it is older than 31 days", entry.name)
            self._finish(entry)
            return
        first = task.dispatch_count == 0
        task.dispatch_count += 1
        if first:
            task.first_attempt.dispatch_time.FromMicroseconds(int(now * 1e6))
        task.last_attempt.Clear()
        task.last_attempt.schedule_time.CopyFrom(task.schedule_time)
        task.last_attempt.dispatch_time.FromMicroseconds(int(now * 1e6))
        self._store_progress(entry)
        self._start_attempt(entry, counts=True)
        for _ in range(self.duplicates if first else 0):
            self._start_attempt(entry, counts=False)

    def _store_progress(self, entry: Entry) -> None:
        self._store.write_when_possible(entry.name, partial(self._store.put_task, entry))

    def _start_attempt(self, entry: Entry, *, counts: bool) -> None:
        attempt = asyncio.create_task(self._run_attempt(entry, counts))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._forget_attempt)

    def _forget_attempt(self, attempt: asyncio.Task[None]) -> None:
        self._attempts.discard(attempt)
        self._changed.set()

    async def _run_attempt(self, entry: Entry, counts: bool) -> None:
        outcome = await self._courier.attempt(entry)
        if counts and not entry.gone:
            self._record_outcome(entry, outcome)

    def _record_outcome(self, entry: Entry, outcome: Outcome) -> None:
        now = self._clock.time()
        if outcome.pushed_back:
            self._pace.push_back(now)
        if outcome.succeeded:
            self._finish(entry)
            return
        task = entry.task
        config = task.retry_config if task.HasField("retry_config") else self.queue.retry_config
        self._note_failure(entry, outcome, now)
        age = now - task.first_attempt.dispatch_time.ToMicroseconds() / 1e6
        if exhausted(config, task.dispatch_count, age):
            _log.warning(
                "dispatch %s is given up after %d attempts: %s", entry.name, task.dispatch_count, outcome.reason
            )
            self._finish(entry)
            return
        delay = max(backoff(config, task.dispatch_count), outcome.retry_after)
        task.schedule_time.FromMicroseconds(int((now + delay) * 1e6))
        self._store_progress(entry)
        self._schedule(entry)

    def _note_failure(self, entry: Entry, outcome: Outcome, now: float) -> None:
        entry.retry_reason = outcome.reason.partition(":")[0]
        entry.previous_response = outcome.status
        last = entry.task.last_attempt
        if outcome.status is not None:
            entry.task.response_count += 1
            last.response_time.FromMicroseconds(int(now * 1e6))
            last.response_status.code = _RPC_CODES.get(outcome.status, 13 if outcome.status >= 500 else 2)
        else:
            last.response_status.code = 4 if outcome.reason == "DEADLINE_EXCEEDED" else 14
        last.response_status.message = outcome.reason
