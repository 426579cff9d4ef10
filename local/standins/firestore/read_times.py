"""The time at which a read sees the database: now, in the past, or a transaction's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.standins.firestore.databases import Databases
from local.standins.firestore.query import Query
from local.standins.firestore.store import Database
from local.standins.firestore.transactions import QueryRead, Transaction
from local.standins.firestore.wire import Timestamp, failed_precondition, invalid, micros_of, timestamp_of


@dataclass(frozen=True)
class View:
    """The time of a read, and the transaction that it began."""

    micros: int | None
    """None: the present."""
    time: Timestamp
    began: bytes = b""
    read: QueryRead | None = None
    """Where a transaction notes the answer of its query."""


async def view(
    databases: Databases, name: str, request: Any, *, documents: Iterable[str] = (), query: Query | None = None
) -> View:
    selector = request.WhichOneof("consistency_selector")
    database = databases.get(name)
    transactions = databases.transactions(name)
    if selector == "read_time":
        micros = past(database, request.read_time)
        return View(micros, timestamp_of(micros))
    if selector == "transaction":
        transaction, began = transactions.get(request.transaction), b""
    elif selector == "new_transaction":
        transaction = begin(databases, name, request.new_transaction)
        began = transaction.id
    else:
        return View(None, timestamp_of(database.read_time()))
    if query is not None:
        micros, read = await transactions.read_query(transaction, query)
        return View(micros, timestamp_of(micros), began, read)
    micros = await transactions.read_documents(transaction, documents)
    return View(micros, timestamp_of(micros), began)


def begin(databases: Databases, name: str, options: Any) -> Transaction:
    """Begin the transaction that `TransactionOptions` describe."""
    transactions = databases.transactions(name)
    if options.WhichOneof("mode") != "read_only":
        return transactions.begin(retried=bool(options.read_write.retry_transaction))
    snapshot = None
    if options.read_only.WhichOneof("consistency_selector") == "read_time":
        snapshot = past(databases.get(name), options.read_only.read_time)
    return transactions.begin(read_only=True, snapshot=snapshot)


def past(database: Database, read_time: Timestamp) -> int:
    """Return the time of a read in the past, in microseconds. Raises Refusal if it is in the future or too old."""
    micros = micros_of(read_time)
    if micros > database.read_time():
        raise invalid("The requested read_time is in the future.")
    if micros < database.oldest_read():
        raise failed_precondition("The requested read_time is too old: it must be within the past hour.")
    return micros
