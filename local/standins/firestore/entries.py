"""The sorted index of one field in one collection, and which entries a document has in it.

What a query may do is decided by `indexes.py`; how fast it is does not depend on `firestore.indexes.json`. Encodings
are cut to a bounded prefix, so whoever reads an index must check the documents it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sortedcontainers import SortedList  # type: ignore[import-untyped]

from local.standins.firestore import paths, values
from local.standins.firestore.wire import Document, Value

PREFIX = 256
"""How many bytes of an encoding an index entry keeps."""

Entry = tuple[bytes, bytes]
"""Encoded value (cut), and order key of the document's path: bytes alone, which garbage collection passes over."""


class Indexed(NamedTuple):
    """What an index is of: the values of a field, or the elements of the arrays in it."""

    field: paths.FieldPath
    elements: bool = False

    def value(self, document: Document | None) -> Value | None:
        return values.lookup(document, self.field) if document is not None else None

    def encodings(self, value: Value | None) -> set[bytes]:
        """Return the encodings under which a document with this value of the field is found."""
        if value is None:
            return set()
        if not self.elements:
            return {values.encode(value)[:PREFIX]}
        return {values.encode(item)[:PREFIX] for item in value.array_value.values}


class FieldIndex:
    """The documents of one collection by the value of one field."""

    def __init__(self) -> None:
        self._entries: SortedList[Entry] = SortedList()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        self._entries.add(entry)

    def remove(self, entry: Entry) -> None:
        self._entries.remove(entry)

    def fill(self, entries: Iterable[Entry]) -> None:
        self._entries.update(entries)

    def span(self, low: bytes, high: bytes) -> tuple[int, int]:
        """Return the positions of the entries from `low` to `high`, both whole encodings and both included."""
        start = self._entries.bisect_left((low[:PREFIX],))
        return start, self._entries.bisect_left((high[:PREFIX] + b"\xff",))

    def name_span(self, low: bytes, high: bytes) -> tuple[int, int]:
        """Like `span`, by order keys of paths, in the index of names."""
        return self._entries.bisect_left((b"", low)), self._entries.bisect_left((b"", high + b"\xff"))

    def between(self, start: int, end: int, *, downwards: bool = False) -> Iterator[Entry]:
        entries: Iterator[Entry] = self._entries.islice(start, end, reverse=downwards)
        return entries
