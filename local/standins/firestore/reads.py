"""The RPCs that read documents by name, and list documents and collections."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.cloud.firestore_v1 import types

from local.standins.firestore import conditions, masks, paths, read_times, search
from local.standins.firestore.databases import Databases
from local.standins.firestore.query import Bound, Order, Query
from local.standins.firestore.store import Database
from local.standins.firestore.wire import Document, Refusal, invalid
from local.standins.ledger import Ledger

_ListDocumentsResponse: Any = types.ListDocumentsResponse.pb()
_BatchGetDocumentsResponse: Any = types.BatchGetDocumentsResponse.pb()
_ListCollectionIdsResponse: Any = types.ListCollectionIdsResponse.pb()
_PAGE = 300


class Reads:
    def __init__(self, databases: Databases, ledger: Ledger) -> None:
        self._databases, self._ledger = databases, ledger

    async def get_document(self, request: Any) -> Document:
        name, _ = paths.split(request.name)
        path = paths.document_path(request.name, name)
        view = await read_times.view(self._databases, name, request, documents=[path])
        document = self._document(name, path, view)
        self._bill_reads(1)
        if document is None:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f'Document "{request.name}" not found.')
        return masks.masked(document, masks.read(request))

    async def batch_get_documents(self, request: Any) -> AsyncIterator[Any]:
        name = paths.check_database(request.database)
        paths_by_name = {document_name: paths.document_path(document_name, name) for document_name in request.documents}
        mask = masks.read(request)
        view = await read_times.view(self._databases, name, request, documents=paths_by_name.values())
        read_documents = [
            (document_name, self._document(name, path, view)) for document_name, path in paths_by_name.items()
        ]
        self._bill_reads(len(read_documents))
        if view.began or not read_documents:
            yield _BatchGetDocumentsResponse(transaction=view.began, read_time=view.time)
        for _, document in read_documents:
            if document is not None:
                yield _BatchGetDocumentsResponse(found=masks.masked(document, mask), read_time=view.time)
        for document_name, document in read_documents:
            if document is None:
                yield _BatchGetDocumentsResponse(missing=document_name, read_time=view.time)

    async def list_documents(self, request: Any) -> Any:
        name, parent = paths.parent_path(request.parent)
        if request.collection_id:
            paths.check_collection_id(request.collection_id)
        view = await read_times.view(self._databases, name, request)
        orders = _orders(request.order_by)
        if request.show_missing and request.order_by:
            raise invalid("show_missing cannot be combined with order_by.")
        size = request.page_size if request.page_size > 0 else _PAGE
        query = Query(
            database=name,
            parent=parent,
            collection_id=request.collection_id or None,
            descendants=False,
            filter=conditions.EVERYTHING,
            branches=((),),
            explicit_orders=orders,
            orders=orders,
            start=_page_start(request.page_token, orders),
            end=None,
            offset=0,
            limit=size + 1,
            projection=None,
        )
        database = self._databases.get(name)
        documents = (await search.run(database, query, view.micros)).documents
        self._bill_reads(max(1, min(len(documents), size)))
        if request.show_missing:
            documents = self._with_missing(database, query, documents, view.micros)
        mask = masks.read(request)
        answer = _ListDocumentsResponse(documents=[masks.masked(document, mask) for document in documents[:size]])
        if len(documents) > size:
            answer.next_page_token = base64.urlsafe_b64encode(query.sort_key(documents[size - 1]) or b"").decode()
        return answer

    async def list_collection_ids(self, request: Any) -> Any:
        name, parent = paths.parent_path(request.parent)
        view = await read_times.view(self._databases, name, request)
        prefix = f"{parent}/" if parent else ""
        child_ids = {
            entry.path[len(prefix) :].partition("/")[0]
            for entry in self._databases.get(name).collections()
            if entry.path.startswith(prefix) and entry.has_documents(view.micros)
        }
        after = read_token(request.page_token)
        ids = sorted(entry for entry in child_ids if entry > after)
        answer = _ListCollectionIdsResponse(collection_ids=ids)
        if 0 < request.page_size < len(ids):
            del answer.collection_ids[request.page_size :]
            answer.next_page_token = base64.urlsafe_b64encode(ids[request.page_size - 1].encode()).decode()
        self._bill_reads(1)
        return answer

    def _with_missing(
        self, database: Database, query: Query, documents: list[Document], micros: int | None
    ) -> list[Document]:
        """Return the documents together with names that have no document, but documents below them."""
        names = {document.name for document in documents}
        missing: dict[str, Document] = {}
        for collection in database.collections():
            parts = collection.path.split("/")
            for end in range(2, len(parts), 2):
                path = "/".join(parts[:end])
                name = f"{database.name}/documents/{path}"
                if name in names or name in missing or not query.holds(path):
                    continue
                record = database.record(path)
                if (record is None or record.at_or_now(micros) is None) and collection.has_documents(micros):
                    missing[name] = Document(name=name)
        placed = [(query.place(document), document) for document in (*documents, *missing.values())]
        ordered = sorted(((key, document) for key, document in placed if key is not None), key=lambda match: match[0])
        return [document for _, document in ordered[: query.limit]]

    def _document(self, name: str, path: str, view: read_times.View) -> Document | None:
        record = self._databases.get(name).record(path)
        return None if record is None else record.at_or_now(view.micros)

    def _bill_reads(self, count: int) -> None:
        if count:
            self._ledger.count("firestore", "reads", count)


def read_token(token: str) -> str:
    """Return the text that a page token encodes; empty for the first page. Raises Refusal for another's token."""
    try:
        return _token(token).decode()
    except UnicodeDecodeError as error:
        raise _not_given_out() from error


def _token(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text)
    except ValueError as error:
        raise _not_given_out() from error


def _not_given_out() -> Refusal:
    return invalid("The page token is not one that was given out.")


def _page_start(token: str, orders: tuple[Order, ...]) -> Bound | None:
    """Return the cursor that a page token encodes: the sort key of the last document before the page."""
    if not token:
        return None
    key = _token(token)
    return Bound(key, before=False, first=key if orders == (Order(paths.NAME),) else None)


def _orders(text: str) -> tuple[Order, ...]:
    """Parse `"a desc, b"` into orders, with the name last."""
    orders = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        field, _, direction = part.partition(" ")
        if direction.strip().lower() not in ("", "asc", "desc"):
            raise invalid(f'Invalid order_by "{text}".')
        orders.append(Order(paths.parse_field(field), direction.strip().lower() == "desc"))
    if not any(order.field == paths.NAME for order in orders):
        orders.append(Order(paths.NAME, bool(orders) and orders[-1].downwards))
    return tuple(orders)
