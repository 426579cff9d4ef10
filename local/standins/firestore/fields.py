"""What a document may hold: Firestore's limits on values, names, depth and size."""

from __future__ import annotations

from typing import Any

from local.standins.firestore import paths, values
from local.standins.firestore.wire import Document, Refusal, Value, invalid

DOCUMENT_BYTES = 1024 * 1024
DEPTH = 20
_LEAF_SIZES = {
    "null_value": 1,
    "boolean_value": 1,
    "integer_value": 8,
    "double_value": 8,
    "timestamp_value": 8,
    "geo_point_value": 16,
    None: 1,
}
_TIME_RANGE = range(-62135596800, 253402300800)


def check(document: Document) -> None:
    """Raise Refusal for a document that Firestore would not store; truncate its times to the stored precision."""
    size = _name_size(document.name) + 32 + _fields_size(document.fields, 1)
    if size > DOCUMENT_BYTES:
        raise invalid(
            f"Document '{document.name}' cannot be written because its size ({size:,} bytes) exceeds the maximum "
            f"allowed size of {DOCUMENT_BYTES:,} bytes."
        )


def _name_size(name: str) -> int:
    _, path = paths.split(name)
    return 16 + sum(len(part.encode()) + 1 for part in path.split("/"))


def _fields_size(fields: Any, depth: int) -> int:
    size = 0
    for name, value in fields.items():
        paths.check_field_name(name)
        size += len(name.encode()) + 1 + _size(name, value, depth)
    return size


def _size(name: str, value: Value, depth: int) -> int:
    kind = value.WhichOneof("value_type")
    if kind == "string_value":
        return len(value.string_value.encode()) + 1
    if kind == "map_value":
        return _map_size(name, value, depth)
    if kind == "array_value":
        return _array_size(name, value, depth)
    if kind == "bytes_value":
        return len(value.bytes_value)
    if kind == "reference_value":
        return _reference_size(value.reference_value)
    if kind == "timestamp_value":
        _cut_time(name, value)
    if kind not in _LEAF_SIZES:
        raise invalid(f"Property {name} contains a value that cannot be stored: {kind}.")
    if kind == "geo_point_value" and not _on_earth(value):
        raise invalid(f"Property {name} contains an invalid geo point: latitude or longitude is out of range.")
    return _LEAF_SIZES[kind]


def _map_size(name: str, value: Value, depth: int) -> int:
    if depth >= DEPTH:
        raise _too_deep(name)
    if "__type__" in value.map_value.fields:
        return _vector_size(name, value)
    return _fields_size(value.map_value.fields, depth + 1)


def _array_size(name: str, value: Value, depth: int) -> int:
    if depth >= DEPTH:
        raise _too_deep(name)
    size = 0
    for item in value.array_value.values:
        if item.WhichOneof("value_type") == "array_value":
            raise invalid(f"Property {name} contains an invalid nested entity: an array directly within an array.")
        size += _size(name, item, depth + 1)
    return size


def _vector_size(name: str, value: Value) -> int:
    fields = value.map_value.fields
    numbers = fields["value"].array_value.values if "value" in fields else ()
    if not values.is_vector(value) or set(fields) != {"__type__", "value"} or not all(map(values.is_number, numbers)):
        raise invalid(f"Property {name} contains an invalid vector value.")
    if not 1 <= len(numbers) <= 2048:
        raise invalid(f"Property {name} contains a vector of {len(numbers)} dimensions; it must have 1 to 2048.")
    return 8 * len(numbers)


def _cut_time(name: str, value: Value) -> None:
    """Check a time and truncate it to microseconds, as Firestore stores it."""
    if value.timestamp_value.seconds not in _TIME_RANGE:
        raise invalid(f"The timestamp of property {name} is out of range.")
    rest = value.timestamp_value.nanos % 1000
    if rest:
        value.timestamp_value.nanos -= rest


def _reference_size(name: str) -> int:
    database, _ = paths.split(name)
    paths.document_path(name, database)
    return _name_size(name)


def _on_earth(value: Value) -> bool:
    point = value.geo_point_value
    return bool(-90 <= point.latitude <= 90 and -180 <= point.longitude <= 180)


def _too_deep(name: str) -> Refusal:
    return invalid(f"Property {name} contains too many nested levels: a document may be {DEPTH} levels deep.")
