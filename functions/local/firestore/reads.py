"""The RPCs that read documents: by name, by query, by listing."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc
from google.cloud.firestore_v1 import types

from functions.local.firestore import aggregation, conditions, paths, query, search, values, writes
from functions.local.firestore.databases import Databases
from functions.local.firestore.query import Bound, Order, Query
from functions.local.firestore.store import Database
from functions.local.firestore.transactions import Transaction
from functions.local.firestore.wire import (
    Document,
    Refusal,
    Timestamp,
    failed_precondition,
    invalid,
    micros_of,
    timestamp_of,
)
from functions.local.ledger import Ledger

_ListDocumentsResponse: Any = types.ListDocumentsResponse.pb()
_BatchGetDocumentsResponse: Any = types.BatchGetDocumentsResponse.pb()
_RunQueryResponse: Any = types.RunQueryResponse.pb()
_RunAggregationQueryResponse: Any = types.RunAggregationQueryResponse.pb()
_ListCollectionIdsResponse: Any = types.ListCollectionIdsResponse.pb()
_PartitionQueryResponse: Any = types.PartitionQueryResponse.pb()
_PAGE = 300
_ENTRIES_PER_READ = 1000


@dataclass(frozen=True)
class _View:
    """Which moment a read sees, and the transaction that it began."""

    micros: int | None
    """None: the present."""
    time: Timestamp
    began: bytes = b""


class Reads:
    def __init__(self, databases: Databases, ledger: Ledger) -> None:
        self._databases, self._ledger = databases, ledger

    async def get_document(self, request: Any) -> Document:
        name, _ = paths.split(request.name)
        path = paths.document_path(request.name, name)
        view = await self._view(name, request, documents=[path])
        document = self._document(name, path, view)
        self._bill_reads(1)
        if document is None:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f'Document "{request.name}" not found.')
        return masked(document, _mask(request))

    async def batch_get_documents(self, request: Any) -> AsyncIterator[Any]:
        name = paths.check_database(request.database)
        wanted = {each: paths.document_path(each, name) for each in request.documents}
        mask = _mask(request)
        view = await self._view(name, request, documents=wanted.values())
        found = [(each, self._document(name, path, view)) for each, path in wanted.items()]
        self._bill_reads(len(found))
        if view.began or not found:
            yield _BatchGetDocumentsResponse(transaction=view.began, read_time=view.time)
        for each, document in found:
            if document is None:
                yield _BatchGetDocumentsResponse(missing=each, read_time=view.time)
            else:
                yield _BatchGetDocumentsResponse(found=masked(document, mask), read_time=view.time)

    async def run_query(self, request: Any) -> AsyncIterator[Any]:
        name, parent = paths.parent_path(request.parent)
        asked = query.read(name, parent, request.structured_query)
        view = await self._view(name, request, asked=asked)
        documents = await search.run(self._databases.get(name), asked, view.micros)
        self._bill_reads(max(1, len(documents)))
        skipped = min(asked.offset, len(documents)) if not documents else 0
        if view.began or not documents:
            yield _RunQueryResponse(transaction=view.began, read_time=view.time, skipped_results=skipped)
        for document in documents:
            yield _RunQueryResponse(document=masked(document, asked.projection), read_time=view.time)

    async def run_aggregation_query(self, request: Any) -> AsyncIterator[Any]:
        name, parent = paths.parent_path(request.parent)
        wire = request.structured_aggregation_query
        aggregation.aliases(wire.aggregations)
        asked = query.read(name, parent, wire.structured_query, aggregation.aggregated_fields(wire.aggregations))
        bound = aggregation.most_counted(wire.aggregations)
        if bound is not None:
            asked = replace(asked, limit=bound if asked.limit is None else min(bound, asked.limit))
        view = await self._view(name, request, asked=asked)
        documents = await search.run(self._databases.get(name), asked, view.micros)
        self._bill_reads(max(1, -(-len(documents) // _ENTRIES_PER_READ)))
        results = await asyncio.to_thread(aggregation.aggregate, documents, wire.aggregations)
        answer = _RunAggregationQueryResponse(transaction=view.began, read_time=view.time)
        answer.result.SetInParent()
        for alias, value in results.items():
            answer.result.aggregate_fields[alias].CopyFrom(value)
        yield answer

    async def list_documents(self, request: Any) -> Any:
        name, parent = paths.parent_path(request.parent)
        if request.collection_id:
            paths.check_collection_id(request.collection_id)
        view = await self._view(name, request)
        orders = _orders(request.order_by)
        if request.show_missing and request.order_by:
            raise invalid("show_missing cannot be combined with order_by.")
        size = request.page_size if request.page_size > 0 else _PAGE
        asked = Query(
            database=name,
            parent=parent,
            collection_id=request.collection_id or None,
            descendants=False,
            filter=conditions.EVERYTHING,
            branches=((),),
            explicit_orders=orders,
            orders=orders,
            start=Bound(_token(request.page_token), before=False) if request.page_token else None,
            end=None,
            offset=0,
            limit=size + 1,
            projection=None,
        )
        database = self._databases.get(name)
        documents = await search.run(database, asked, view.micros)
        self._bill_reads(max(1, min(len(documents), size)))
        if request.show_missing:
            documents = self._with_missing(database, asked, documents, view.micros)
        mask = _mask(request)
        answer = _ListDocumentsResponse(documents=[masked(each, mask) for each in documents[:size]])
        if len(documents) > size:
            answer.next_page_token = base64.urlsafe_b64encode(asked.sort_key(documents[size - 1]) or b"").decode()
        return answer

    async def list_collection_ids(self, request: Any) -> Any:
        name, parent = paths.parent_path(request.parent)
        view = await self._view(name, request)
        prefix = f"{parent}/" if parent else ""
        found = {
            each.path[len(prefix) :].partition("/")[0]
            for each in self._databases.get(name).collections()
            if each.path.startswith(prefix) and each.holds_any(view.micros)
        }
        after = _token(request.page_token).decode() if request.page_token else ""
        ids = sorted(each for each in found if each > after)
        answer = _ListCollectionIdsResponse(collection_ids=ids)
        if 0 < request.page_size < len(ids):
            del answer.collection_ids[request.page_size :]
            answer.next_page_token = base64.urlsafe_b64encode(ids[request.page_size - 1].encode()).decode()
        self._bill_reads(1)
        return answer

    async def partition_query(self, request: Any) -> Any:
        name, parent = paths.parent_path(request.parent)
        asked = query.read(name, parent, request.structured_query)
        if not asked.descendants or asked.filter != conditions.EVERYTHING or asked.orders != (Order(paths.NAME),):
            raise invalid(
                "A query can be partitioned only if it covers a collection group, ordered by name, unfiltered."
            )
        if request.partition_count <= 0:
            raise invalid("partition_count must be positive.")
        view = await self._view(name, request)
        documents = await search.run(self._databases.get(name), asked, view.micros)
        pieces = min(request.partition_count + 1, max(1, len(documents)))
        cuts = [documents[len(documents) * piece // pieces].name for piece in range(1, pieces)]
        answer = _PartitionQueryResponse()
        for cut in cuts:
            partition = answer.partitions.add(before=True)
            partition.values.add().reference_value = cut
        self._bill_reads(1)
        return answer

    def _with_missing(
        self, database: Database, asked: Query, documents: list[Document], micros: int | None
    ) -> list[Document]:
        """Also names without a document, but with documents below."""
        known = {each.name for each in documents}
        missing: dict[str, Document] = {}
        for collection in database.collections():
            parts = collection.path.split("/")
            for end in range(2, len(parts), 2):
                path = "/".join(parts[:end])
                name = f"{database.name}/documents/{path}"
                if name in known or name in missing or not asked.holds(path):
                    continue
                record = database.record(path)
                if (record is None or record.at_or_now(micros) is None) and collection.holds_any(micros):
                    missing[name] = Document(name=name)
        placed = [(asked.place(each), each) for each in (*documents, *missing.values())]
        kept = sorted(((key, each) for key, each in placed if key is not None), key=lambda match: match[0])
        return [each for _, each in kept[: asked.limit]]

    def _document(self, name: str, path: str, view: _View) -> Document | None:
        record = self._databases.get(name).record(path)
        return None if record is None else record.at_or_now(view.micros)

    async def _view(
        self, name: str, request: Any, *, documents: Iterable[str] = (), asked: Query | None = None
    ) -> _View:
        selector = request.WhichOneof("consistency_selector")
        database = self._databases.get(name)
        transactions = self._databases.transactions(name)
        if selector == "read_time":
            micros = past(database, request.read_time)
            return _View(micros, timestamp_of(micros))
        if selector == "transaction":
            transaction, began = transactions.get(request.transaction), b""
        elif selector == "new_transaction":
            transaction = begin(self._databases, name, request.new_transaction)
            began = transaction.id
        else:
            return _View(None, timestamp_of(database.read_time()))
        if asked is not None:
            micros = await transactions.read_query(transaction, asked)
        else:
            micros = await transactions.read_documents(transaction, documents)
        return _View(micros, timestamp_of(micros), began)

    def _bill_reads(self, count: int) -> None:
        if count:
            self._ledger.count("firestore", "reads", count)


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
    """The moment of a read in the past, in microseconds."""
    micros = micros_of(read_time)
    if micros > database.read_time():
        raise invalid("The requested read_time is in the future.")
    if micros < database.oldest_read():
        raise failed_precondition("The requested read_time is too old: it must be within the past hour.")
    return micros


def masked(document: Document, mask: Sequence[paths.FieldPath] | None) -> Document:
    """The document with only the fields of a mask; None: all."""
    if mask is None:
        return document
    kept = Document(name=document.name, create_time=document.create_time, update_time=document.update_time)
    for path in mask:
        value = values.lookup(document, path)
        if value is not None:
            writes.put(kept, path, value)
    return kept


def _mask(request: Any) -> list[paths.FieldPath] | None:
    if not request.HasField("mask"):
        return None
    return [field for field in map(paths.parse_field, request.mask.field_paths) if field != paths.NAME]


def _token(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text)
    except binascii.Error as error:
        raise invalid("The page token is not one that was given out.") from error


def _orders(text: str) -> tuple[Order, ...]:
    """`"a desc, b"` → orders, completed by the name."""
    orders = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        field, _, direction = part.partition(" ")
        if direction.strip().lower() not in ("", "asc", "desc"):
            raise invalid(f'Invalid order_by "{text}".')
        orders.append(Order(paths.parse_field(field), direction.strip().lower() == "desc"))
    if not any(order.field == paths.NAME for order in orders):
        orders.append(Order(paths.NAME, bool(orders) and orders[-1].downwards))
    return tuple(orders)
