"""All databases of the stand-in, and the one way to change them: a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from local.standins.firestore import paths
from local.standins.firestore.journal import Journal
from local.standins.firestore.store import Database
from local.standins.firestore.transactions import Transaction, Transactions
from local.standins.firestore.wire import Refusal, Value, Write, invalid
from local.standins.firestore.writes import Staged
from local.standins.ledger import Ledger
from shared.clock import Clock

_WRITES_AT_A_TIME = 20
_COMMIT_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Written:
    """The result of one write: the update time in microseconds (None: deleted), and the results of its transforms."""

    update_time: int | None
    transform_results: list[Value]


class Databases:
    """All databases by name. A database is created when it is first named."""

    def __init__(self, clock: Clock, ledger: Ledger, journal: Journal) -> None:
        self._clock, self._ledger, self._journal = clock, ledger, journal
        self._databases: dict[str, Database] = {}
        self._transactions: dict[str, Transactions] = {}

    def open(self) -> None:
        self._databases = self._journal.open(self._new)

    def close(self) -> None:
        self._journal.close()

    def __iter__(self) -> Iterator[Database]:
        return iter(tuple(self._databases.values()))

    @property
    def identity(self) -> bytes:
        return self._journal.identity

    def get(self, name: str) -> Database:
        database = self._databases.get(name)
        if database is None:
            database = self._databases[name] = self._new(paths.check_database(name))
        return database

    def transactions(self, name: str) -> Transactions:
        if name not in self._transactions:
            self._transactions[name] = Transactions(self.get(name), self._clock)
        return self._transactions[name]

    def commit(self, name: str, writes: Sequence[Write], identity: bytes = b"") -> tuple[list[Written], int]:
        """Apply all writes or none. Return the result of each, and the commit's time in microseconds."""
        database = self.get(name)
        if sum(write.ByteSize() for write in writes) > _COMMIT_BYTES:
            raise invalid("Transaction too big. Decrease transaction size.")
        transaction = self.transactions(name).get(identity) if identity else None
        if transaction is not None and transaction.read_only and writes:
            raise invalid("Cannot modify entities in a read-only transaction.")
        micros = database.next_time()
        staged = Staged(name, micros, database.document)
        try:
            if transaction is not None:
                self._check(name, transaction, writes)
            written = [Written(*staged.apply(write)) for write in writes]
        except Refusal:
            if transaction is not None:
                self.transactions(name).end(transaction)
            raise
        self._apply(database, micros, staged)
        if transaction is not None:
            self.transactions(name).end(transaction)
        self._bill(writes)
        return written, micros

    async def try_each(self, name: str, writes: Iterable[Write]) -> list[Written | Refusal]:
        """Apply writes independently (BatchWrite), yielding to other requests in between."""
        answers: list[Written | Refusal] = []
        for number, write in enumerate(writes):
            if number % _WRITES_AT_A_TIME == 0:
                await asyncio.sleep(0)
            try:
                answers += self.commit(name, [write])[0]
            except Refusal as refusal:
                answers.append(refusal)
        return answers

    def expire(self, database: Database, documents: Iterable[str]) -> None:
        """Delete documents whose time to live is over."""
        gone = [(path, None) for path in documents]
        if not gone:
            return
        micros = database.next_time()
        self._journal.append(database, micros, gone)
        database.apply(micros, gone)
        self._ledger.count("firestore", "deletes", len(gone))

    def _new(self, name: str) -> Database:
        return Database(name, lambda: int(self._clock.time() * 1_000_000))

    def _check(self, name: str, transaction: Transaction, writes: Sequence[Write]) -> None:
        self.transactions(name).check(transaction, [paths.document_path(written_name(write), name) for write in writes])

    def _apply(self, database: Database, micros: int, staged: Staged) -> None:
        changes = list(staged.states.items())
        if changes:
            self._journal.append(database, micros, changes)
        database.apply(micros, changes)

    def _bill(self, writes: Sequence[Write]) -> None:
        deletes = sum(write.WhichOneof("operation") == "delete" for write in writes)
        if deletes:
            self._ledger.count("firestore", "deletes", deletes)
        if deletes < len(writes):
            self._ledger.count("firestore", "writes", len(writes) - deletes)


def written_name(write: Write) -> str:
    """Return the name of the document that a write changes."""
    operation = write.WhichOneof("operation")
    name: str = (
        write.update.name
        if operation == "update"
        else write.delete
        if operation == "delete"
        else write.transform.document
    )
    return name
