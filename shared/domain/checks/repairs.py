"""Repair unambiguous mistakes in a structured answer, instead of paying for a second call.

    times     00:60, 00:01:500, 1.5s, 1:2:3        → 01:00, 00:01.500, 00:01.500, 01:02:03
    boxes     [-2, 900, 1003, 100]                 → [0, 100, 1000, 900]
    values    null for a speaker, "12" for 12, one object for a list of one, HIGH for high

Ambiguous values are left unchanged. Values of the last line are repaired only if the schema refuses them.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

from pydantic import JsonValue

from shared.domain.answer.timestamps import as_asked, meant, written_exactly
from shared.domain.answer.transcript import listed

_SCALE, _TOLERANCE = 1000, 50
"""The scale of boxes, and by how much they may exceed it. Larger values must be on another scale."""
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_TIMES = ("start", "end")
_NULLABLE = ("speaker", "language", "text")
"""Fields of a segment that may be null, whatever the schema requires: an empty text means the same."""
_MAX_NAMED = 3


class RepairLog:
    """Repairs counted by kind, with the first few of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._named: dict[str, list[str]] = {}

    def add(self, kind: str, before: str, after: str, where: str = "") -> None:
        self._counts[kind] += 1
        named = self._named.setdefault(kind, [])
        if len(named) < _MAX_NAMED:
            named.append(f"{where and f'{where}: '}{_shorten(before)} → {_shorten(after)}")

    def sentences(self) -> tuple[str, ...]:
        return tuple(
            f"{count} {kind}{'s' if count > 1 and not kind.endswith('x') else 'es' if count > 1 else ''} of the answer "
            f"put right without asking again: {', '.join(self._named[kind])}{', …' if count > _MAX_NAMED else ''}."
            for kind, count in self._counts.items()
        )


def repair_times_and_boxes(value: JsonValue) -> tuple[JsonValue, tuple[str, ...]]:
    """Return the value with repaired times and boxes, and sentences about the changes."""
    remarks = RepairLog()
    repaired = _boxes(value, remarks)
    segments = listed(repaired)
    if segments is not None and any(isinstance(segment, dict) and _has_odd_times(segment) for segment in segments):
        timed_segments = [_timed(segment, remarks) if isinstance(segment, dict) else segment for segment in segments]
        repaired = {**repaired, "segments": timed_segments} if isinstance(repaired, dict) else timed_segments
    return repaired, remarks.sentences()


def repair_to_schema(value: JsonValue, schema: dict[str, JsonValue]) -> Iterator[tuple[JsonValue, tuple[str, ...]]]:
    """Yield versions of the value that may fit the schema, the smallest change first."""
    remarks = RepairLog()
    fitted = _SchemaFitter(schema, remarks).fit(value, schema, "")
    yield fitted, remarks.sentences()
    yield _without_nulls(fitted, remarks), remarks.sentences()


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _has_odd_times(segment: dict[str, JsonValue]) -> bool:
    return any(isinstance(time := segment.get(name), str) and not as_asked(time) for name in _TIMES)


def _timed(segment: dict[str, JsonValue], remarks: RepairLog) -> dict[str, JsonValue]:
    timed = dict(segment)
    for name in _TIMES:
        time = segment.get(name)
        if not isinstance(time, str) or as_asked(time):
            continue
        try:
            corrected = written_exactly(meant(time))
        except (ValueError, OverflowError):
            continue
        timed[name] = corrected
        remarks.add("time", time, corrected)
    return timed


def _boxes(value: JsonValue, remarks: RepairLog) -> JsonValue:
    if isinstance(value, list):
        return [_boxes(item, remarks) for item in value] if any(isinstance(e, dict | list) for e in value) else value
    if not isinstance(value, dict):
        return value
    repaired: dict[str, JsonValue] = {}
    for name, inner in value.items():
        repaired[name] = _boxes(inner, remarks)
        if name == "box_2d" and (box := _box(inner)) is not None and box != inner:
            repaired[name] = list[JsonValue](box)
            remarks.add("box", _json(inner), _json(repaired[name]))
    return repaired


def _box(box: JsonValue) -> list[int] | None:
    """Return top, left, bottom, right within the scale; None if the meaning is unclear."""
    numbers = list(_numbers(box))
    if len(numbers) != 4:
        return None
    if all(0 <= number <= 1 for number in numbers) and any(number % 1 for number in numbers):
        # The share of the picture, as other models give it.
        numbers = [number * _SCALE for number in numbers]
    if any(not -_TOLERANCE <= number <= _SCALE + _TOLERANCE for number in numbers):
        return None
    edges = [round(min(max(number, 0), _SCALE)) for number in numbers]
    (top, bottom), (left, right) = sorted((edges[0], edges[2])), sorted((edges[1], edges[3]))
    return [top, left, bottom, right]


def _numbers(box: JsonValue) -> Iterator[float]:
    """Return the numbers of a box, even if it is a string."""
    if isinstance(box, str):
        box = list[JsonValue](re.split(r"[\s,;]+", box.strip("[]() \t\n"))) if len(box) < 80 else None
    if not isinstance(box, list) or len(box) != 4:
        return
    for number in box:
        if isinstance(number, str) and _NUMBER.fullmatch(number.strip()):
            yield float(number)
        elif isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number):
            yield float(min(max(number, -9999), 9999))


def _without_nulls(value: JsonValue, remarks: RepairLog) -> JsonValue:
    """Replace nulls in a transcript's segments; a missing end is the next segment's start."""
    segments = listed(value)
    if segments is None:
        return value
    filled_segments: list[JsonValue] = []
    for index, (segment, after) in enumerate(zip_longest(segments, segments[1:])):
        assert isinstance(segment, dict)
        filled: dict[str, JsonValue] = {name: "" for name in _NULLABLE if segment.get(name, "") is None}
        if segment.get("end", "") is None:
            filled["end"] = after["start"] if isinstance(after, dict) else segment["start"]
        for name, inner in filled.items():
            remarks.add("value", "null", _json(inner), f"segments[{index}].{name}")
        filled_segments.append({**segment, **filled} if filled else segment)
    return {**value, "segments": filled_segments} if isinstance(value, dict) else filled_segments


class _SchemaFitter:
    """Adapts a value to its schema, recursively."""

    def __init__(self, root: dict[str, JsonValue], remarks: RepairLog) -> None:
        self._root, self._remarks = root, remarks

    def fit(self, value: JsonValue, schema: JsonValue, where: str) -> JsonValue:
        schema = self._branch(value, self._resolved(schema))
        if schema is None:
            return value
        types = _types(schema)
        if types and not any(_has_type(value, item) for item in types):
            changed = self._converted(value, types, schema, where)
            if changed is None:
                return value
            self._remarks.add("value", _json(value), _json(changed), where)
            value = changed
        if isinstance(value, dict):
            return self._members(value, schema, where)
        if isinstance(value, list):
            items = schema.get("items")
            return [self.fit(item, items, f"{where}[{index}]") for index, item in enumerate(value)]
        return self._enum_word(value, schema, where)

    def _members(self, value: dict[str, JsonValue], schema: dict[str, JsonValue], where: str) -> JsonValue:
        properties, required = schema.get("properties"), schema.get("required")
        if not isinstance(properties, dict):
            return value
        members: dict[str, JsonValue] = {}
        for name, inner in value.items():
            place = f"{where}.{name}".lstrip(".")
            member_schema = self._resolved(properties.get(name))
            needed = isinstance(required, list) and name in required
            if inner is None and not needed and member_schema is not None and not _takes_null(member_schema):
                self._remarks.add("value", "null", "left out", place)
                continue
            members[name] = self.fit(inner, member_schema, place)
        return members

    def _converted(
        self, value: JsonValue, types: tuple[str, ...], schema: dict[str, JsonValue], where: str
    ) -> JsonValue:
        """Return the value converted to one of the types; None if that is unclear."""
        kind = next((type_ for type_ in types if type_ != "null"), "")
        match value:
            case str() if kind in ("integer", "number"):
                return _as_number(value, kind, where.rpartition(".")[2])
            case str() if kind == "boolean":
                return {"true": True, "false": False}.get(value.strip().lower())
            case int() | float() if kind == "string" and not isinstance(value, bool):
                return json.dumps(value)
            case dict() if kind == "array":
                return self._unwrapped(value, schema)
            case list() if kind == "object":
                return _wrapped(value, schema)
            case _:
                return None

    def _unwrapped(self, value: dict[str, JsonValue], schema: dict[str, JsonValue]) -> JsonValue:
        """Return the only list in an object, or a list of the object."""
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        if len(value) == 1 and lists:
            return lists[0]
        items = self._resolved(schema.get("items"))
        return [value] if items is not None and "object" in _types(items) else None

    def _enum_word(self, value: JsonValue, schema: dict[str, JsonValue], where: str) -> JsonValue:
        """Return the `enum` value that equals this one except for case."""
        words = schema.get("enum")
        if not isinstance(value, str) or not isinstance(words, list) or value in words:
            return value
        matching = [word for word in words if isinstance(word, str) and word.casefold() == value.strip().casefold()]
        if len(matching) != 1:
            return value
        self._remarks.add("value", _json(value), _json(matching[0]), where)
        return matching[0]

    def _branch(self, value: JsonValue, schema: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        """Return the only one of several schemas that can hold the value; None if there are more."""
        for word in ("anyOf", "oneOf"):
            several = schema.get(word) if schema is not None else None
            if not isinstance(several, list):
                continue
            schemas = [resolved for option in several if (resolved := self._resolved(option)) is not None]
            fitting = [option for option in schemas if any(_has_type(value, kind) for kind in _types(option))]
            others = fitting or [option for option in schemas if _types(option) != ("null",)]
            return others[0] if len(others) == 1 else None
        return schema

    def _resolved(self, schema: JsonValue) -> dict[str, JsonValue] | None:
        """Return the schema that a reference points to."""
        for _ in range(8):
            place = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(place, str):
                break
            schema = self._root
            for step in place.removeprefix("#").strip("/").split("/") if place != "#" else []:
                schema = schema.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(schema, dict) else None
        return schema if isinstance(schema, dict) else None


def _types(schema: dict[str, JsonValue]) -> tuple[str, ...]:
    named = schema.get("type")
    types = tuple(str(type_).lower() for type_ in (named if isinstance(named, list) else [named]) if type_)
    return (*types, "null") if schema.get("nullable") is True and types else types


def _takes_null(schema: dict[str, JsonValue]) -> bool:
    types, words = _types(schema), schema.get("enum")
    several = any(word in schema for word in ("anyOf", "oneOf", "allOf", "$ref"))
    return not types or "null" in types or several or (isinstance(words, list) and None in words)


def _has_type(value: JsonValue, kind: str) -> bool:
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "integer":
            return isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return True


def _as_number(text: str, kind: str, name: str) -> JsonValue:
    number: float | None = None
    if _NUMBER.fullmatch(text.strip()):
        number = float(text)
    elif name in _TIMES:
        try:
            number = meant(text)
        except (ValueError, OverflowError):
            return None
    if number is None or (kind == "integer" and number % 1):
        return None
    return int(number) if number % 1 == 0 else number


def _wrapped(value: list[JsonValue], schema: dict[str, JsonValue]) -> JsonValue:
    """Return the object for a list: its only item, or an object whose only list it is."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return None
    if len(value) == 1 and isinstance(value[0], dict) and value[0].keys() & properties.keys():
        return value[0]
    needed = [str(inner) for inner in required] if isinstance(required, list) else []
    lists = [name for name, inner in properties.items() if isinstance(inner, dict) and "array" in _types(inner)]
    return {lists[0]: value} if len(lists) == 1 and set(needed) <= set(lists) else None
