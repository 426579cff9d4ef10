"""Running a query: choosing the records to check, and ordering the matches.

The records come from the cheapest index that narrows the query, or from the index of the first field of the order when
a limit lets the walk stop early; each is then checked against the whole query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import groupby
from operator import itemgetter

from local.standins.firestore import paths, values
from local.standins.firestore.conditions import Condition, Filter, Junction
from local.standins.firestore.entries import FieldIndex, Indexed
from local.standins.firestore.query import Order, Query
from local.standins.firestore.store import Collection, Database, Record
from local.standins.firestore.wire import Document

Match = tuple[bytes, Document]
"""Sort key and document."""

_IN_LOOP = 2000
"""More documents than this are checked in a thread, to keep the event loop free."""


@dataclass(frozen=True)
class QueryResult:
    """The documents that answer a query, without projection, and how many the offset skipped."""

    documents: list[Document]
    skipped: int


async def run(database: Database, query: Query, micros: int | None = None) -> QueryResult:
    """Run a query against the present state, or against the state at a time in microseconds."""
    work = _Work(database, query, micros)
    matches = await asyncio.to_thread(work.finish) if work.heavy else work.finish()
    documents = [document for _, document in matches[query.offset : query.needed]]
    return QueryResult(documents, min(query.offset, len(matches)))


class _Work:
    """Collects the candidates at once, on the event loop; `finish` reads only immutable documents and may run in a
    thread.
    """

    def __init__(self, database: Database, query: Query, micros: int | None) -> None:
        self._query = query
        self._matches: list[Match] = []
        self._candidates: list[Document] = []
        changed = database.changed_since(micros) if micros is not None else set()
        for collection in query.collections(database):
            self._look_up(collection, changed)
        for record in changed:
            assert micros is not None
            state = record.at(micros)
            if state is not None and query.holds(record.path):
                self._candidates.append(state)
        self.heavy = len(self._candidates) > _IN_LOOP

    def finish(self) -> list[Match]:
        query, matches = self._query, self._matches
        for document in self._candidates:
            key = query.place(document)
            if key is not None:
                matches.append((key, document))
        if query.needed is not None and query.needed * 10 < len(matches):
            return nsmallest(query.needed, matches, key=itemgetter(0))
        matches.sort(key=itemgetter(0))
        return matches if query.needed is None else matches[: query.needed]

    def _look_up(self, collection: Collection, changed: set[Record]) -> None:
        query = self._query
        if collection.names is None:
            records: list[Record] = list(collection.records.values())
        else:
            narrowed = _narrow(collection, query.filter)
            walk = _walk(collection, collection.names, query)
            least = collection.live if narrowed is None else narrowed.size
            if walk.cost(least, query.needed) < least:
                first_matches = _first_matches(walk, query, changed)
                if first_matches is not None:
                    self._matches += first_matches
                    return
            records = list(collection.records.values()) if narrowed is None else narrowed.records(collection)
        self._candidates += [
            record.document for record in records if record.document is not None and record not in changed
        ]


@dataclass
class _Narrowed:
    """Spans of indexes that together include every match."""

    spans: list[tuple[FieldIndex, int, int]]
    size: int

    def records(self, collection: Collection) -> list[Record]:
        distinct: dict[Record, None] = {}
        for index, start, end in self.spans:
            for entry in index.between(start, end):
                distinct[collection.record(entry)] = None
        return list(distinct)


def _narrow(collection: Collection, filter_: Filter) -> _Narrowed | None:
    if isinstance(filter_, Condition):
        return _narrow_condition(collection, filter_)
    parts = [_narrow(collection, part) for part in filter_.parts]
    if filter_.every:
        return min((part for part in parts if part is not None), key=lambda part: part.size, default=None)
    spans = []
    for part in parts:
        if part is None:
            return None
        spans += part.spans
    return _Narrowed(spans, sum(end - start for _, start, end in spans))


def _narrow_condition(collection: Collection, condition: Condition) -> _Narrowed | None:
    ranges = condition.spans()
    if ranges is None or condition.field == paths.NAME:
        return None
    index = collection.index(Indexed(condition.field, elements=condition.operator.startswith("array")))
    spans = [(index, *index.span(low, high)) for low, high in ranges]
    return _Narrowed(spans, sum(end - start for _, start, end in spans))


@dataclass
class _Walk:
    """A walk along the index of the order's first field."""

    collection: Collection
    index: FieldIndex
    start: int
    end: int
    downwards: bool

    def cost(self, matches: int, needed: int | None) -> float:
        """Estimate how many entries are passed until `needed` matches are found, if `matches` are spread evenly."""
        size = self.end - self.start
        if needed is None or not matches:
            return size
        return min(size, needed * max(1.0, size / matches))

    def groups(self) -> Iterator[list[Record]]:
        """Yield records in order; those in one list are equal in the first field, as far as the index tells."""
        walk = self.index.between(self.start, self.end, downwards=self.downwards)
        for _, group in groupby(walk, key=itemgetter(0)):
            yield [self.collection.record(entry) for entry in group]


class _NameWalk(_Walk):
    """A walk along the names, of which no two are equal."""

    def groups(self) -> Iterator[list[Record]]:
        for entry in self.index.between(self.start, self.end, downwards=self.downwards):
            yield [self.collection.record(entry)]


def _walk(collection: Collection, names: FieldIndex, query: Query) -> _Walk:
    order = query.orders[0]
    low, high = _limits(query, order)
    if order.field == paths.NAME:
        start, end = names.name_span(_name_key(query, low), _name_key(query, high))
        return _NameWalk(collection, names, start, max(start, end), order.downwards)
    index = collection.index(Indexed(order.field))
    start, end = index.span(low, high)
    return _Walk(collection, index, start, max(start, end), order.downwards)


def _limits(query: Query, order: Order) -> tuple[bytes, bytes]:
    """Return the lowest and highest encoding that a match can have in the field of the query's first order."""
    low, high = b"", b"\xff"
    for condition in _required(query.filter):
        if condition.field == order.field and not condition.operator.startswith("array"):
            spans = condition.spans() or [(low, high)]
            low, high = max(low, min(spans)[0]), min(high, max(span[1] for span in spans))
    first, last = (query.end, query.start) if order.downwards else (query.start, query.end)
    if first is not None and first.first is not None:
        low = max(low, first.first)
    if last is not None and last.first is not None:
        high = min(high, last.first)
    return low, high


def _name_key(query: Query, encoded: bytes) -> bytes:
    """Return the order key of the path in an encoded reference.

    Other encodings become a key before or after all paths.
    """
    root = values.encode_reference(f"{query.database}/documents")[:-1]
    return encoded.removeprefix(root) if encoded.startswith(root) else b"" if encoded < root else b"\xff"


def _required(filter_: Filter) -> Iterator[Condition]:
    """Yield the conditions that every match fulfils."""
    if isinstance(filter_, Condition):
        yield filter_
    elif isinstance(filter_, Junction) and filter_.every:
        for part in filter_.parts:
            yield from _required(part)


def _first_matches(walk: _Walk, query: Query, changed: set[Record]) -> list[Match] | None:
    """Return the first matches along the walk, or None if it takes too long for the event loop."""
    needed, matches, passed = query.needed, [], 0
    for group in walk.groups():
        group_matches = []
        for record in group:
            if record.document is not None and record not in changed:
                key = query.place(record.document)
                if key is not None:
                    group_matches.append((key, record.document))
        group_matches.sort(key=itemgetter(0))
        matches += group_matches
        passed += len(group)
        if needed is not None and len(matches) >= needed:
            break
        if passed > _IN_LOOP:
            return None
    return matches
