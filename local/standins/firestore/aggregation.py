"""Counts, sums and averages over the documents that answer a query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from local.standins.firestore import paths, values
from local.standins.firestore.wire import Document, Value, invalid

_MOST = 5
_INTEGERS = range(-(2**63), 2**63)


def aggregated_fields(aggregations: Sequence[Any]) -> list[paths.FieldPath]:
    """Return the fields that are summed or averaged."""
    fields = []
    for aggregation in aggregations:
        kind = aggregation.WhichOneof("operator")
        if kind in ("sum", "avg"):
            fields.append(paths.parse_field(getattr(aggregation, kind).field.field_path))
    return list(dict.fromkeys(fields))


def aliases(aggregations: Sequence[Any]) -> list[str]:
    """Return the names of the aggregations' results; unnamed ones are numbered."""
    if not aggregations:
        raise invalid("Aggregations can not be empty.")
    if len(aggregations) > _MOST:
        raise invalid(f"A query may have at most {_MOST} aggregations.")
    named = [aggregation.alias for aggregation in aggregations]
    number = 0
    for index, alias in enumerate(named):
        if not alias:
            number += 1
            named[index] = f"field_{number}"
    if len(set(named)) < len(named):
        twice = next(alias for alias in named if named.count(alias) > 1)
        raise invalid(f"Aggregation aliases contain duplicate alias: {twice}")
    return named


def most_counted(aggregations: Sequence[Any]) -> int | None:
    """Return how many documents must be read if all aggregations are counts with an upper bound, else None."""
    bounds = []
    for aggregation in aggregations:
        if aggregation.WhichOneof("operator") != "count" or not aggregation.count.HasField("up_to"):
            return None
        if aggregation.count.up_to.value <= 0:
            raise invalid("up_to must be greater than 0.")
        bounds.append(int(aggregation.count.up_to.value))
    return max(bounds)


def aggregate(documents: Sequence[Document], aggregations: Sequence[Any]) -> dict[str, Value]:
    """Return the results by alias."""
    return {
        alias: _result_of(documents, aggregation)
        for alias, aggregation in zip(aliases(aggregations), aggregations, strict=True)
    }


def _result_of(documents: Sequence[Document], wire: Any) -> Value:
    kind = wire.WhichOneof("operator")
    if kind == "count":
        count = len(documents)
        return Value(integer_value=min(count, wire.count.up_to.value) if wire.count.HasField("up_to") else count)
    if kind not in ("sum", "avg"):
        raise invalid("An aggregation must be a count, a sum or an average.")
    field = paths.parse_field(getattr(wire, kind).field.field_path)
    field_values = [] if field == paths.NAME else [values.lookup(document, field) for document in documents]
    numbers = [
        number for value in field_values if value is not None and (number := values.number_of(value)) is not None
    ]
    return _sum(numbers) if kind == "sum" else _average(numbers)


def _sum(numbers: list[int | float]) -> Value:
    if all(isinstance(number, int) for number in numbers):
        total = sum(numbers)
        if total in _INTEGERS:
            return Value(integer_value=int(total))
        return Value(double_value=float(total))
    return Value(double_value=_double_sum(numbers))


def _average(numbers: list[int | float]) -> Value:
    if not numbers:
        return Value(null_value=0)
    if all(isinstance(number, int) for number in numbers):
        return Value(double_value=sum(numbers) / len(numbers))
    return Value(double_value=_double_sum(numbers) / len(numbers))


def _double_sum(numbers: list[int | float]) -> float:
    if all(map(math.isfinite, numbers)):
        try:
            return math.fsum(numbers)
        except OverflowError:
            return float(sum(map(float, numbers)))
    return float(sum(map(float, numbers)))
