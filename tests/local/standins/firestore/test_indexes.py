from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.cloud.firestore_v1.types import StructuredQuery

from local.standins.firestore.indexes import Indexes
from local.standins.firestore.query import Query, parse_query
from local.standins.firestore.wire import Refusal

DATABASE = "projects/p/databases/(default)"
OPERATORS = {"==": 5, "<": 1, ">": 3, "!=": 6, "contains": 7, "in": 8}

DECLARED = {
    "indexes": [
        {
            "collectionGroup": "c",
            "fields": [{"fieldPath": "a", "order": "ASCENDING"}, {"fieldPath": "x", "order": "ASCENDING"}],
        },
        {
            "collectionGroup": "c",
            "fields": [{"fieldPath": "b", "order": "ASCENDING"}, {"fieldPath": "x", "order": "ASCENDING"}],
        },
        {
            "collectionGroup": "c",
            "fields": [{"fieldPath": "tags", "arrayConfig": "CONTAINS"}, {"fieldPath": "x", "order": "DESCENDING"}],
        },
        {
            "collectionGroup": "c",
            "fields": [{"fieldPath": "m", "order": "ASCENDING"}, {"fieldPath": "n", "order": "DESCENDING"}],
        },
    ],
    "fieldOverrides": [
        {"collectionGroup": "c", "fieldPath": "exempt", "indexes": []},
        {
            "collectionGroup": "c",
            "fieldPath": "exempt.kept",
            "indexes": [{"queryScope": "COLLECTION", "order": "ASCENDING"}],
        },
        {
            "collectionGroup": "c",
            "fieldPath": "everywhere",
            "indexes": [
                {"queryScope": "COLLECTION", "order": "ASCENDING"},
                {"queryScope": "COLLECTION_GROUP", "order": "ASCENDING"},
                {"queryScope": "COLLECTION_GROUP", "arrayConfig": "CONTAINS"},
            ],
        },
    ],
}


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Indexes:
    file = tmp_path_factory.mktemp("indexes") / "firestore.indexes.json"
    file.write_text(json.dumps(DECLARED))
    return Indexes(file)


def ask(where: str = "", order: str = "", *, collection: str = "c", group: bool = False, total: str = "") -> Query:
    """`ask("a == , x > ", "x desc")`: the query with these filters and this order."""
    wire = StructuredQuery.pb()()
    wire.from_.add(collection_id=collection, all_descendants=group)
    wire.where.composite_filter.op = 2 if " or " in where else 1
    for part in where.replace(" or ", ",").split(",") if where else ():
        field, operator = part.split()
        each = wire.where.composite_filter.filters.add().field_filter
        each.field.field_path, each.op = field, OPERATORS[operator]
        if operator == "in":
            each.value.array_value.values.add().integer_value = 1
            each.value.array_value.values.add().integer_value = 2
        else:
            each.value.integer_value = 1
    if not where:
        wire.ClearField("where")
    for part in order.split(",") if order else ():
        field, _, direction = part.strip().partition(" ")
        wire.order_by.add(direction=2 if direction else 1).field.field_path = field
    return parse_query(DATABASE, "", wire, [tuple(field.split(".")) for field in total.split()])


@pytest.mark.parametrize(
    "asked",
    [
        ask(),
        ask(order="__name__"),
        ask("z =="),
        ask("z ==, y ==, w =="),
        ask("z >", "z desc"),
        ask("z !="),
        ask("z in"),
        ask("z in, y =="),
        ask("z == or y =="),
        ask("l contains"),
        ask("l contains, z =="),
        ask("z == , z >"),
        ask("z ==", "z desc"),
        ask("deep.field ==", "deep.field"),
        ask("a ==", "x"),
        ask("a ==, x >"),
        ask("a in", "x"),
        ask("a ==, b ==", "x"),
        ask("a == or b ==", "x"),
        ask("tags contains", "x desc"),
        ask("tags contains, x <", "x desc"),
        ask(order="m, n desc"),
        ask("exempt.kept >"),
        ask("everywhere ==", group=True),
        ask("everywhere contains", group=True),
        ask(group=True),
        ask("a ==", total="x"),
        ask(total="z"),
    ],
    ids=str,
)
def test_queries_that_production_answers_are_answered(declared: Indexes, asked: Query) -> None:
    assert declared.check(asked)


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (ask("z ==", "y"), "z ASCENDING, y ASCENDING"),
        (ask("z ==, y >"), "z ASCENDING, y ASCENDING"),
        (ask(order="z, y"), "z ASCENDING, y ASCENDING"),
        (ask("z >, y >"), "y ASCENDING, z ASCENDING"),
        (ask("a ==", "x desc"), "a ASCENDING, x DESCENDING"),
        (ask("a ==, z ==", "x"), "a ASCENDING, z ASCENDING, x ASCENDING"),
        (ask("tags contains", "x"), "tags CONTAINS, x ASCENDING"),
        (ask("tags contains, a ==", "x desc"), "tags CONTAINS, a ASCENDING, x DESCENDING"),
        (ask(order="m, n"), "m ASCENDING, n ASCENDING"),
        (ask(order="m desc, n"), "m DESCENDING, n ASCENDING"),
        (ask(order="z desc, __name__"), "z DESCENDING, __name__ ASCENDING"),
        (ask(order="__name__ desc"), "__name__ DESCENDING"),
        (ask("exempt =="), "exempt ASCENDING"),
        (ask("exempt.inner =="), "exempt.inner ASCENDING"),
        (ask("exempt.kept >", "exempt.kept desc"), "exempt.kept DESCENDING"),
        (ask("z == or exempt =="), "exempt ASCENDING"),
        (ask("z ==", group=True), "z ASCENDING"),
        (ask("l contains", group=True), "l CONTAINS"),
        (ask("everywhere >", "everywhere desc", group=True), "everywhere DESCENDING"),
        (ask("a ==", "x", group=True), "a ASCENDING, x ASCENDING"),
        (ask("z ==", total="x"), "z ASCENDING, x ASCENDING"),
    ],
    ids=str,
)
def test_queries_that_production_refuses_are_refused_with_the_index_they_lack(
    declared: Indexes, asked: Query, missing: str
) -> None:
    with pytest.raises(Refusal, match="The query requires an index") as refused:
        declared.check(asked)
    assert refused.value.code.name == "FAILED_PRECONDITION"
    scope = "COLLECTION_GROUP" if asked.descendants else "COLLECTION"
    assert f"collection group c, scope {scope}: {missing}." in refused.value.message


@pytest.mark.parametrize(
    "asked",
    [
        ask("visible_to contains", "created_at desc", collection="tasks"),
        ask("visible_to contains, status ==", "created_at desc", collection="tasks"),
        ask("visible_to contains, source.uri ==, status ==", "created_at desc", collection="tasks"),
        ask("open ==", collection="tasks"),
        ask("open >", "open", collection="tasks"),
        ask("other ==", collection="idempotency"),
    ],
    ids=str,
)
def test_the_deployed_indexes_serve_their_queries(indexes: Path, asked: Query) -> None:
    assert Indexes(indexes).check(asked)


@pytest.mark.parametrize(
    "asked",
    [
        ask("status ==", collection="tasks"),
        ask(order="created_at desc", collection="tasks"),
        ask("visible_to contains", collection="tasks"),
        ask("visible_to contains", "created_at", collection="tasks"),
        ask("open ==", "open desc", collection="tasks"),
        ask("text ==", collection="chunks"),
        ask("expires_at <", collection="idempotency"),
    ],
    ids=str,
)
def test_what_is_not_deployed_is_refused(indexes: Path, asked: Query) -> None:
    with pytest.raises(Refusal, match="The query requires an index"):
        Indexes(indexes).check(asked)


def test_a_client_is_told_which_index_it_needs(launch: Any, connect: Any, indexes: Path) -> None:
    from google.api_core.exceptions import FailedPrecondition
    from google.cloud.firestore import FieldFilter

    client = connect(launch("--indexes", indexes))
    with pytest.raises(FailedPrecondition, match=r"The query requires an index.*tasks.*status"):
        client.collection("tasks").where(filter=FieldFilter("status", "==", "failed")).get()
    with pytest.raises(FailedPrecondition, match="The query requires an index"):
        client.collection("tasks").where(filter=FieldFilter("status", "==", "failed")).count().get()
