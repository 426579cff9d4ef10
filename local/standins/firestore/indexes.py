"""Which queries the database has indexes for, as the JSON file that Terraform deploys says.

Firestore answers a query only from indexes. Without composite indexes it has, per field, an ascending, a descending
and an array-contains index for queries of one collection, unless the file overrides that for the field or, as `*`, for
all fields of a collection group. An index is read in one direction only; its entries end in the document's name, which
sorts like the last field before it. It serves a query if it consists of fields compared for equality (or by
array-contains) followed by exactly the query's order. Several indexes that end in the same order serve together (a
zig-zag merge) what they do not serve alone. Each part of a disjunction is served on its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

from local.standins.firestore import paths
from local.standins.firestore.conditions import Condition
from local.standins.firestore.query import Order, Query
from local.standins.firestore.wire import Refusal, failed_precondition

Scope = Literal["COLLECTION", "COLLECTION_GROUP"]
Mode = Literal["ASCENDING", "DESCENDING", "CONTAINS", "VECTOR"]
Part = tuple[paths.FieldPath, Mode]
_SHORT = {"ASCENDING": "ASC", "DESCENDING": "DESC", "CONTAINS": "CONTAINS", "VECTOR": "VECTOR"}
_AUTOMATIC: frozenset[tuple[Scope, Mode]] = frozenset(
    {("COLLECTION", "ASCENDING"), ("COLLECTION", "DESCENDING"), ("COLLECTION", "CONTAINS")}
)


@dataclass(frozen=True)
class Index:
    """One index: its fields in order, the name at the end included."""

    scope: Scope
    parts: tuple[Part, ...]

    def describe(self, dimension: int) -> dict[str, str]:
        """As query plans show it. `dimension`: of the vectors that the query asks for."""
        short = {**_SHORT, "VECTOR": f"VECTOR<{dimension}>"}
        fields = ", ".join(f"{paths.format_field(field)} {short[mode]}" for field, mode in self.parts)
        return {"query_scope": self.scope.replace("_", " ").capitalize(), "properties": f"({fields})"}


@dataclass(frozen=True)
class _Need:
    """The index requirements of one part of a disjunction: fields compared for equality, then the order."""

    group: str
    scope: Scope
    equal: frozenset[Part]
    """Fields compared for equality (as ASCENDING) or array-contains (as CONTAINS)."""
    suffix: tuple[Part, ...]

    def covered(self, index: Index) -> frozenset[Part] | None:
        """Return the part of `equal` that an index serves, or None if the index does not end in the order."""
        head = len(index.parts) - len(self.suffix)
        if index.scope != self.scope or head < 0 or index.parts[head:] != self.suffix:
            return None
        parts = [(field, "CONTAINS" if mode == "CONTAINS" else "ASCENDING") for field, mode in index.parts[:head]]
        covered = frozenset(part for part in self.equal if part in parts)
        return covered if len(covered) == len(parts) else None

    def perfect(self) -> Index:
        """Return the single index that would serve the whole need."""
        first = sorted(self.equal, key=lambda part: (part[1] != "CONTAINS", part[0]))
        return Index(self.scope, (*first, *self.suffix))


class Indexes:
    """The indexes that a file declares; without a file, every possible index."""

    def __init__(self, file: Path | None) -> None:
        declared: dict[str, Any] = json.loads(file.read_text()) if file is not None else {}
        self._file = file.name if file is not None else None
        self._composites: dict[str, list[Index]] = {}
        self._overrides: dict[str, dict[paths.FieldPath, frozenset[tuple[Scope, Mode]]]] = {}
        self.ttl: dict[str, paths.FieldPath] = {}
        """The TTL field of each collection id."""
        for entry in (*declared.get("indexes", ()), *declared.get("vectorIndexes", ())):
            index = Index(entry.get("queryScope", "COLLECTION"), _completed(_parts(entry["fields"])))
            self._composites.setdefault(entry["collectionGroup"], []).append(index)
        for entry in declared.get("fieldOverrides", ()):
            self._override(entry)

    def check(self, query: Query) -> list[Index]:
        """Return the indexes that serve the query. Raises Refusal if one is missing."""
        used: list[Index] = []
        for branch in query.branches:
            needs = list(_needs(query, branch))
            serving = next((served for need in needs if (served := self._serve(need)) is not None), None)
            if serving is None:
                raise self._missing(query, needs[0])
            used += [index for index in serving if index not in used]
        return used

    def _override(self, declared: Any) -> None:
        group, text = declared["collectionGroup"], declared["fieldPath"]
        field = ("*",) if text == "*" else paths.parse_field(text)
        if declared.get("ttl"):
            self.ttl[group] = field
        if "indexes" in declared:
            modes: frozenset[tuple[Scope, Mode]] = frozenset(
                (entry.get("queryScope", "COLLECTION"), _mode(entry)) for entry in declared["indexes"]
            )
            self._overrides.setdefault(group, {})[field] = modes

    def _serve(self, need: _Need) -> list[Index] | None:
        if self._file is None or (not need.equal and need.suffix == ((paths.NAME, "ASCENDING"),)):
            return [need.perfect()]
        candidates = [
            (covered, index)
            for index in self._candidates(need)
            if (covered := need.covered(index)) is not None and (covered or not need.equal)
        ]
        # The index that finds most comes first, so that as few as possible are merged.
        candidates.sort(key=lambda candidate: -len(candidate[0]))
        left, used = need.equal, list[Index]()
        for covered, index in candidates:
            if not used or covered & left:
                used.append(index)
                left -= covered
            if not left:
                return used
        return None

    def _candidates(self, need: _Need) -> Iterator[Index]:
        yield from self._composites.get(need.group, ())
        for field in sorted({field for field, _ in (*need.equal, *need.suffix)} - {paths.NAME}):
            for scope, mode in sorted(self._automatic(need.group, field)):
                yield Index(scope, _completed([(field, mode)]))

    def _automatic(self, group: str, field: paths.FieldPath) -> frozenset[tuple[Scope, Mode]]:
        """The single-field indexes of a field: as declared for it, for a map around it, or for the whole group."""
        overrides = self._overrides.get(group, {})
        for length in range(len(field), 0, -1):
            if field[:length] in overrides:
                return overrides[field[:length]]
        return overrides.get(("*",), _AUTOMATIC)

    def _missing(self, query: Query, need: _Need) -> Refusal:
        parts = list(need.perfect().parts)
        if _completed(parts[:-1]) == tuple(parts):
            parts.pop()
        fields = ", ".join(f"{paths.format_field(field)} {mode}" for field, mode in parts)
        lead = "The query requires an index."
        if len(parts) == 1 and parts[0][0] != paths.NAME:
            kind = f"{need.scope}_{_SHORT[parts[0][1]]}"
            lead += f" It requires a {kind} index for collection {need.group} and field {fields.rpartition(' ')[0]}."
            place = "fieldOverrides"
            entry = {"collectionGroup": need.group, "fieldPath": fields.rpartition(" ")[0]}
            declared: dict[str, Any] = {**entry, "indexes": [{"queryScope": need.scope, **_declared_mode(parts[0][1])}]}
        else:
            place = "indexes"
            columns = [{"fieldPath": paths.format_field(field), **_declared_mode(mode)} for field, mode in parts]
            declared = {"collectionGroup": need.group, "queryScope": need.scope, "fields": columns}
        return failed_precondition(
            f"{lead} Missing for collection group {need.group}, scope {need.scope}: {fields}. "
            f"You can create it in {self._file}, under {place}: {json.dumps(declared)}"
        )


def _needs(query: Query, branch: Sequence[Condition]) -> Iterator[_Need]:
    """What a part of the disjunction needs; several where the order leaves fields open."""
    equal: set[Part] = set()
    for condition in branch:
        if condition.operator == "==":
            equal.add((condition.field, "ASCENDING"))
        elif condition.operator == "array-contains":
            equal.add((condition.field, "CONTAINS"))
    fixed = {field for field, mode in equal if mode == "ASCENDING"}
    scope: Scope = "COLLECTION_GROUP" if query.descendants else "COLLECTION"
    for orders in _orders(query):
        suffix: tuple[Part, ...] = tuple(_part(order) for order in orders if order.field not in fixed)
        if paths.NAME in fixed:
            suffix = ((paths.NAME, "ASCENDING"),)
        if query.vector_field is not None:
            suffix = (*suffix, (query.vector_field, "VECTOR"))
        named = frozenset(part for part in equal if part[0] != paths.NAME)
        yield _Need(query.collection_id or "", scope, named, suffix)


def _orders(query: Query) -> Iterator[Sequence[Order]]:
    """The query's order, with its aggregated fields at the end in any order and direction."""
    yield query.orders
    tail = [order.field for order in query.orders if order.field in query.aggregated]
    if not tail or query.explicit_orders:
        return
    head = [order for order in query.orders if order.field not in tail and order.field != paths.NAME]
    for fields in permutations(tail):
        for downwards in (False, True):
            yield [*head, *(Order(field, downwards) for field in fields), Order(paths.NAME, downwards)]


def _part(order: Order) -> Part:
    return order.field, "DESCENDING" if order.downwards else "ASCENDING"


def _parts(fields: Sequence[Any]) -> list[Part]:
    return [(paths.parse_field(field["fieldPath"]), _mode(field)) for field in fields]


def _mode(declared: Any) -> Mode:
    if "vectorConfig" in declared:
        return "VECTOR"
    if "arrayConfig" in declared:
        return "CONTAINS"
    return "DESCENDING" if declared.get("order") == "DESCENDING" else "ASCENDING"


def _declared_mode(mode: Mode) -> dict[str, str]:
    return {"arrayConfig": "CONTAINS"} if mode == "CONTAINS" else {"order": mode}


def _completed(parts: Sequence[Part]) -> tuple[Part, ...]:
    """With the name, where it is not spelled out: last, or before a vector, in the direction of the field before it."""
    if any(field == paths.NAME for field, _ in parts):
        return tuple(parts)
    vectors = [part for part in parts if part[1] == "VECTOR"]
    others = [part for part in parts if part[1] != "VECTOR"]
    downwards = bool(others) and others[-1][1] == "DESCENDING"
    return (*others, (paths.NAME, "DESCENDING" if downwards else "ASCENDING"), *vectors)
