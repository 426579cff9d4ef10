"""Instances of a schema: valid, with values derived from the request where a field's name suggests them."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

from local.standins.gemini.answers import box_of, make_boxes
from local.standins.gemini.facts import Segment, first_recording, halves_of_document, timestamp, transcript
from local.standins.gemini.field_values import FieldValues
from local.standins.gemini.pattern_text import matching_text
from local.standins.gemini.pictures import mask
from local.standins.gemini.prompt import Prompt
from local.standins.gemini.schema_forms import Json, JsonSchema, is_valid, kinds, resolve

ROWS_ANSWERED = 800
"""Rows of a table in one answer: after some hundreds, real models leave rows out and do not say so."""
_DEEPEST = 12
_OPTIONAL_DEPTH = 4
"""Below this depth optional properties are left out: a schema may contain itself."""
_ITEMS = 2
_TRIES = 8
_MAX_VALUES = 50_000
"""Written for one instance, tries included. What a schema asks beyond that is left out, or null."""
_MAX_CHARACTERS = 1 << 20
"""Of padding for `minLength`: an answer is cut far below it, at the model's limit of tokens."""

_START = {"start", "start_time", "starttime", "begin", "from", "timestamp", "time", "start_seconds", "offset"}
_END = {"end", "end_time", "endtime", "until", "to", "stop", "end_seconds"}
_WORDS = {"text", "transcript", "content", "words", "sentence", "caption", "utterance", "line", "speech"}
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "PT1M",
    "byte": "RHJvcHNpZ2h0",
    "email": "stand-in@dropsight.example",
    "idn-email": "stand-in@dropsight.example",
    "hostname": "dropsight.example",
    "uri": "https://dropsight.example/",
    "url": "https://dropsight.example/",
    "uri-reference": "https://dropsight.example/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "regex": ".*",
    "json-pointer": "",
}


class InstanceWriter:
    """Writes instances of one schema. `root` is where its references lead."""

    def __init__(
        self, prompt: Prompt, root: JsonSchema, random: Random, field_values: FieldValues | None = None
    ) -> None:
        self._prompt, self._root, self._random = prompt, root, random
        self._field_values = field_values or FieldValues(prompt)
        self._by_chance = False
        self._values_left = _MAX_VALUES

    def write(self) -> Json:
        return self._value(self._root, "", 0)

    def _value(self, schema: Json, name: str, depth: int) -> Json:
        if self._values_left <= 0:
            return None
        self._values_left -= 1
        schema = resolve(schema, self._root) if isinstance(schema, dict) else {"type": "string"}
        name = name or str(schema.get("title", ""))
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return self._choice(schema, choice, name, depth)
        if "enum" in schema:
            return self._field_values.choose_option(
                [option for option in schema["enum"] if option is not None] or [None]
            )
        allowed = [kind for kind in kinds(schema) if kind != "null"] or ["null"]
        if depth > _DEEPEST and "null" in kinds(schema):
            return None
        match allowed[0]:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._string(schema, name)
            case "integer" | "number" as kind:
                return self._number(schema, name, whole=kind == "integer")
            case "boolean":
                return self._field_values.boolean(name)
            case _:
                return None

    def _choice(self, schema: JsonSchema, keyword: str, name: str, depth: int) -> Json:
        """Return an instance of the first branch that satisfies the whole schema; null branches are tried last."""
        beside = {key: value for key, value in schema.items() if key != keyword and not key.startswith("$")}
        branches = [resolve(alternative, self._root) for alternative in schema[keyword]]
        branches.sort(key=lambda branch: kinds(branch) == ["null"])
        if depth > _DEEPEST:
            branches.reverse()
        value: Json = None
        for attempt in range(_TRIES):
            self._by_chance = attempt > 0
            for branch in branches:
                value = self._value({**beside, **branch}, name, depth + 1)
                if is_valid(value, schema, self._root):
                    self._by_chance = False
                    return value
        self._by_chance = False
        return value

    def _object(self, schema: JsonSchema, depth: int) -> dict[str, Json]:
        properties: dict[str, Json] = schema.get("properties", {})
        required = set(schema.get("required", []))
        order = [*schema.get("propertyOrdering", []), *properties]
        most = schema.get("maxProperties", len(properties))
        names = [name for name in dict.fromkeys(order) if name in properties]
        if depth > _OPTIONAL_DEPTH:
            names = [name for name in names if name in required]
        left = most - sum(name in required for name in names)
        answer: dict[str, Json] = {}
        for name in names:
            if name in required or left > 0:
                answer[name] = self._value(properties[name], name, depth + 1)
                left -= name not in required
        others = schema.get("additionalProperties", True)
        least = max(schema.get("minProperties", 0), 0 if properties or not isinstance(others, dict) else 1)
        for name in [missing for missing in required if missing not in answer]:
            answer[name] = self._value(others, name, depth + 1)
        for number in range(1, min(least - len(answer), self._values_left) + 1):
            answer[f"field{number}"] = self._value(others, f"field{number}", depth + 1)
        return answer

    def _array(self, schema: JsonSchema, name: str, depth: int) -> list[Json]:
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if name == "box_2d" and not first:
            return self._box(least, most)
        if (derived := self._derived(name, resolve(rest, self._root) if isinstance(rest, dict) else {})) is not None:
            derived = derived[: int(min(most, len(derived)))]
            if len(derived) >= least and is_valid(derived, schema, self._root):
                return derived
        count = 0 if rest is False else max(least - len(first), min(_ITEMS, most) - len(first))
        if depth > _OPTIONAL_DEPTH:
            count = least - len(first)
        values = [self._value(item, name, depth + 1) for item in first[: int(min(most, len(first)))]]
        count = max(0, min(count, self._values_left))
        values += [self._value(rest, _singular(name), depth + 1) for _ in range(int(count))]
        return self._different(values, rest, least) if schema.get("uniqueItems") else values

    def _different(self, values: list[Json], rest: Json, least: int) -> list[Json]:
        """Return the values without repetitions, topped up from an enum if there are too few."""
        options = resolve(rest, self._root).get("enum", []) if isinstance(rest, dict) else []
        distinct: list[Json] = []
        for value in [*values, *options]:
            if value not in distinct and (len(distinct) < max(least, 1) or value in values):
                distinct.append(value)
        return distinct

    def _box(self, least: int, most: float) -> list[Json]:
        box: list[Json] = list(box_of(self._random))
        while len(box) < min(least, _MAX_VALUES):
            box += box
        return box[: int(min(most, max(4, least)))]

    def _derived(self, name: str, item: JsonSchema) -> list[Json] | None:
        """Return the items of a list that the request fills (transcript segments, boxes, colours, key words), or
        None.
        """
        properties = {key.lower(): key for key in item.get("properties", {})}
        medium = first_recording(self._prompt)
        if medium is not None and properties.keys() & _START and properties.keys() & _WORDS:
            segments = transcript(self._prompt, medium, self._random)
            return [self._segment(entry, item, properties) for entry in segments]
        if {"first_page", "last_page"} <= properties.keys() and (spans := halves_of_document(self._prompt)):
            return [
                {
                    **self._value(item, name, _OPTIONAL_DEPTH),
                    properties["first_page"]: first,
                    properties["last_page"]: last,
                }
                for first, last in spans
            ]
        if properties.keys() == {"page", "rows"}:
            counts = [count for entry in self._prompt.items for count in entry.media.rows_of_pages]
            return [{"page": number, "rows": count} for number, count in enumerate(counts, 1)]
        if properties and (rows := [row for entry in self._prompt.items for row in entry.media.rows]):
            return [self._row(row, item, name) for row in rows[:ROWS_ANSWERED]]
        if "box_2d" in properties and any(entry.media.kind == "image" for entry in self._prompt.items):
            boxes = make_boxes(self._prompt, self._random, "mask" in properties)
            return [{**self._value(item, name, 1), **self._of(box, item)} for box in boxes]
        if item.get("type", "string") == "string" and not item.keys() & {"enum", "pattern", "format"}:
            return self._field_values.words(name)
        return None

    def _row(self, row: str, item: JsonSchema, name: str) -> dict[str, Json]:
        """Return the cells of a table's row as the item's properties, in their order."""
        values: dict[str, Json] = self._value(item, name, _OPTIONAL_DEPTH)
        for (key, schema), cell in zip(item["properties"].items(), row.strip("| ").split("|"), strict=False):
            text = cell.strip()
            number = bool({"number", "integer"} & set(kinds(resolve(schema, self._root))))
            values[key] = json.loads(text) if number and text.replace(".", "", 1).isdecimal() else text
        return values

    def _of(self, box: dict[str, Json], item: JsonSchema) -> dict[str, Json]:
        return {key: value for key, value in box.items() if key in item["properties"]}

    def _segment(self, segment: Segment, item: JsonSchema, properties: dict[str, str]) -> dict[str, Json]:
        values: dict[str, Json] = {}
        for lower, name in properties.items():
            schema = resolve(item["properties"][name], self._root)
            number = bool({"number", "integer"} & set(kinds(schema)))
            if lower in _START or lower in _END:
                seconds = segment.start if lower in _START else segment.end
                values[name] = (
                    (int(seconds) if "integer" in kinds(schema) else seconds) if number else timestamp(seconds)
                )
            elif lower in _WORDS and "string" in kinds(schema):
                values[name] = segment.text
            elif lower == "speaker" and "string" in kinds(schema) and "enum" not in schema:
                values[name] = segment.speaker
            else:
                values[name] = self._value(schema, name, _OPTIONAL_DEPTH)
        return values

    def _string(self, schema: JsonSchema, name: str) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        for example in (schema.get("default"), *schema.get("examples", [])):
            if isinstance(example, str) and is_valid(example, schema, self._root):
                return example
        if name == "mask":
            return mask()
        if "pattern" in schema:
            return self._by_pattern(schema, least)
        if (written := str(schema.get("format", ""))) in _FORMATS:
            return _FORMATS[written]
        text = self._field_values.text(name, str(schema.get("description", "")))
        text += "." * int(max(0, min(least, _MAX_CHARACTERS) - len(text)))
        return text if most is None else text[: int(most)]

    def _by_pattern(self, schema: JsonSchema, least: int) -> str:
        text = ""
        for attempt in range(_TRIES):
            text = matching_text(schema["pattern"], self._random, least if attempt else 0)
            if is_valid(text, schema, self._root):
                return text
        return text

    def _number(self, schema: JsonSchema, name: str, *, whole: bool) -> float:
        least, most = float(schema.get("minimum", -math.inf)), float(schema.get("maximum", math.inf))
        value = self._field_values.number(name)
        if self._by_chance:
            value = self._random.uniform(max(least, min(most, 0) - 100), min(most, max(least, 0) + 100))
        elif value is None:
            value = float(self._random.randint(0, 100)) if whole or most > 1 else 0.5
        value = min(max(value, least), most)
        if whole:
            return math.ceil(value) if value == least else math.floor(value)
        return round(value, 3) if least <= round(value, 3) <= most else value


def _singular(name: str) -> str:
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def write_instance(schema: JsonSchema, prompt: Prompt, random: Random, field_values: FieldValues | None = None) -> Any:
    """Return a value that satisfies a JSON Schema, as far as the service supports its keywords."""
    return InstanceWriter(prompt, schema, random, field_values).write()
