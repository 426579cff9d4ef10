"""Orders and query results, checked against the plainest model there is."""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from google.cloud.firestore import FieldFilter
from google.cloud.firestore_v1 import _helpers
from google.cloud.firestore_v1.types import StructuredQuery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.standins.firestore import entries, search, store, values
from local.standins.firestore.query import parse_query
from local.standins.firestore.store import Database
from local.standins.firestore.wire import Document, Value

DATABASE = "projects/p/databases/(default)"

numbers = (
    st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.sampled_from([2**53, 2**53 + 1, 2.0**53, -0.0])
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=3) | st.binary(max_size=3)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.dictionaries(st.text(min_size=1, max_size=2), inner, max_size=3)
        | st.lists(inner.filter(lambda each: not isinstance(each, list)), max_size=3)
    ),
    max_leaves=6,
)


def wire(value: object) -> Any:
    return _helpers.encode_value(value)._pb


def rank(value: object) -> int:
    kinds: list[tuple[type, ...]] = [(type(None),), (bool,), (int, float), (str,), (bytes,), (list,), (dict,)]
    return next(index for index, kind in enumerate(kinds) if isinstance(value, kind))


def compare(one: Any, other: Any) -> int:
    """Firestore's order, spelled out for Python's values."""
    if rank(one) != rank(other):
        return -1 if rank(one) < rank(other) else 1
    if isinstance(one, str):
        one, other = one.encode(), other.encode()
    if isinstance(one, dict):
        one = [part for key in sorted(one) for part in (key, one[key])]
        other = [part for key in sorted(other) for part in (key, other[key])]
    if isinstance(one, list):
        for left, right in zip(one, other, strict=False):
            if order := compare(left, right):
                return order
        one, other = len(one), len(other)
    return 0 if one is None else (one > other) - (one < other)


@pytest.mark.long
@given(anything, anything)
@settings(max_examples=400, deadline=None)
def test_encodings_compare_like_the_values(one: object, other: object) -> None:
    left, right = values.encode(wire(one)), values.encode(wire(other))
    assert (left > right) - (left < right) == compare(one, other)
    down, up = values.inverted(left), values.inverted(right)
    assert (down < up) - (down > up) == compare(one, other)


@given(anything, anything)
@settings(max_examples=200, deadline=None)
def test_no_encoding_is_a_prefix_of_another(one: object, other: object) -> None:
    left, right = values.encode(wire(one)), values.encode(wire(other))
    assert left == right or not right.startswith(left)


def test_nan_comes_before_all_numbers() -> None:
    nans = [math.nan, -math.nan, struct.unpack(">d", b"\x7f\xf8\x00\x00\x00\x00\x00\x01")[0]]
    encoded = {values.encode(Value(double_value=nan)) for nan in nans}
    assert len(encoded) == 1
    assert encoded.pop() < values.encode(Value(double_value=-math.inf))


few = st.sampled_from([None, False, True, 0, 1, 1.0, 2.5, -1, "a", "b", "ab", [1], [1, "a"], {"x": 1}])
documents = st.lists(st.dictionaries(st.sampled_from(["a", "b"]), few, max_size=2), max_size=12)
conditions = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "contains"]),
        few.filter(lambda each: each is not None),
    ),
    max_size=2,
)
orders = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.booleans()), max_size=2, unique_by=lambda each: each[0])
OPERATORS = {"<": 1, "<=": 2, ">": 3, ">=": 4, "==": 5, "!=": 6, "contains": 7, "in": 8}


def holds(data: dict[str, Any], field: str, operator: str, operand: Any) -> bool:
    if field not in data:
        return False
    found = data[field]
    if operator == "contains":
        return isinstance(found, list) and any(compare(each, operand) == 0 for each in found)
    if operator in ("==", "in"):
        return compare(found, operand) == 0
    if operator == "!=":
        return found is not None and compare(found, operand) != 0
    order = compare(found, operand)
    return (
        rank(found) == rank(operand) and {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]
    )


def naive(data: dict[str, dict[str, Any]], filters: Any, ordering: Any, offset: int, limit: int | None) -> list[str]:
    """The names of the matches, by looking at everything."""
    completed = list(ordering)
    down = bool(ordering) and ordering[-1][1]
    for field in sorted({field for field, operator, _ in filters if operator in ("<", "<=", ">", ">=", "!=")}):
        if field not in {each for each, _ in completed}:
            completed.append((field, down))
    names = [
        name
        for name, each in data.items()
        if all(holds(each, *condition) for condition in filters) and all(field in each for field, _ in completed)
    ]
    names.sort(reverse=down)
    for field, downwards in reversed(completed):
        names.sort(key=_Key.of(data, field), reverse=downwards)
    return names[offset:] if limit is None else names[offset : offset + limit]


class _Key:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Key) -> bool:
        return compare(self.value, other.value) < 0

    @staticmethod
    def of(data: dict[str, dict[str, Any]], field: str) -> Any:
        return lambda name: _Key(data[name][field])


@pytest.mark.long
@given(documents, conditions, orders, st.integers(0, 3), st.none() | st.integers(0, 5), st.booleans(), documents)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_queries_find_what_a_look_at_everything_finds(
    before: list[dict[str, Any]],
    filters: list[tuple[str, str, Any]],
    ordering: list[tuple[str, bool]],
    offset: int,
    limit: int | None,
    indexed: bool,
    after: list[dict[str, Any]],
) -> None:
    if sum(operator == "contains" for _, operator, _ in filters) > 1:
        filters = filters[:1]
    ticks = itertools.count(1_000_000)
    database = Database(DATABASE, lambda: next(ticks))
    threshold, store._INDEXED_FROM = store._INDEXED_FROM, -1 if indexed else 1000
    try:
        old = {f"d{number:02}": data for number, data in enumerate(before)}
        new = {f"d{number * 2:02}": data for number, data in enumerate(after)}
        write(database, old)
        moment = database.read_time()
        write(database, {**dict.fromkeys(old), **new})
        wire_query = structured(filters, ordering, offset, limit)
        asked = parse_query(DATABASE, "", wire_query)
        for micros, data in ((None, new), (moment, old)):
            found = asyncio.run(search.run(database, asked, micros)).documents
            expected = naive(data, filters, ordering, offset, limit)
            assert [document.name.rpartition("/")[2] for document in found] == expected
    finally:
        store._INDEXED_FROM = threshold


def write(database: Database, data: Mapping[str, dict[str, Any] | None]) -> None:
    changes = []
    for name, each in data.items():
        path = f"c/{name}"
        document = None
        if each is not None:
            document = Document(name=f"{DATABASE}/documents/{path}")
            for field, value in each.items():
                document.fields[field].CopyFrom(wire(value))
        changes.append((path, document))
    database.apply(database.next_time(), changes)


def structured(filters: Any, ordering: Any, offset: int, limit: int | None) -> Any:
    asked = StructuredQuery.pb()(offset=offset)
    asked.from_.add(collection_id="c")
    for field, operator, operand in filters:
        asked.where.composite_filter.op = 1
        each = asked.where.composite_filter.filters.add().field_filter
        each.field.field_path, each.op = field, OPERATORS[operator]
        each.value.CopyFrom(wire([operand]) if operator == "in" and not isinstance(operand, list) else wire(operand))
        if operator == "in" and isinstance(operand, list):
            each.value.Clear()
            each.value.array_value.values.add().CopyFrom(wire(operand))
    for field, downwards in ordering:
        asked.order_by.add(direction=2 if downwards else 1).field.field_path = field
    if limit is not None:
        asked.limit.value = limit
    return asked


def test_long_values_are_told_apart_although_indexes_cut_them(db: Any, collection: Any) -> None:
    prefix = "x" * (entries.PREFIX + 50)
    batch = db.batch()
    for number in range(100):
        batch.set(collection.document(f"d{number:02}"), {"text": f"{prefix}{99 - number:02}"})
    batch.commit()
    ordered = collection.order_by("text").start_after({"text": f"{prefix}10"}).limit(3)
    assert [snapshot.id for snapshot in ordered.stream()] == ["d88", "d87", "d86"]
    assert [snapshot.id for snapshot in collection.where(filter=FieldFilter("text", "==", f"{prefix}42")).stream()] == [
        "d57"
    ]
