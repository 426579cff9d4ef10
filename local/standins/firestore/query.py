"""A structured query in normal form: its collections, filter, order, cursors, offset and limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from local.standins.firestore import conditions, nearest, paths, values
from local.standins.firestore.conditions import Condition, Filter
from local.standins.firestore.nearest import Nearest
from local.standins.firestore.store import Collection, Database, Record
from local.standins.firestore.wire import Cursor, Document, StructuredQuery, invalid

_DESCENDING = 2


@dataclass(frozen=True)
class Order:
    field: paths.FieldPath
    downwards: bool = False


@dataclass(frozen=True)
class Bound:
    """A cursor: the joined encodings of its values, and whether it lies before or after documents equal to them."""

    key: bytes
    before: bool
    first: bytes | None = None
    """The encoding of its first value, where it is known."""

    def precedes(self, key: bytes) -> bool:
        """Return whether a document with this sort key comes after the cursor."""
        return key >= self.key if self.before else key > self.key and not key.startswith(self.key)


@dataclass(frozen=True)
class Query:
    """A checked `StructuredQuery` under a parent."""

    database: str
    parent: str
    collection_id: str | None
    """None: every collection (a query without a kind)."""
    descendants: bool
    filter: Filter
    branches: tuple[tuple[Condition, ...], ...]
    """The filter in disjunctive normal form."""
    explicit_orders: tuple[Order, ...]
    orders: tuple[Order, ...]
    """The complete order: the explicit one, then the fields of inequalities, and the name last."""
    start: Bound | None
    end: Bound | None
    offset: int
    limit: int | None
    projection: tuple[paths.FieldPath, ...] | None
    aggregated: tuple[paths.FieldPath, ...] = ()
    nearest: Nearest | None = None
    unordered: bool = False
    """Whether the order does not matter, so that sort keys need not be computed."""

    @property
    def vector_field(self) -> paths.FieldPath | None:
        return self.nearest.field if self.nearest is not None else None

    @property
    def needed(self) -> int | None:
        """The number of leading matches that the answer needs; None: all."""
        return None if self.limit is None else self.offset + self.limit

    def sort_key(self, document: Document) -> bytes | None:
        """Return the document's place in the order as bytes, or None if it lacks a field of the order."""
        parts = []
        for order in self.orders:
            encoded = values.field_bytes(document, order.field)
            if encoded is None:
                return None
            parts.append(values.inverted(encoded) if order.downwards else encoded)
        return b"".join(parts)

    def place(self, document: Document) -> bytes | None:
        """Return the sort key of a document that matches, or None. Ignores limit and offset."""
        if not self.filter.matches(document):
            return None
        if self.unordered:
            return b"" if all(values.has(document, order.field) for order in self.orders) else None
        key = self.sort_key(document)
        if key is None or (self.start is not None and not self.start.precedes(key)):
            return None
        return None if self.end is not None and self.end.precedes(key) else key

    def collections(self, database: Database) -> Iterable[Collection]:
        if self.collection_id is not None and not self.descendants:
            collection = database.collection(self._direct_path())
            return () if collection is None else (collection,)
        candidates = database.collections() if self.collection_id is None else database.group(self.collection_id)
        return [candidate for candidate in candidates if self._holds_collection(candidate.path)]

    def concerns(self, record: Record, since: int, last: bytes | None) -> bool:
        """Return whether a record's change after `since` can change the query's answer.

        `last` is the sort key of the last document of an answer that the limit cut off; documents behind it do not
        count.
        """
        if not self.holds(record.path):
            return False
        states = (state for state in (record.at(since), record.document) if state is not None)
        keys = [key for key in map(self.place, states) if key is not None]
        return bool(keys) and (last is None or min(keys) <= last)

    def holds(self, path: str) -> bool:
        """Return whether a document of this path lies in one of the query's collections."""
        return self._holds_collection(path.rpartition("/")[0])

    def _direct_path(self) -> str:
        return f"{self.parent}/{self.collection_id}" if self.parent else f"{self.collection_id}"

    def _holds_collection(self, path: str) -> bool:
        if self.collection_id is not None and not self.descendants:
            return path == self._direct_path()
        above, _, collection_id = path.rpartition("/")
        if self.collection_id is not None and collection_id != self.collection_id:
            return False
        if not self.descendants:
            return above == self.parent
        return not self.parent or above == self.parent or above.startswith(self.parent + "/")


def parse_query(database: str, parent: str, wire: StructuredQuery, aggregated: Sequence[paths.FieldPath] = ()) -> Query:
    """Parse and check a query under `parent` (a document's path, or empty for the root).

    `aggregated` are the fields to be summed or averaged. As with the fields of an order, documents without them do not
    match, and the results are ordered by them unless the query has an order of its own.
    """
    if len(wire.from_) != 1:
        raise invalid("A query must look in exactly one collection, or in all descendants.")
    selector = wire.from_[0]
    collection_id = paths.check_collection_id(selector.collection_id) if selector.collection_id else None
    descendants = bool(selector.all_descendants)
    direct = f"{parent}/{collection_id}".lstrip("/") if collection_id is not None and not descendants else ""
    filter_: Filter = conditions.EVERYTHING
    if wire.HasField("where"):
        filter_ = conditions.Reader(database, direct).read(wire.where)
    branches = conditions.disjunctions(filter_)
    conditions.check_array_contains(branches)
    explicit = tuple(
        Order(paths.parse_field(wire_order.field.field_path), wire_order.direction == _DESCENDING)
        for wire_order in wire.order_by
    )
    if len({order.field for order in explicit}) < len(explicit):
        raise invalid("order by clause cannot contain duplicate fields")
    if any(order.field == paths.NAME for order in explicit[:-1]):
        raise invalid("order by clause cannot contain more fields after the key")
    orders = _completed_orders(explicit, filter_, aggregated)
    if collection_id is None and any(wire_order.field != paths.NAME for wire_order in conditions.conditions(filter_)):
        raise invalid("kind is required for filter: only __name__ can be filtered on")
    if collection_id is None and any(order.field != paths.NAME for order in orders):
        raise invalid("kind is required for all orders except __key__ ascending")
    if wire.offset < 0 or (wire.HasField("limit") and wire.limit.value < 0):
        raise invalid("offset and limit must not be negative.")
    return Query(
        database=database,
        parent=parent,
        collection_id=collection_id,
        descendants=descendants,
        filter=filter_,
        branches=tuple(branches),
        explicit_orders=explicit,
        orders=orders,
        start=_bound(wire.start_at, orders) if wire.HasField("start_at") else None,
        end=_bound(wire.end_at, orders) if wire.HasField("end_at") else None,
        offset=wire.offset,
        limit=wire.limit.value if wire.HasField("limit") else None,
        projection=_projection(wire),
        aggregated=tuple(aggregated),
        nearest=nearest.read(wire.find_nearest) if wire.HasField("find_nearest") else None,
    )


def _completed_orders(
    explicit: tuple[Order, ...], filter_: Filter, aggregated: Sequence[paths.FieldPath]
) -> tuple[Order, ...]:
    orders = list(explicit)
    downwards = orders[-1].downwards if orders else False
    named = {order.field for order in orders}
    unequal = {condition.field for condition in conditions.conditions(filter_) if condition.inequality}
    left = [*sorted(unequal, key=paths.format_field), *sorted(aggregated, key=paths.format_field)]
    orders += [Order(field, downwards) for field in dict.fromkeys(left) if field not in named | {paths.NAME}]
    if paths.NAME not in named:
        orders.append(Order(paths.NAME, downwards))
    else:
        # Names are unique: what would be ordered after them only has to be there.
        orders.sort(key=lambda order: order.field == paths.NAME)
    return tuple(orders)


def _bound(wire: Cursor, orders: tuple[Order, ...]) -> Bound | None:
    if len(wire.values) > len(orders):
        raise invalid("Cursor has too many values.")
    parts = []
    for value, order in zip(wire.values, orders, strict=False):
        if order.field == paths.NAME and value.WhichOneof("value_type") != "reference_value":
            raise invalid("Cursor position for __name__ must be a document reference.")
        encoded = values.encode(value)
        parts.append(values.inverted(encoded) if order.downwards else encoded)
    return Bound(b"".join(parts), bool(wire.before), values.encode(wire.values[0])) if parts else None


def _projection(wire: StructuredQuery) -> tuple[paths.FieldPath, ...] | None:
    if not wire.HasField("select"):
        return None
    fields = tuple(paths.parse_field(reference.field_path) for reference in wire.select.fields)
    return tuple(field for field in fields if field != paths.NAME)
