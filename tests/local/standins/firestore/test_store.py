"""A collection's indexes after changes are those that are made anew."""

from __future__ import annotations

import itertools
from typing import Any

from google.cloud.firestore_v1 import _helpers

from local.standins.firestore import paths
from local.standins.firestore.entries import Entry, Indexed
from local.standins.firestore.store import Collection, Database
from local.standins.firestore.wire import Document

INDEXED = [
    Indexed(("a",)), Indexed(("a",), elements=True), Indexed(("tags",)), Indexed(("tags",), elements=True),
    Indexed(("map",)), Indexed(("map", "b")), Indexed(("map", "c")), Indexed(("map", "c", "d")), Indexed(("same",)),
    Indexed(("new",)),
]  # fmt: skip
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


def database_with(changes: list[dict[str, Any] | None], *, indexed_first: bool) -> Database:
    moments = itertools.count(1)
    database = Database(NAME, lambda: 1_000_000)
    database.apply(next(moments), [(f"c/{number:03}", document({"a": number})) for number in range(100)])
    if indexed_first:
        indexed_values(database)
    for data in changes:
        database.apply(next(moments), [("c/x", document(data))])
    return database


def indexed_values(database: Database) -> dict[Indexed, list[Entry]]:
    collection = database.collection("c")
    assert isinstance(collection, Collection)
    assert collection.names is not None
    indexes = {indexed: collection.index(indexed) for indexed in INDEXED}
    indexes[Indexed(paths.NAME)] = collection.names
    return {indexed: list(index.between(*index.span(b"", b"\xff"))) for indexed, index in indexes.items()}


def test_indexes_that_follow_changes_equal_those_made_after_the_changes() -> None:
    for before, after in itertools.permutations(STATES, 2):
        followed = database_with([before, after], indexed_first=True)
        assert indexed_values(followed) == indexed_values(database_with([after], indexed_first=False))
