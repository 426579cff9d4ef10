"""A collection's indexes after changes are those of a collection that was indexed anew."""

from __future__ import annotations

import itertools
from typing import Any

from google.cloud.firestore_v1 import _helpers

from local.standins.firestore.store import Collection, Database
from local.standins.firestore.wire import Document

NAME = "projects/p/databases/(default)"
STATES: list[dict[str, Any] | None] = [
    {"a": 1, "tags": ["x", "y"], "map": {"b": 1, "c": {"d": 2}}, "same": "s"},
    {"a": 1.0, "tags": ["y", "z"], "map": {"b": 1, "c": 3}, "same": "s"},
    {"map": {"c": {"d": 2}}, "same": "s", "new": None},
    {"a": [1], "map": 5, "same": "s"},
    None,
    {"a": 1, "same": "t"},
]


def document(data: dict[str, Any] | None) -> Document | None:
    if data is None:
        return None
    fields = {name: value._pb for name, value in _helpers.encode_dict(data).items()}
    return Document(name=f"{NAME}/documents/c/x", fields=fields)


def database_with(changes: list[dict[str, Any] | None]) -> Database:
    moments = itertools.count(1)
    database = Database(NAME, lambda: 1_000_000)
    database.apply(next(moments), [(f"c/{number:03}", document({"a": number})) for number in range(100)])
    for data in changes:
        database.apply(next(moments), [("c/x", document(data))])
    return database


def indexed_values(database: Database) -> dict[str, list[tuple[bytes, bytes]]]:
    collection = database.collection("c")
    assert isinstance(collection, Collection)
    assert collection.indexed
    indexes = collection._indexes or {}
    entries = {field: list(index.between(*index.span(b"", b"\xff"))) for field, index in indexes.items()}
    return {field: listed for field, listed in entries.items() if listed}


def test_a_change_reindexes_every_field_that_differs() -> None:
    for before, after in itertools.permutations(STATES, 2):
        assert indexed_values(database_with([before, after])) == indexed_values(database_with([after]))
