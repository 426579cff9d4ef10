from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument, MethodNotImplemented
from google.cloud import firestore
from google.cloud.firestore import And, FieldFilter, Or
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.field_path import FieldPath
from google.cloud.firestore_v1.query_profile import ExplainOptions
from google.cloud.firestore_v1.vector import Vector

MIXED = {
    "a-null": None,
    "b-false": False,
    "c-true": True,
    "d-nan": math.nan,
    "e-low": -math.inf,
    "f-one": 1,
    "g-more": 1.5,
    "h-big": 2**53 + 1,
    "i-time": datetime(2020, 1, 1, tzinfo=UTC),
    "j-text": "Z",
    "k-umlaut": "ä",
    "l-emoji": "\U0001f600",
    "m-bytes": b"a",
    "o-point": firestore.GeoPoint(1, 2),
    "p-array": [1],
    "q-longer": [1, 0],
    "r-vector": Vector([9.0]),
    "s-vector": Vector([1.0, 0.0]),
    "t-map": {"a": 1},
    "u-map": {"a": 1, "b": 0},
    "v-map": {"b": 0},
}
CITIES = {
    "sf": {"name": "San Francisco", "state": "CA", "people": 860, "tags": ["west", "bay"], "at": {"lat": 37.7}},
    "la": {"name": "Los Angeles", "state": "CA", "people": 3900, "tags": ["west"], "at": {"lat": 34.0}},
    "dc": {"name": "Washington", "state": None, "people": 680, "tags": ["east"], "at": {"lat": 38.9}},
    "to": {"name": "Tokyo", "people": 9000, "tags": ["kanto", "honshu"], "at": {"lat": 35.6}},
    "bj": {"name": "Beijing", "state": "BJ", "people": 21500, "tags": [], "at": {}},
}


@pytest.fixture
def cities(db: Any, collection: Any) -> Any:
    batch = db.batch()
    for name, data in CITIES.items():
        batch.set(collection.document(name), data)
    batch.commit()
    return collection


def ids(query: Any) -> str:
    return " ".join(snapshot.id for snapshot in query.stream())


def where(field: str, operator: str, value: object) -> FieldFilter:
    return FieldFilter(field, operator, value)


def test_values_of_all_types_have_one_order(db: Any, collection: Any) -> None:
    for name, value in MIXED.items():
        collection.document(name).set({"v": value})
    collection.document("n-reference").set({"v": db.document("a/b")})
    collection.document("without").set({"w": 1})
    expected = sorted([*MIXED, "n-reference"])
    assert [snapshot.id for snapshot in collection.order_by("v").stream()] == expected
    assert [snapshot.id for snapshot in collection.order_by("v", direction="DESCENDING").stream()] == expected[::-1]


@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("state", "==", "CA", "la sf"),
        ("state", "==", None, "dc"),
        ("state", "!=", "CA", "bj"),
        ("state", "!=", None, "bj la sf"),
        ("people", "<", 860, "dc"),
        ("people", "<=", 860.0, "dc sf"),
        ("people", ">", 3900, "to bj"),
        ("people", ">=", 3900, "la to bj"),
        ("state", "in", ["CA", "BJ"], "bj la sf"),
        ("state", "not-in", ["CA"], "bj"),
        ("tags", "array_contains", "west", "la sf"),
        ("tags", "array_contains_any", ["east", "bay"], "dc sf"),
        ("tags", "==", [], "bj"),
        ("at.lat", ">", 36, "sf dc"),
        ("at", "==", {"lat": 34}, "la"),
        ("name", ">", "T", "to dc"),
        ("people", "<", "text", ""),
    ],
)
def test_every_operator_finds_its_documents(cities: Any, field: str, operator: str, value: object, found: str) -> None:
    assert ids(cities.where(filter=where(field, operator, value))) == found


def test_nan_and_its_negation_are_asked_for_by_equality(collection: Any) -> None:
    for name, value in {"nan": math.nan, "one": 1, "null": None, "text": "x"}.items():
        collection.document(name).set({"v": value})
    assert ids(collection.where(filter=where("v", "==", math.nan))) == "nan"
    assert ids(collection.where(filter=where("v", "!=", math.nan))) == "one text"


def test_nan_is_less_than_no_number(collection: Any) -> None:
    for name, value in {"nan": math.nan, "low": -math.inf, "one": 1}.items():
        collection.document(name).set({"v": value})
    assert ids(collection.where(filter=where("v", "<", 2))) == "low one"
    assert ids(collection.where(filter=where("v", "<=", 1))) == "low one"
    assert [document.id for document in collection.order_by("v").stream()] == ["nan", "low", "one"]


def test_filters_combine_by_and_and_or(cities: Any) -> None:
    west, east = where("tags", "array_contains", "west"), where("tags", "array_contains", "east")
    assert ids(cities.where(filter=Or([west, east]))) == "dc la sf"
    assert ids(cities.where(filter=And([west, Or([where("people", ">", 1000), where("state", "==", None)])]))) == "la"
    assert ids(cities.where(filter=west).where(filter=where("people", "<", 1000))) == "sf"


def test_documents_without_the_ordered_field_are_left_out(cities: Any) -> None:
    assert ids(cities.order_by("state")) == "dc bj la sf"
    assert ids(cities.order_by("state", direction="DESCENDING")) == "sf la bj dc"
    assert ids(cities.order_by("state").order_by("people", direction="DESCENDING")) == "dc bj la sf"
    assert ids(cities.order_by("at.lat")) == "la to sf dc"


def test_an_inequality_orders_by_its_field_and_then_by_name(cities: Any) -> None:
    cities.document("zz").set({"people": 9000})
    assert ids(cities.where(filter=where("people", ">", 1000))) == "la to zz bj"
    assert ids(cities.where(filter=where("people", ">", 1000)).where(filter=where("name", ">", "A"))) == "bj la to"


def test_cursors_cut_before_and_after(cities: Any) -> None:
    ordered = cities.order_by("people")
    assert ids(ordered.start_at({"people": 860})) == "sf la to bj"
    assert ids(ordered.start_after({"people": 860})) == "la to bj"
    assert ids(ordered.end_before({"people": 3900})) == "dc sf"
    assert ids(ordered.end_at({"people": 3900}).start_after({"people": 680})) == "sf la"
    snapshot = cities.document("la").get()
    assert ids(ordered.start_after(snapshot).limit(1)) == "to"
    descending = cities.order_by("people", direction="DESCENDING")
    assert ids(descending.start_after(snapshot)) == "sf dc"
    assert ids(cities.start_after(snapshot)) == "sf to"


def test_offset_limit_and_limit_to_last(cities: Any) -> None:
    assert ids(cities.offset(1).limit(2)) == "dc la"
    assert ids(cities.order_by("people").limit(0)) == ""
    assert [each.id for each in cities.order_by("people").limit_to_last(2).get()] == ["to", "bj"]
    assert ids(cities.offset(9)) == ""


def test_select_returns_only_the_fields_asked_for(cities: Any) -> None:
    found = {snapshot.id: snapshot.to_dict() for snapshot in cities.select(["name", "at.lat"]).stream()}
    assert found["sf"] == {"name": "San Francisco", "at": {"lat": 37.7}}
    assert found["bj"] == {"name": "Beijing"}
    assert [snapshot.to_dict() for snapshot in cities.select([]).limit(1).stream()] == [{}]


def test_names_can_be_filtered_and_ordered(cities: Any) -> None:
    name = FieldPath.document_id()
    assert ids(cities.where(filter=where(name, "==", cities.document("la")))) == "la"
    assert ids(cities.where(filter=where(name, "in", [cities.document("to"), cities.document("bj")]))) == "bj to"
    assert ids(cities.where(filter=where(name, ">=", cities.document("la")))) == "la sf to"
    assert ids(cities.order_by(name, direction="DESCENDING")) == "to sf la dc bj"
    assert (
        ids(cities.where(filter=where("state", "==", "CA")).where(filter=where(name, ">", cities.document("la"))))
        == "sf"
    )


def test_numeric_ids_sort_by_number_before_all_others(collection: Any) -> None:
    for name in ("a", "__id10__", "__id9__", "B"):
        collection.document(name).set({})
    assert ids(collection) == "__id9__ __id10__ B a"


def test_collection_groups_cover_all_collections_of_a_name(db: Any, collection: Any) -> None:
    group = f"group-{collection.id}"
    for parent in ("a", "b"):
        collection.document(parent).collection(group).document("x").set({"n": parent})
    db.document(f"{group}/top").set({"n": "top"})
    found = {snapshot.reference.path for snapshot in db.collection_group(group).stream()}
    assert found == {f"{collection.id}/a/{group}/x", f"{collection.id}/b/{group}/x", f"{group}/top"}
    assert [
        snapshot.get("n") for snapshot in db.collection_group(group).where(filter=where("n", "==", "b")).stream()
    ] == ["b"]
    assert ids(collection.document("a").collection(group)) == "x"
    partitions = list(db.collection_group(group).get_partitions(2))
    parts = [[snapshot.reference.path for snapshot in part.query().stream()] for part in partitions]
    assert sorted(path for part in parts for path in part) == sorted(found)
    assert len(parts) == 3


def test_a_recursive_query_covers_all_descendants(db: Any, collection: Any) -> None:
    collection.document("a").set({})
    collection.document("a/sub/b").set({})
    collection.document("c").set({})
    assert [snapshot.id for snapshot in collection.recursive().stream()] == ["a", "b", "c"]
    assert db.recursive_delete(collection) == 3
    assert ids(collection) == ""


def test_counts_sums_and_averages(cities: Any) -> None:
    def value(aggregation: Any) -> Any:
        return aggregation.get()[0][0].value

    assert value(cities.count()) == 5
    assert value(cities.where(filter=where("state", "==", "CA")).count()) == 2
    assert value(cities.limit(3).count()) == 3
    assert value(cities.sum("people")) == 35940
    assert value(cities.avg("at.lat")) == pytest.approx((37.7 + 34.0 + 38.9 + 35.6) / 4)
    assert value(cities.sum("name")) == 0
    assert value(cities.avg("absent")) == value(cities.sum("absent")) == 0
    combined = cities.count(alias="n").sum("people", alias="s").avg("people", alias="a").get()[0]
    assert {each.alias: each.value for each in combined} == {"n": 5, "s": 35940, "a": 7188.0}


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([1, 2], 3),
        ([1, 2.5], 3.5),
        ([2**63 - 1, 1], float(2**63)),
        ([1, math.inf], math.inf),
        ([0.5, 0.5], 1.0),
    ],
)
def test_a_sum_is_an_integer_while_it_can_be_one(collection: Any, numbers: list[float], total: float) -> None:
    for index, number in enumerate(numbers):
        collection.document(str(index)).set({"n": number})
    collection.document("text").set({"n": "text"})
    found = collection.sum("n").get()[0][0].value
    assert (found, type(found)) == (total, type(total))


def test_the_nearest_vectors_come_first(collection: Any) -> None:
    for name, vector in {"far": [9.0, 9.0], "near": [1.0, 1.1], "other": [1.0]}.items():
        collection.document(name).set({"v": Vector(vector)})
    query = collection.find_nearest(
        "v", Vector([1.0, 1.0]), 5, DistanceMeasure.EUCLIDEAN, distance_result_field="distance"
    )
    found = list(query.stream())
    assert [each.id for each in found] == ["near", "far"]
    assert found[0].get("distance") == pytest.approx(0.1)


def test_a_plan_names_the_indexes_used(cities: Any) -> None:
    results = cities.where(filter=where("state", "==", "CA")).get(explain_options=ExplainOptions(analyze=True))
    metrics = results.get_explain_metrics()
    assert metrics.plan_summary.indexes_used == [
        {"query_scope": "Collection", "properties": "(state ASC, __name__ ASC)"}
    ]
    assert metrics.execution_stats.results_returned == 2


def test_the_metrics_of_a_query_come_with_its_last_document(cities: Any) -> None:
    query = cities.where(filter=where("state", "==", "CA"))
    request, _, _ = query._prep_stream(explain_options=ExplainOptions(analyze=True))
    answers = list(cities._client._firestore_api.run_query(request=request, metadata=cities._client._rpc_metadata))
    assert ["explain_metrics" in answer for answer in answers] == [False, True]


@pytest.mark.parametrize(
    "filters",
    [
        [where("a", "in", list(range(31)))],
        [where("a", "not-in", list(range(11)))],
        [where("a", "in", list(range(6))), where("b", "in", list(range(6)))],
        [where("a", "array_contains", 1), where("b", "array_contains", 1)],
        [where("a", "not-in", [1]), where("b", "!=", 1)],
        [where("a", "not-in", [1]), where("b", "in", [1])],
        [where("a", "in", [])],
    ],
    ids=["31 in", "11 not-in", "36 disjunctions", "two array-contains", "two negations", "not-in with in", "empty in"],
)
def test_filters_that_firestore_does_not_take_are_refused(collection: Any, filters: Any) -> None:
    with pytest.raises(InvalidArgument):
        collection.where(filter=And(filters)).get()


def test_thirty_values_of_in_are_allowed(collection: Any) -> None:
    collection.document("d").set({"a": 29})
    assert ids(collection.where(filter=where("a", "in", list(range(30))))) == "d"


def test_pipelines_are_plainly_not_there(db: Any) -> None:
    with pytest.raises(MethodNotImplemented, match="pipelines"):
        list(db.pipeline().collection("c").execute())
