"""Reading request messages as Google's JSON parser does: both casings, strict about names and types.

Field names may come in camelCase or snake_case; what is read comes out in camelCase. The keys of maps (the names of a
schema's properties) and of free JSON are the caller's own and stay as they are.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from local.standins.gemini.errors import bad_request
from local.standins.gemini.fields import ENUMS, MESSAGES, ONE_OF

_PACKAGE = "type.googleapis.com/google.ai.generativelanguage.v1beta"
_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_INT_RANGE = {"int32": 2**31, "int64": 2**63}

Violations = list[tuple[str, str]]


def read_message(message: str, value: dict[str, Any]) -> dict[str, Any]:
    """Parse a message. Raises the 400 that names every unknown field and every value of the wrong type."""
    reader = _Reader()
    read: dict[str, Any] = reader.message(message, value, "")
    if reader.violations:
        raise bad_request(reader.violations)
    return read


@cache
def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: "_" + match.group(1).lower(), name)


@cache
def _field_names(message: str) -> dict[str, str]:
    """Return the fields' names by each casing in which they may come."""
    return {spelled: name for name in MESSAGES[message] for spelled in (name, camel(name))}


class _Reader:
    def __init__(self) -> None:
        self.violations: Violations = []

    def message(self, message: str, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._wrong(path, f"{_PACKAGE}.{message}", value)
        fields = _field_names(message)
        group, exclusive = ONE_OF.get(message, ("", ()))
        read: dict[str, Any] = {}
        for key, field_value in value.items():
            if (name := fields.get(key)) is None:
                self._unknown(key, path)
                continue
            if field_value is None:
                continue
            if name in exclusive and any(camel(other) in read for other in exclusive):
                at = f"at '{path}' " if path else ""
                words = f"Invalid value {at}(oneof), oneof field '{group}' is already set. Cannot set '{camel(name)}'"
                self.violations.append((path, words))
                continue
            read[camel(name)] = self._field(MESSAGES[message][name], field_value, f"{path}.{name}" if path else name)
        return read

    def _field(self, kind: str, value: Any, path: str) -> Any:
        if kind.startswith("["):
            # A single value where a list belongs is read as a list of one: documented samples are written that way.
            values = value if isinstance(value, list) else [value]
            return [self._field(kind[1:-1], item, f"{path}[{index}]") for index, item in enumerate(values)]
        if kind.startswith("{"):
            if not isinstance(value, dict):
                return self._wrong(path, "Map", value)
            return {key: self._field(kind[1:-1], item, f"{path}[{key!r}]") for key, item in value.items()}
        if kind.startswith("enum:"):
            return self._enum(kind.removeprefix("enum:"), value, path)
        if kind in MESSAGES:
            return self.message(kind, value, path)
        if (scalar := _SCALARS[kind](value)) is _WRONG:
            return self._wrong(path, _TYPE_NAMES[kind], value)
        return scalar

    def _enum(self, name: str, value: Any, path: str) -> Any:
        if isinstance(value, str) and value.upper() in ENUMS[name]:
            return value.upper()
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(ENUMS[name]):
            return ENUMS[name][value]
        return self._wrong(path, f"{_PACKAGE}.{name}", value)

    def _unknown(self, key: str, path: str) -> None:
        at = f" at '{path}'" if path else ""
        words = f'Invalid JSON payload received. Unknown name "{key}"{at}: Cannot find field.'
        self.violations.append((path, words))

    def _wrong(self, path: str, type_name: str, value: Any) -> None:
        excerpt = json.dumps(value) if len(json.dumps(value)) <= 200 else json.dumps(value)[:200] + "…"
        self.violations.append((path, f"Invalid value at '{path}' ({type_name}), {excerpt}"))


_WRONG = object()


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else _WRONG


def _bool(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value, _WRONG) if isinstance(value, str) else _WRONG


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return _WRONG
    try:
        number = float(value)
    except ValueError:
        return _WRONG
    return value if isinstance(value, int | float) and math.isfinite(number) else number


def _integer(limit: int) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        number = _number(value)
        if number is _WRONG or not math.isfinite(number) or number != int(number) or not -limit <= number < limit:
            return _WRONG
        return int(number)

    return read


def _bytes(value: Any) -> Any:
    """Base64, standard or URL-safe, padded or not; comes out decoded."""
    if not isinstance(value, str):
        return _WRONG
    standard = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return _WRONG


def _duration(value: Any) -> Any:
    """Comes out in seconds."""
    return float(value[:-1]) if isinstance(value, str) and _DURATION.fullmatch(value) else _WRONG


def _timestamp(value: Any) -> Any:
    """RFC 3339; comes out in seconds since 1970."""
    if not isinstance(value, str) or "T" not in value.upper():
        return _WRONG
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
    except ValueError:
        return _WRONG
    return moment.timestamp() if moment.tzinfo is not None else _WRONG


def _struct(value: Any) -> Any:
    return value if isinstance(value, dict) else _WRONG


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "bool": _bool,
    "float": _number,
    "double": _number,
    "int32": _integer(_INT_RANGE["int32"]),
    "int64": _integer(_INT_RANGE["int64"]),
    "bytes": _bytes,
    "duration": _duration,
    "timestamp": _timestamp,
    "Struct": _struct,
    "Value": lambda value: value,
}
_TYPE_NAMES = {
    **{name: f"TYPE_{name.upper()}" for name in ("string", "bool", "float", "double", "int32", "int64", "bytes")},
    "duration": "type.googleapis.com/google.protobuf.Duration",
    "timestamp": "type.googleapis.com/google.protobuf.Timestamp",
    "Struct": "type.googleapis.com/google.protobuf.Struct",
    "Value": "type.googleapis.com/google.protobuf.Value",
}
