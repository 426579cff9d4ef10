"""Transactions: optimistic, serialisable, and sure to get through under contention.

A transaction reads the database as it stood at its first read, and is checked at commit: if anything it read has
changed since, it is aborted. So that many writers of one document all get through within the clients' few attempts,
transactions go one after another where that has just failed: a retry, and whoever reads what transactions were lately
aborted for, claims what it reads; others that claim the same wait for its end, and those that read without a claim
give way at commit.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from local.standins.firestore.query import Query
from local.standins.firestore.store import Database, Record
from local.standins.firestore.wire import Document, Refusal, aborted, invalid
from shared.clock import Clock

IDLE_SECONDS = 60.0
LIFETIME_SECONDS = 270.0
_PRIORITY_SECONDS = 2.0
"""How long a claim may keep others waiting."""
_CONTENDED_ABORTS = 2
_CONTENDED_SECONDS = 5.0
"""So many aborts within so long make what was read contended."""
_ABORTS_KEPT = 10_000
_FINISHED_KEPT = 10_000


@dataclass
class QueryRead:
    """A query that a transaction ran."""

    query: Query
    last: bytes | None = None
    """The sort key of the last document of the answer, where the limit ended it."""

    def ended(self, documents: Sequence[Document], skipped: int) -> None:
        """Record the answer."""
        if documents and self.query.needed == len(documents) + skipped:
            self.last = self.query.sort_key(documents[-1])


class Transaction:
    def __init__(self, now: float, *, read_only: bool, retried: bool, snapshot: int | None) -> None:
        self.id = os.urandom(16)
        self.read_only, self.retried = read_only, retried
        self.snapshot = snapshot
        """The time it reads at; None until it reads."""
        self.documents: set[str] = set()
        self.queries: list[QueryRead] = []
        self.started = self.used = now
        self.claims: set[str] = set()
        """What it has priority on: paths of documents, and collections that it queried."""
        self.priority_until = 0.0
        self.over = asyncio.Event()

    def expired(self, now: float) -> bool:
        return now - self.used > IDLE_SECONDS or now - self.started > LIFETIME_SECONDS

    def touched_by(self, records: Iterable[Record]) -> bool:
        """Return whether the transaction has read something that these changes affect."""
        assert self.snapshot is not None
        return any(
            record.path in self.documents
            or any(read.query.concerns(record, self.snapshot, read.last) for read in self.queries)
            for record in records
        )


class Transactions:
    """The transactions of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._open: dict[bytes, Transaction] = {}
        self._finished: OrderedDict[bytes, None] = OrderedDict()
        self._claimed: dict[str, Transaction] = {}
        self._aborts: OrderedDict[str, list[float]] = OrderedDict()

    def begin(self, *, read_only: bool = False, retried: bool = False, snapshot: int | None = None) -> Transaction:
        self._expire()
        transaction = Transaction(self._clock.time(), read_only=read_only, retried=retried, snapshot=snapshot)
        self._open[transaction.id] = transaction
        return transaction

    def get(self, identity: bytes) -> Transaction:
        self._expire()
        transaction = self._open.get(identity)
        if transaction is None:
            raise _unknown()
        transaction.used = self._clock.time()
        return transaction

    async def read_documents(self, transaction: Transaction, paths: Iterable[str]) -> int:
        """Record that the transaction reads these documents. Return the time to read them at."""
        claims = set(paths)
        await self._go_first(transaction, claims)
        if not transaction.read_only:
            transaction.documents |= claims
        return self._snapshot(transaction)

    async def read_query(self, transaction: Transaction, query: Query) -> tuple[int, QueryRead]:
        """Record that the transaction runs this query. Return the time to run it at, and the record for its answer."""
        await self._go_first(transaction, {_query_claim(query)})
        read = QueryRead(query)
        if not transaction.read_only:
            transaction.queries.append(read)
        return self._snapshot(transaction), read

    def check(self, transaction: Transaction, writes: Iterable[str]) -> None:
        """Raise Refusal (ABORTED) if the transaction cannot be serialised with the commits since its reads."""
        if transaction.snapshot is not None and transaction.touched_by(
            self._database.changed_since(transaction.snapshot)
        ):
            raise self._abort(transaction)
        if not transaction.claims and any(self._goes_first(path) for path in writes):
            raise self._abort(transaction)

    def end(self, transaction: Transaction) -> None:
        self._open.pop(transaction.id, None)
        for claim in transaction.claims:
            if self._claimed.get(claim) is transaction:
                del self._claimed[claim]
        transaction.over.set()
        self._finished[transaction.id] = None
        while len(self._finished) > _FINISHED_KEPT:
            self._finished.popitem(last=False)

    def roll_back(self, identity: bytes) -> None:
        """End a transaction; does nothing if it has ended."""
        self._expire()
        if identity in self._open:
            self.end(self._open[identity])
        elif identity not in self._finished:
            raise _unknown()

    def _snapshot(self, transaction: Transaction) -> int:
        if transaction.snapshot is None:
            transaction.snapshot = self._database.read_time()
        return transaction.snapshot

    def _abort(self, transaction: Transaction) -> Refusal:
        now = self._clock.time()
        for claim in (*transaction.documents, *(_query_claim(read.query) for read in transaction.queries)):
            self._aborts[claim] = [*self._aborts.pop(claim, [])[1 - _CONTENDED_ABORTS :], now]
        while len(self._aborts) > _ABORTS_KEPT:
            self._aborts.popitem(last=False)
        self.end(transaction)
        return aborted("Too much contention on these documents. Please try again.")

    def _goes_first(self, path: str) -> bool:
        """Return whether an open transaction has claimed the document, so that others must not write it."""
        holder = self._claimed.get(path)
        return holder is not None and self._clock.time() < holder.priority_until

    async def _go_first(self, transaction: Transaction, claims: set[str]) -> None:
        if transaction.read_only:
            return
        needed = claims if transaction.retried else set(filter(self._contended, claims))
        for claim in sorted(needed - transaction.claims):
            while (holder := self._claimed.get(claim)) not in (None, transaction):
                assert holder is not None
                if not await self._ended(holder):
                    break
            self._claimed[claim] = transaction
            transaction.claims.add(claim)
        transaction.used = self._clock.time()
        if transaction.claims:
            transaction.priority_until = transaction.used + _PRIORITY_SECONDS

    def _contended(self, claim: str) -> bool:
        aborts = self._aborts.get(claim, [])
        return len(aborts) >= _CONTENDED_ABORTS and self._clock.time() - aborts[0] < _CONTENDED_SECONDS

    async def _ended(self, holder: Transaction) -> bool:
        """Wait for the end of a transaction; False if its priority ended first."""
        tasks = {
            asyncio.create_task(holder.over.wait()),
            asyncio.create_task(self._clock.sleep_until(holder.priority_until)),
        }
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return holder.over.is_set()

    def _expire(self) -> None:
        now = self._clock.time()
        for transaction in [candidate for candidate in self._open.values() if candidate.expired(now)]:
            self.end(transaction)


def _query_claim(query: Query) -> str:
    return f"{query.parent}/{query.collection_id}/"


def _unknown() -> Refusal:
    return invalid("The referenced transaction has expired or is no longer valid.")
