"""A query's filter: parsed, checked, and matched against documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, assert_never

from local.standins.firestore import paths, values
from local.standins.firestore.wire import Document, Refusal, StructuredQuery, Value, invalid

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not-in", "array-contains", "array-contains-any"]
DISJUNCTIONS = 30
_NOT_IN = 10
_INEQUALITY_FIELDS = 10
_FIELD_OPERATORS: dict[int, Operator] = {
    1: "<",
    2: "<=",
    3: ">",
    4: ">=",
    5: "==",
    6: "!=",
    7: "array-contains",
    8: "in",
    9: "array-contains-any",
    10: "not-in",
}
_WIRE_NAMES = {
    "==": "EQUAL",
    "!=": "NOT_EQUAL",
    "<": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
    ">": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "in": "IN",
    "not-in": "NOT_IN",
    "array-contains": "ARRAY_CONTAINS",
    "array-contains-any": "ARRAY_CONTAINS_ANY",
}
_NULL = values.encode(Value(null_value=0))
_NAN = values.encode(Value(double_value=float("nan")))
# IS_NAN, IS_NULL, IS_NOT_NAN, IS_NOT_NULL
_UNARY: dict[int, tuple[Operator, bytes]] = {2: ("==", _NAN), 3: ("==", _NULL), 4: ("!=", _NAN), 5: ("!=", _NULL)}


@dataclass(frozen=True)
class Condition:
    """A field, an operator, and the encoded operands."""

    field: paths.FieldPath
    operator: Operator
    operands: tuple[bytes, ...]

    @property
    def inequality(self) -> bool:
        """Whether the condition is an inequality: results are then ordered by its field by default."""
        return self.operator in ("<", "<=", ">", ">=", "!=", "not-in")

    def matches(self, document: Document) -> bool:
        if self.operator in ("array-contains", "array-contains-any"):
            return self._is_in_array(document)
        encoded = values.field_bytes(document, self.field)
        return encoded is not None and self._compare(encoded)

    def _is_in_array(self, document: Document) -> bool:
        value = values.lookup(document, self.field) if self.field != paths.NAME else None
        if value is None or value.WhichOneof("value_type") != "array_value":
            return False
        return any(values.encode(item) in self.operands for item in value.array_value.values)

    def _compare(self, encoded: bytes) -> bool:
        """Compare as Firestore does: NaN orders before all numbers, but is less than none of them."""
        operand = self.operands[0]
        match self.operator:
            case "==" | "in":
                return encoded in self.operands
            case "!=" | "not-in":
                # Null compares with nothing, so it differs from nothing; a list with null in it excludes everything.
                return (
                    encoded != _NULL
                    and encoded not in self.operands
                    and (self.operator == "!=" or _NULL not in self.operands)
                )
            case "<":
                return encoded[0] == operand[0] and encoded < operand and encoded != _NAN
            case "<=":
                return encoded[0] == operand[0] and encoded <= operand and (encoded != _NAN or operand == _NAN)
            case ">":
                return encoded[0] == operand[0] and encoded > operand
            case ">=":
                return encoded[0] == operand[0] and encoded >= operand
            case "array-contains" | "array-contains-any":
                return False
            case _:
                assert_never(self.operator)

    def spans(self) -> list[tuple[bytes, bytes]] | None:
        """Return ranges of encodings that include every match, or None if the condition narrows no index."""
        match self.operator:
            case "==" | "in" | "array-contains" | "array-contains-any":
                return [(operand, operand) for operand in self.operands]
            case "<" | "<=":
                return [(self.operands[0][:1], self.operands[0])]
            case ">" | ">=":
                return [(self.operands[0], self.operands[0][:1] + b"\xff")]
            case "!=" | "not-in":
                return None
            case _:
                assert_never(self.operator)


@dataclass(frozen=True)
class Junction:
    """Filters joined by and (`every`), or by or."""

    every: bool
    parts: tuple[Filter, ...]

    def matches(self, document: Document) -> bool:
        for part in self.parts:
            if part.matches(document) != self.every:
                return not self.every
        return self.every


Filter = Condition | Junction
EVERYTHING = Junction(every=True, parts=())


def conditions(filter_: Filter) -> Iterator[Condition]:
    """Yield all conditions in a filter."""
    if isinstance(filter_, Condition):
        yield filter_
    else:
        for part in filter_.parts:
            yield from conditions(part)


def disjunctions(filter_: Filter) -> list[tuple[Condition, ...]]:
    """Return the filter in disjunctive normal form, with `in` and `array-contains-any` expanded."""
    if isinstance(filter_, Condition):
        if filter_.operator == "in":
            return [(Condition(filter_.field, "==", (operand,)),) for operand in filter_.operands]
        if filter_.operator == "array-contains-any":
            return [(Condition(filter_.field, "array-contains", (operand,)),) for operand in filter_.operands]
        return [(filter_,)]
    parts = [disjunctions(part) for part in filter_.parts]
    if not filter_.every:
        return [branch for branches in parts for branch in branches]
    total = 1
    for branches in parts:
        total *= len(branches)
    if total > DISJUNCTIONS:
        raise _too_many_disjunctions()
    return [tuple(condition for branch in chosen for condition in branch) for chosen in product(*parts)]


def _too_many_disjunctions() -> Refusal:
    return invalid(f"Too many disjunctions after normalization. Only up to {DISJUNCTIONS} disjunctions are allowed.")


@dataclass
class Reader:
    """Parses a filter of a query in `database`."""

    database: str
    collection: str
    """The path of the queried collection; empty for queries over descendants."""
    _conditions: list[Condition] = field(default_factory=list)

    def read(self, wire: StructuredQuery) -> Filter:
        result = self._filter(wire)
        if len(disjunctions(result)) > DISJUNCTIONS:
            raise _too_many_disjunctions()
        self._check_together()
        return result

    def _filter(self, wire: StructuredQuery) -> Filter:
        kind = wire.WhichOneof("filter_type")
        if kind == "composite_filter":
            if wire.composite_filter.op not in (1, 2):
                raise invalid("A composite filter must have the operator AND or OR.")
            if not wire.composite_filter.filters:
                raise invalid("A composite filter must have at least one sub-filter.")
            parts = tuple(map(self._filter, wire.composite_filter.filters))
            return parts[0] if len(parts) == 1 else Junction(wire.composite_filter.op == 1, parts)
        if kind == "field_filter":
            condition = self._field(wire.field_filter)
        elif kind == "unary_filter":
            condition = self._unary(wire.unary_filter)
        else:
            raise invalid("A filter must be a composite, field or unary filter.")
        self._conditions.append(condition)
        return condition

    def _unary(self, wire: StructuredQuery) -> Condition:
        if wire.op not in _UNARY:
            raise invalid("A unary filter must have an operator.")
        operator, operand = _UNARY[wire.op]
        path = paths.parse_field(wire.field.field_path)
        if path == paths.NAME:
            raise invalid("Unary filters cannot be applied to __name__.")
        return Condition(path, operator, (operand,))

    def _field(self, wire: StructuredQuery) -> Condition:
        operator = _FIELD_OPERATORS.get(wire.op)
        if operator is None:
            raise invalid("A field filter must have an operator.")
        path = paths.parse_field(wire.field.field_path)
        if operator in ("in", "not-in", "array-contains-any"):
            operands = self._list(operator, wire.value)
        else:
            operands = [wire.value]
        if path == paths.NAME:
            if operator in ("array-contains", "array-contains-any"):
                raise invalid(f"'{_WIRE_NAMES[operator]}' cannot be applied to __name__.")
            for operand in operands:
                self._check_name(operand)
        encoded = tuple(dict.fromkeys(map(values.encode, operands)))
        if _NULL in encoded and operator in ("<", "<=", ">", ">="):
            raise invalid(f"'{_WIRE_NAMES[operator]}' cannot compare with null.")
        return Condition(path, operator, encoded)

    @staticmethod
    def _list(operator: Operator, value: Value) -> list[Value]:
        name, most = _WIRE_NAMES[operator], _NOT_IN if operator == "not-in" else DISJUNCTIONS
        if value.WhichOneof("value_type") != "array_value" or not value.array_value.values:
            raise invalid(f"'{name}' requires an non-empty ArrayValue.")
        if len(value.array_value.values) > most:
            raise invalid(f"'{name}' supports up to {most} comparison values.")
        return list(value.array_value.values)

    def _check_name(self, value: Value) -> None:
        if value.WhichOneof("value_type") != "reference_value":
            raise invalid("__key__ filter value must be a Key")
        path = paths.document_path(value.reference_value, self.database)
        if self.collection and path.rpartition("/")[0] != self.collection:
            raise invalid(f"__key__ filter value must be a document of the queried collection {self.collection}.")

    def _check_together(self) -> None:
        negations = [condition for condition in self._conditions if condition.operator in ("!=", "not-in")]
        if len(negations) > 1 and any(condition.operator == "not-in" for condition in negations):
            raise invalid(
                "Only a single 'NOT_EQUAL', 'NOT_IN', 'IS_NOT_NULL', or 'IS_NOT_NAN' filter allowed per query."
            )
        if any(condition.operator == "not-in" for condition in self._conditions) and any(
            condition.operator in ("in", "array-contains-any") for condition in self._conditions
        ):
            raise invalid("'NOT_IN' cannot be used in the same query with 'IN' or 'ARRAY_CONTAINS_ANY'.")
        if len({condition.field for condition in self._conditions if condition.inequality}) > _INEQUALITY_FIELDS:
            raise invalid(f"A query may have inequality filters on at most {_INEQUALITY_FIELDS} fields.")


def check_array_contains(branches: list[tuple[Condition, ...]]) -> None:
    for branch in branches:
        if sum(condition.operator == "array-contains" for condition in branch) > 1:
            raise invalid("A maximum of 1 'ARRAY_CONTAINS' filter is allowed per disjunction.")
