"""Nearest-neighbour search: the documents whose vector lies closest to the query's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter, mul
from typing import Any

from local.standins.firestore import masks, paths, values
from local.standins.firestore.wire import Document, Value, invalid

_EUCLIDEAN, _COSINE, _DOT_PRODUCT = 1, 2, 3
_MOST = 1000


@dataclass(frozen=True)
class Nearest:
    field: paths.FieldPath
    vector: tuple[float, ...]
    measure: int
    limit: int
    result_field: paths.FieldPath | None
    threshold: float | None

    def choose(self, documents: Iterable[Document]) -> list[Document]:
        """Return the closest documents in order, each with its distance if the query names a field for it."""
        ranked = []
        for document in documents:
            vector = self._vector(document)
            distance = self._distance(vector) if vector is not None else None
            if distance is not None and (self.threshold is None or self._rank(distance) <= self._rank(self.threshold)):
                ranked.append((self._rank(distance), distance, document))
        ranked.sort(key=itemgetter(0))
        return [self._with_distance(document, distance) for _, distance, document in ranked[: self.limit]]

    def _vector(self, document: Document) -> list[float] | None:
        value = values.lookup(document, self.field)
        if value is None or value.WhichOneof("value_type") != "map_value" or not values.is_vector(value):
            return None
        vector = values.vector_of(value)
        return vector if len(vector) == len(self.vector) else None

    def _distance(self, vector: list[float]) -> float | None:
        if self.measure == _EUCLIDEAN:
            return math.dist(vector, self.vector)
        product = _product(vector, self.vector)
        if self.measure == _DOT_PRODUCT:
            return product
        lengths = math.sqrt(_product(vector, vector) * _product(self.vector, self.vector))
        return 1 - product / lengths if lengths else None

    def _rank(self, distance: float) -> float:
        """Return a sort key: smaller is closer."""
        return -distance if self.measure == _DOT_PRODUCT else distance

    def _with_distance(self, document: Document, distance: float) -> Document:
        if self.result_field is None:
            return document
        answer = masks.masked(document, None, copied=True)
        masks.put(answer, self.result_field, Value(double_value=distance))
        return answer


def read(wire: Any) -> Nearest:
    """What `FindNearest` asks for."""
    vector = wire.query_vector
    if vector.WhichOneof("value_type") != "map_value" or not values.is_vector(vector):
        raise invalid("find_nearest requires a query vector.")
    if wire.distance_measure not in (_EUCLIDEAN, _COSINE, _DOT_PRODUCT):
        raise invalid("find_nearest requires a distance measure.")
    if not 1 <= wire.limit.value <= _MOST:
        raise invalid(f"The limit of find_nearest must be from 1 to {_MOST}.")
    return Nearest(
        field=paths.parse_field(wire.vector_field.field_path),
        vector=tuple(values.vector_of(vector)),
        measure=wire.distance_measure,
        limit=wire.limit.value,
        result_field=paths.parse_field(wire.distance_result_field) if wire.distance_result_field else None,
        threshold=wire.distance_threshold.value if wire.HasField("distance_threshold") else None,
    )


def _product(first: Iterable[float], second: Iterable[float]) -> float:
    return float(sum(map(mul, first, second)))
