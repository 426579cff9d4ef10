"""Which index entries a document has, and the sorted index of one field in one collection.

Every field is kept in an index on each write, whatever `firestore.indexes.json` exempts: what a query may do is decided
by `indexes.py`, how fast it is does not depend on it. Encodings are cut to a bounded prefix, so whoever reads an index
must check the documents it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sortedcontainers import SortedList  # type: ignore[import-untyped]

from local.standins.firestore import paths, values
from local.standins.firestore.wire import Document, Value

PREFIX = 256
"""How many bytes of an encoding an index entry keeps."""

Entry = tuple[bytes, bytes]
"""Encoded value (cut), and order key of the document's path: bytes alone, which garbage collection passes over."""


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

    def fill(self, entries: list[Entry]) -> None:
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


def field_entries(document: Document, names: Iterable[str] | None = None) -> dict[str, set[bytes]]:
    """Return the document's encoded values by index name (`contains` for an array's elements).

    `names` restricts them to these fields, which the document may lack.
    """
    fields = document.fields
    encodings: dict[str, set[bytes]] = {}
    _collect(fields if names is None else {name: fields[name] for name in names if name in fields}, "", encodings)
    return encodings


def changed_fields(before: Document, after: Document) -> list[str]:
    """Return the names of the fields, not nested ones, that differ."""
    old, new = before.fields, after.fields
    return [name for name in {*old, *new} if name not in old or name not in new or old[name] != new[name]]


def contains(field: str) -> str:
    """Return the name of the index of the elements of the array at `field`."""
    return field + "[]"


def _collect(fields: Any, prefix: str, encodings: dict[str, set[bytes]]) -> None:
    for name, value in fields.items():
        field = prefix + paths.quote(name)
        encodings[field] = {values.encode(value)[:PREFIX]}
        kind = value.WhichOneof("value_type")
        if kind == "array_value":
            encodings[contains(field)] = _elements(value)
        elif kind == "map_value" and not values.is_vector(value):
            _collect(value.map_value.fields, field + ".", encodings)


def _elements(value: Value) -> set[bytes]:
    return {values.encode(item)[:PREFIX] for item in value.array_value.values}
