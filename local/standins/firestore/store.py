"""The documents of one database: present and past states, indexes, and a log of changes.

Superseded states are kept for an hour: that is how far back in time Firestore allows reads. A state's time is that of
its commit, in microseconds; no two commits of a database have the same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from local.standins.firestore import paths
from local.standins.firestore.entries import Entry, FieldIndex, Indexed
from local.standins.firestore.wire import Document

HISTORY_MICROS = 3600 * 1_000_000
_INDEXED_FROM = 64
"""Documents that a collection must have to be indexed; smaller ones are scanned."""

Change = tuple[str, Document | None]
"""A document's path and its new state; None: deleted."""


class Record:
    """A document name with its present state (None: there is no document) and superseded ones."""

    __slots__ = ("document", "key", "older", "path", "since")

    def __init__(self, path: str) -> None:
        self.path = path
        self.key = paths.order_key(path)
        self.document: Document | None = None
        self.since = 0
        self.older: Sequence[tuple[int, Document | None]] = ()

    def at(self, micros: int) -> Document | None:
        """Return the state at a time in microseconds."""
        if self.since <= micros:
            return self.document
        for since, document in reversed(self.older):
            if since <= micros:
                return document
        return None

    def at_or_now(self, micros: int | None) -> Document | None:
        return self.document if micros is None else self.at(micros)

    def states(self) -> list[tuple[int, Document | None]]:
        return [*self.older, (self.since, self.document)]

    def set(self, micros: int, document: Document | None) -> None:
        if self.since:
            if isinstance(self.older, list):
                self.older.append((self.since, self.document))
            else:
                self.older = [(self.since, self.document)]
        self.since, self.document = micros, document

    def forget_before(self, horizon: int) -> None:
        """Drop states that were superseded before `horizon`."""
        ends = [since for since, _ in self.older[1:]] + [self.since]
        still_needed = [state for state, end in zip(self.older, ends, strict=False) if end > horizon]
        self.older = still_needed or ()


class Collection:
    """The records of one collection; if they are many, an index of names, and one of each field that a query used.

    A write pays only for the indexes that there are, and most fields are never asked for.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        self.live = 0
        self.names: FieldIndex | None = None
        """The names of the documents; None as long as there are too few for indexes."""
        self._indexes: dict[Indexed, FieldIndex] = {}
        self._records_by_key: dict[bytes, Record] = {}

    def index(self, indexed: Indexed) -> FieldIndex:
        """Return an index, which is made now if this is its first use."""
        if (found := self._indexes.get(indexed)) is None:
            found = self._indexes[indexed] = FieldIndex()
            found.fill(
                (encoding, record.key)
                for record in self.records.values()
                for encoding in indexed.encodings(indexed.value(record.document))
            )
        return found

    def record(self, entry: Entry) -> Record:
        """Return the record of an index entry."""
        return self._records_by_key[entry[1]]

    def has_documents(self, micros: int | None) -> bool:
        """Return whether there are documents, now or at a time."""
        if micros is None:
            return self.live > 0
        return any(record.at(micros) is not None for record in self.records.values())

    def set(self, record: Record, micros: int, document: Document | None) -> None:
        before = record.document
        record.set(micros, document)
        self.live += (document is not None) - (before is not None)
        if self.names is None:
            self.index_names()
            return
        self._records_by_key[record.key] = record
        if before is None and document is not None:
            self.names.add((b"", record.key))
        elif before is not None and document is None:
            self.names.remove((b"", record.key))
        for indexed, index in self._indexes.items():
            _update(index, indexed, record.key, before, document)

    def drop(self, record: Record) -> None:
        """Remove a record without any state."""
        del self.records[record.path]
        self._records_by_key.pop(record.key, None)

    def restore(self, record: Record, micros: int, document: Document | None) -> None:
        """Set a state without indexing it; `index_names` must follow once all states are restored."""
        self.live += (document is not None) - (record.document is not None)
        record.set(micros, document)

    def index_names(self) -> None:
        """Make the index of names if there are many documents."""
        if self.live <= _INDEXED_FROM:
            return
        self._records_by_key = {record.key: record for record in self.records.values()}
        self.names = FieldIndex()
        self.names.fill((b"", record.key) for record in self.records.values() if record.document is not None)


def _update(index: FieldIndex, indexed: Indexed, key: bytes, before: Document | None, after: Document | None) -> None:
    value_before, value_after = indexed.value(before), indexed.value(after)
    if value_before == value_after:
        return
    old, new = indexed.encodings(value_before), indexed.encodings(value_after)
    for encoding in old - new:
        index.remove((encoding, key))
    for encoding in new - old:
        index.add((encoding, key))


class Database:
    """One database. `now` gives the time in microseconds."""

    def __init__(self, name: str, now: Callable[[], int]) -> None:
        self.name = name
        self._now = now
        self._collections: dict[str, Collection] = {}
        self._groups: dict[str, dict[str, Collection]] = {}
        self._log: deque[tuple[int, list[Record]]] = deque()
        self.last = 0
        """The newest commit's time."""
        self.watchers: set[Callable[[], None]] = set()
        """Called after each commit."""

    def next_time(self) -> int:
        """Return the time of the next commit: the clock's, but later than every commit so far."""
        return max(self._now(), self.last + 1)

    def read_time(self) -> int:
        """Return a time at which a read sees exactly what has been committed so far."""
        self.last = max(self._now(), self.last)
        return self.last

    def oldest_read(self) -> int:
        return self._now() - HISTORY_MICROS

    def record(self, path: str) -> Record | None:
        collection = self._collections.get(path.rpartition("/")[0])
        return collection.records.get(path) if collection is not None else None

    def document(self, path: str) -> Document | None:
        record = self.record(path)
        return record.document if record is not None else None

    def collection(self, path: str) -> Collection | None:
        return self._collections.get(path)

    def collections(self) -> Iterable[Collection]:
        return self._collections.values()

    def group(self, collection_id: str) -> Iterable[Collection]:
        """Return the collections with this id, under any parent."""
        return self._groups.get(collection_id, {}).values()

    def changed_since(self, micros: int) -> set[Record]:
        """Return the records that changed after a time within the past hour."""
        changed: set[Record] = set()
        for since, records in reversed(self._log):
            if since <= micros:
                break
            changed.update(records)
        return changed

    def apply(self, micros: int, changes: Iterable[Change]) -> None:
        """Apply the changes of a commit at once and notify the watchers."""
        records = [self._set(path, micros, document) for path, document in changes]
        self.last = max(self.last, micros)
        if records:
            self._log.append((micros, records))
        self._expire_history()
        for watcher in tuple(self.watchers):
            watcher()

    def restore(self, states: Iterable[tuple[int, Change]]) -> None:
        """Load states at the start, in order of time."""
        for micros, (path, document) in states:
            collection, record = self._record_for(path)
            collection.restore(record, micros, document)
            self._log.append((micros, [record]))
            self.last = max(self.last, micros)
        for collection in self._collections.values():
            collection.index_names()
        self._expire_history()

    def states(self) -> Iterator[tuple[int, str, Document | None]]:
        """Return all present and past states in order of time."""
        self._expire_history()
        all_states = [
            (since, record.path, document)
            for collection in self._collections.values()
            for record in collection.records.values()
            for since, document in record.states()
        ]
        all_states.sort(key=lambda state: state[0])
        return iter(all_states)

    def _set(self, path: str, micros: int, document: Document | None) -> Record:
        collection, record = self._record_for(path)
        collection.set(record, micros, document)
        return record

    def _record_for(self, path: str) -> tuple[Collection, Record]:
        parent = path.rpartition("/")[0]
        collection = self._collections.get(parent)
        if collection is None:
            collection = self._collections[parent] = Collection(parent)
            self._groups.setdefault(parent.rpartition("/")[2], {})[parent] = collection
        record = collection.records.get(path)
        if record is None:
            record = collection.records[path] = Record(path)
        return collection, record

    def _expire_history(self) -> None:
        horizon = self.oldest_read()
        while self._log and self._log[0][0] < horizon:
            for record in self._log.popleft()[1]:
                record.forget_before(horizon)
                if record.document is None and not record.older and record.since < horizon:
                    self._drop(record)

    def _drop(self, record: Record) -> None:
        parent = record.path.rpartition("/")[0]
        collection = self._collections.get(parent)
        if collection is None or collection.records.get(record.path) is not record:
            return
        collection.drop(record)
        if not collection.records:
            del self._collections[parent]
            self._groups[parent.rpartition("/")[2]].pop(parent)
