"""The order of Firestore's values, as bytes.

`encode` maps every value to bytes that compare like the values do, across types: null < booleans < numbers (NaN first)
< timestamps < strings < bytes < references < geo points < arrays < vectors < maps. No encoding is a prefix of another,
so that encodings can be joined to order by several fields, and inverted byte by byte to order downwards. Two values are
equal to Firestore (1 and 1.0, 0.0 and -0.0) exactly if their encodings are equal.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from local.standins.firestore import paths
from local.standins.firestore.wire import Document, Value, invalid

NULL, BOOLEAN, NUMBER, TIMESTAMP, STRING, BYTES, REFERENCE, GEO_POINT, ARRAY, VECTOR, MAP = range(1, 12)
"""The first byte of an encoding: the value's type in the order of types."""

_END = b"\0"
_TAG = [bytes([tag]) for tag in range(12)]
_NUMBER = struct.Struct(">BQH")
_TIME = struct.Struct(">BQI")
_SIGN = 1 << 63
_INVERT = bytes(255 - byte for byte in range(256))
_NAN = _NUMBER.pack(NUMBER, 0, 0x8000)


def encode(value: Value) -> bytes:
    """Return the bytes that order a value. Raises Refusal for one that no document can hold."""
    kind = value.WhichOneof("value_type")
    try:
        return _ENCODERS[kind](value)
    except KeyError:
        raise invalid(f"A {kind} can be neither stored nor compared.") from None
    except struct.error:
        raise invalid(f"A {kind} is out of range.") from None


def inverted(encoded: bytes) -> bytes:
    """Return bytes that sort in the opposite order of `encoded`."""
    return encoded.translate(_INVERT)


def lookup(document: Document, path: paths.FieldPath) -> Value | None:
    """Return the value at a field path (not `__name__`), or None if there is none."""
    fields = document.fields
    for part in path[:-1]:
        inner = fields.get(part)
        if inner is None or inner.WhichOneof("value_type") != "map_value":
            return None
        fields = inner.map_value.fields
    value: Value | None = fields.get(path[-1])
    return value


def has(document: Document, path: paths.FieldPath) -> bool:
    return path == paths.NAME or lookup(document, path) is not None


def field_bytes(document: Document, path: paths.FieldPath) -> bytes | None:
    """Return the encoded value at a field path or of `__name__`, or None if there is none."""
    if path == paths.NAME:
        return encode_reference(document.name)
    value = lookup(document, path)
    return None if value is None else encode(value)


def is_vector(value: Value) -> bool:
    """Vectors travel as maps with a type mark."""
    fields = value.map_value.fields
    return "__type__" in fields and fields["__type__"].string_value == "__vector__"


def vector_of(value: Value) -> list[float]:
    return [float(_number(item)) for item in value.map_value.fields["value"].array_value.values]


def encode_reference(name: str) -> bytes:
    database, path = paths.split(name)
    return _TAG[REFERENCE] + _text(database.encode()) + paths.order_key(path)


def _text(raw: bytes) -> bytes:
    return (raw.replace(b"\0", b"\0\xff") if b"\0" in raw else raw) + b"\0\x01"


def _null(value: Value) -> bytes:
    return _TAG[NULL]


def _boolean(value: Value) -> bytes:
    return b"\x02\x01" if value.boolean_value else b"\x02\x00"


def _integer(value: Value) -> bytes:
    # An integer sorts by the nearest double, then by what that double is off by.
    nearest = float(value.integer_value)
    return _NUMBER.pack(NUMBER, _double_bits(nearest), value.integer_value - int(nearest) + 0x8000)


def _double(value: Value) -> bytes:
    number = value.double_value
    return _NAN if number != number else _NUMBER.pack(NUMBER, _double_bits(number), 0x8000)


def _double_bits(number: float) -> int:
    bits: int = struct.unpack(">Q", struct.pack(">d", number + 0.0))[0]
    return bits ^ 0xFFFFFFFFFFFFFFFF if bits & _SIGN else bits | _SIGN


def _timestamp(value: Value) -> bytes:
    # Firestore keeps microseconds.
    nanos = value.timestamp_value.nanos
    return _TIME.pack(TIMESTAMP, value.timestamp_value.seconds + _SIGN, nanos - nanos % 1000)


def _string(value: Value) -> bytes:
    return _TAG[STRING] + _text(value.string_value.encode())


def _bytes(value: Value) -> bytes:
    return _TAG[BYTES] + _text(value.bytes_value)


def _reference(value: Value) -> bytes:
    return encode_reference(value.reference_value)


def _geo_point(value: Value) -> bytes:
    point = value.geo_point_value
    return struct.pack(">BQQ", GEO_POINT, _double_bits(point.latitude), _double_bits(point.longitude))


def _array(value: Value) -> bytes:
    return _TAG[ARRAY] + b"".join(map(encode, value.array_value.values)) + _END


def _map(value: Value) -> bytes:
    if is_vector(value):
        numbers = vector_of(value)
        return struct.pack(f">BI{len(numbers)}Q", VECTOR, len(numbers), *map(_double_bits, numbers))
    fields = value.map_value.fields
    return _TAG[MAP] + b"".join(b"\x01" + _text(key.encode()) + encode(fields[key]) for key in sorted(fields)) + _END


def _unset(value: Value) -> bytes:
    return _TAG[NULL]


_ENCODERS: dict[Any, Callable[[Value], bytes]] = {
    None: _unset,
    "null_value": _null,
    "boolean_value": _boolean,
    "integer_value": _integer,
    "double_value": _double,
    "timestamp_value": _timestamp,
    "string_value": _string,
    "bytes_value": _bytes,
    "reference_value": _reference,
    "geo_point_value": _geo_point,
    "array_value": _array,
    "map_value": _map,
}


def is_number(value: Value) -> bool:
    return value.WhichOneof("value_type") in ("integer_value", "double_value")


def is_nan(value: Value) -> bool:
    return value.WhichOneof("value_type") == "double_value" and math.isnan(value.double_value)


def _number(value: Value) -> int | float:
    number: int | float = (
        value.integer_value if value.WhichOneof("value_type") == "integer_value" else value.double_value
    )
    return number


def number_of(value: Value) -> int | float | None:
    """Return a numeric value as int or float, or None for values of other types."""
    return _number(value) if is_number(value) else None
