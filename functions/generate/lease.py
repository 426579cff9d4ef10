"""Hold the claim on a task while work goes on: renew it in the background, and stop when it is lost or time is up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Self

from shared.clock import Clock
from shared.cloud.firestore import Also, Decide, Stored, Tasks
from shared.cloud.telemetry import log_failure
from shared.cloud.tracing import span
from shared.domain.errors import DropsightError, LeaseLost, TimeIsUp
from shared.domain.money.calls import PICO, Call
from shared.domain.money.ledger import Step
from shared.domain.money.storage import known_storage
from shared.domain.money.totals import assumed_cost
from shared.domain.tasks import claims
from shared.domain.tasks.task import GeminiCache, GeminiFile, Ran, Task
from shared.transfer_slots import Slot

_WATCH_SECONDS = 5.0
"""Seconds between two checks whether the task was cancelled or taken over."""


class Lease:
    """`async with Lease(…) as lease:` runs its body under the claim that `stored` carries.

    Leaves the body with `LeaseLost` or `TimeIsUp`, and sets `stop` for the streams that threads are reading.
    """

    def __init__(self, tasks: Tasks, clock: Clock, stored: Stored, *, lease: timedelta, until: float) -> None:
        self._tasks, self._clock, self._lease, self._until = tasks, clock, lease, until
        self._stored, self.token = stored, stored.task.token
        self._lock = asyncio.Lock()
        self._ended: DropsightError | None = None
        self.stop = threading.Event()
        self.progress = stored.task.progress
        self.model = stored.task.model
        """The model to ask, once it is known."""
        self.ran: Ran | None = stored.task.ran
        """The recipe snapshot, once it is known."""
        self.files: tuple[GeminiFile, ...] = stored.task.files
        self.cache: GeminiCache | None = stored.task.cache
        self.ledger = stored.task.ledger
        self.calls: list[Call] | None = None
        """Every billed call of the task, once those of earlier claims have been read."""
        self.reserved: date | None = None
        """The day in whose budgets this claim has reserved what its calls may cost."""
        self.slot: Slot | None = None
        """The slot in which files are transferred, while its questions are prepared."""
        self.gained = False
        """Whether this claim made progress that lasts, such as an uploaded file."""
        self.answering = False
        """Whether a billed model call is running."""
        self.resumable = False
        """Whether the incoming answer can be continued from its stored part."""
        self.streamed_chunks = 0
        """Chunks of the stream stored so far."""
        self.streamed_choice = 0
        """The number of the answer that the last stored chunk belongs to, if the request wants several."""
        self.streamed_answers = 0
        """How many answers are streamed completely; the next one follows them."""
        self.stored_chunks = 0
        """Chunks of the stream, once it is complete."""

    @property
    def task(self) -> Task:
        return self._stored.task

    @property
    def spent(self) -> Decimal:
        """Return the task's cost so far. Calls without a price, and lost calls, count at what budgets assume."""
        costs = ((call.cost, call) for call in self.calls or ())
        calls = sum((assumed_cost(call.tokens) if cost is None else cost for cost, call in costs), Decimal(0))
        return calls + known_storage(self.ledger.storages) + self.assumed_of_lost

    @property
    def assumed_of_lost(self) -> Decimal:
        """Return what the task's lost calls may have cost at most."""
        return Decimal(self.ledger.lost.picodollars) / PICO

    @property
    def seconds_left(self) -> float:
        return self._until - self._clock.time()

    def note_resumable(self) -> None:
        """Note that a part of the answer is stored, and is not paid for again even if the call fails."""
        self.gained, self.answering, self.resumable = True, False, True

    @contextlib.contextmanager
    def timed(self, step: Step) -> Iterator[None]:
        """Add the time that the body takes to the task's ledger, and trace it."""
        began = self._clock.time()
        try:
            with span(step):
                yield
        finally:
            self.ledger = self.ledger.with_seconds(step, self._clock.time() - began)

    async def change(self, decide: Decide, also: Also | None = None) -> Stored:
        """Commit a transition of the task. Renewals wait until it is done."""
        async with self._lock:
            changed = await self._tasks.change(self._stored, decide, also)
            if changed is None:
                raise LeaseLost(f"the document of {self.task.id} is gone")
            self._stored = changed
            return changed

    async def confirm(self) -> None:
        """Renew the lease if more than half of it is over. Call it before any billed work. Raises `LeaseLost`."""
        left = self.task.lease_until - self._clock.now() if self.task.lease_until else timedelta(0)
        if left < self._lease / 2:
            await self.renew()

    async def __aenter__(self) -> Self:
        body = asyncio.current_task()
        assert body is not None
        self._body = body
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeper.cancel()
        self.stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        if self._ended is not None and kind is asyncio.CancelledError:
            self._body.uncancel()
            raise self._ended from error

    async def _keep(self) -> None:
        third = self._lease.total_seconds() / 3
        while True:
            now = self._clock.time()
            # After a renewal that failed at once, the next one is not due at once.
            next_look = min(now + _WATCH_SECONDS, max(self._leased_at() + third, now + min(1.0, third)), self._until)
            await self._clock.sleep_until(next_look)
            if self._clock.time() >= self._until:
                return self._end(TimeIsUp(f"the time for one dispatch of {self.task.id} is over"))
            try:
                # Without a limit, the client would retry for minutes, past the lease and the time limit.
                async with asyncio.timeout(third):
                    if self._clock.time() - self._leased_at() >= third:
                        await self.renew()
                    else:
                        await self._look()
            except LeaseLost as lost:
                return self._end(lost)
            except Exception as error:  # Firestore may be down for a while; then no one else can claim.
                log_failure("renewal_failed", error, service="Firestore", task=self.task.id)

    def _leased_at(self) -> float:
        """Return when the lease began that stands in the document, in seconds since 1970.

        A claim or renewal may take long to be written; its lease runs from when it was decided, not from its answer.
        """
        until = self.task.lease_until
        return until.timestamp() - self._lease.total_seconds() if until is not None else self._clock.time()

    async def renew(self) -> None:
        """Extend the lease, and record the files and usage at Gemini so far, so that a takeover finds them."""

        def renewed(task: Task) -> Task:
            return claims.renew(
                task,
                self.token,
                now=self._clock.now(),
                lease=self._lease,
                progress=self.progress,
                files=self.files,
                cache=self.cache,
                ledger=self.ledger,
            )

        await self.change(renewed)

    async def look(self) -> None:
        """Check now whether the claim still holds, and end the body if it does not."""
        try:
            await self._look()
        except LeaseLost as lost:
            self._end(lost)

    async def _look(self) -> None:
        stored = await self._tasks.get(self.task.id)
        if stored is None or stored.task.token != self.token:
            raise LeaseLost(f"claim {self.token} of {self.task.id} was ended from elsewhere")

    def _end(self, why: DropsightError) -> None:
        self._ended = why
        self.stop.set()
        self._body.cancel()
