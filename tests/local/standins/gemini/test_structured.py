"""Structured output: answers that satisfy the schema asked for, and the schemas that the service refuses."""

from __future__ import annotations

import base64
import enum
import itertools
import json
import time
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pydantic
import pytest
from google.genai import types

from tests.local.standins.gemini import media_samples
from tests.local.standins.gemini.conftest import Running, together

MODEL = "gemini-2.5-flash-lite"
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
SPEECH = types.Part.from_bytes(data=media_samples.wav(95, 100), mime_type="audio/wav")
REPORT = types.Part.from_bytes(data=media_samples.pdf("Yearly report", "two", "three"), mime_type="application/pdf")
PICTURE = types.Part.from_bytes(data=media_samples.png(), mime_type="image/png")

SCHEMAS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "integer", "minimum": 7, "maximum": 9},
    {"type": "number", "minimum": 0.25, "maximum": 0.75},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["string", "null"]},
    {"type": "string", "enum": ["up", "down"]},
    {"type": "integer", "enum": [3, 5]},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "time"},
    {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}, "minItems": 4},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 2, "uniqueItems": True},
    {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]},
    {"oneOf": [{"type": "number"}, {"type": "integer"}]},
    {"oneOf": [{"type": "integer", "maximum": 10}, {"type": "integer", "minimum": 5}]},
    {
        "$id": "https://dropsight.example/tree",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["name"],
            },
            "colour": {"$anchor": "colour", "type": "string", "enum": ["red", "blue"]},
        },
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/node"}, "paint": {"$ref": "#colour"}},
        "required": ["root", "paint"],
    },
    {
        "type": "object",
        "title": "Report",
        "description": "What the file is about",
        "properties": {
            "title": {"type": "string"},
            "summary": {"type": "string"},
            "pages": {"type": "integer", "minimum": 1},
            "language": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
            "segments": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "start": {"type": "number"},
                        "end": {"type": "number"},
                        "speaker": {"type": "string"},
                        "text": {"type": "string"},
                    },
                    "required": ["start", "end", "text"],
                    "additionalProperties": False,
                },
            },
            "boxes": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "box_2d": {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4},
                        "label": {"type": "string"},
                        "mask": {"type": "string"},
                    },
                    "required": ["box_2d", "label"],
                },
            },
        },
        "required": ["title", "summary", "segments", "boxes"],
    },
]


def ask(running: Running, *contents: types.PartUnionDict, **config: Any) -> Any:
    answer = running.client.models.generate_content(
        model=MODEL,
        contents=together(*contents),
        config=types.GenerateContentConfig(response_mime_type="application/json", **config),
    )
    return json.loads(answer.text or "")


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_an_answer_satisfies_its_json_schema(shared: Running, schema: dict[str, Any]) -> None:
    for part in ("Just words", SPEECH, REPORT, PICTURE):
        value = ask(shared, part, "Fill this in.", response_json_schema=schema)
        jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(value)


@pytest.mark.parametrize(
    ("schema", "same"),
    [
        (
            {"type": "STRING", "pattern": r"^[A-Z]{2}-\d{4,6}(x|y)?$"},
            {"type": "string", "pattern": r"^[A-Z]{2}-\d{4,6}(x|y)?$"},
        ),
        ({"type": "STRING", "minLength": 300}, {"type": "string", "minLength": 300}),
        ({"type": "STRING", "maxLength": 5}, {"type": "string", "maxLength": 5}),
        (
            {"type": "STRING", "pattern": r"\w+@\w+\.com", "minLength": 20},
            {"type": "string", "pattern": r"\w+@\w+\.com", "minLength": 20},
        ),
        ({"type": "STRING", "nullable": True, "maxLength": 9}, {"type": ["string", "null"], "maxLength": 9}),
        ({"type": "STRING", "format": "enum", "enum": ["a", "b"]}, {"enum": ["a", "b"]}),
        ({"type": "INTEGER", "format": "int32", "minimum": 1, "maximum": 1}, {"const": 1}),
        (
            {"type": "ARRAY", "items": {"type": "BOOLEAN"}, "minItems": "2"},
            {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
        ),
        ({"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]}, {"type": ["integer", "string"]}),
        (
            {
                "type": "OBJECT",
                "properties": {"b": {"type": "STRING"}, "a": {"type": "NUMBER"}},
                "propertyOrdering": ["a", "b"],
                "required": ["b"],
            },
            {"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}, "a": {"type": "number"}}},
        ),
        (
            {"type": "OBJECT", "properties": {"x": {"type": "STRING"}, "y": {"type": "STRING"}}, "maxProperties": 1},
            {"type": "object", "maxProperties": 1},
        ),
        ({"type": "STRING", "default": "as usual"}, {"const": "as usual"}),
        ({"type": "STRING", "example": "for instance"}, {"const": "for instance"}),
    ],
)
def test_an_answer_satisfies_its_openapi_schema(shared: Running, schema: dict[str, Any], same: dict[str, Any]) -> None:
    body = {
        "contents": [{"parts": [{"text": "Fill this in."}]}],
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": schema},
    }
    answer = shared.wire.post(f"/v1beta/models/{MODEL}:generateContent", json=body).json()
    text = next(part["text"] for part in answer["candidates"][0]["content"]["parts"])
    jsonschema.validate(json.loads(text), same)


def test_properties_come_in_the_order_asked_for(shared: Running) -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"zebra": {"type": "STRING"}, "ant": {"type": "STRING"}, "camelCase": {"type": "STRING"}},
        "propertyOrdering": ["camelCase", "zebra", "ant"],
    }
    assert list(ask(shared, "Go", response_schema=schema)) == ["camelCase", "zebra", "ant"]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Minutes(pydantic.BaseModel):
    title: str
    pages: int
    summary: str | None = None
    colours: list[Colour]


def test_a_pydantic_model_is_parsed_from_the_answer(shared: Running) -> None:
    answer = shared.client.models.generate_content(
        model=MODEL,
        contents=together(REPORT, "Fill this in."),
        config={"response_mime_type": "application/json", "response_schema": Minutes},
    )
    assert isinstance(answer.parsed, Minutes)
    assert answer.parsed.pages == 3
    assert answer.parsed.title.startswith("Yearly report")
    lists = shared.client.models.generate_content(
        model=MODEL, contents="Go", config={"response_mime_type": "application/json", "response_schema": list[Minutes]}
    )
    assert isinstance(lists.parsed, list)


def test_an_enum_is_answered_bare(shared: Running) -> None:
    answer = shared.client.models.generate_content(
        model=MODEL,
        contents="What colour is the sea? Say blue.",
        config={"response_mime_type": "text/x.enum", "response_schema": Colour},
    )
    assert answer.text == "blue"


def test_segments_cover_the_recording(shared: Running) -> None:
    schema = SCHEMAS[-1]
    value = ask(shared, SPEECH, "Transcribe", response_json_schema=schema)
    segments = value["segments"]
    assert segments[0]["start"] == 0
    assert segments[-1]["end"] == pytest.approx(95, abs=0.1)
    assert all(one["end"] == two["start"] for one, two in itertools.pairwise(segments))


def test_boxes_lie_within_the_picture(shared: Running) -> None:
    boxes = ask(shared, PICTURE, "Find", response_json_schema=SCHEMAS[-1])["boxes"]
    for box in boxes:
        top, left, bottom, right = box["box_2d"]
        assert 0 <= top < bottom <= 1000
        assert 0 <= left < right <= 1000
        assert base64.b64decode(box["mask"].removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("field", "schema", "words"),
    [
        ("responseJsonSchema", {"type": "string", "pattern": "x"}, 'unsupported keyword "pattern"'),
        ("responseJsonSchema", {"properties": {"a": {"not": {}}}}, 'unsupported keyword "not"'),
        ("responseJsonSchema", {"type": "text"}, "unknown type 'text'"),
        ("responseJsonSchema", {"$ref": "#", "type": "string"}, "beside $ref no other keywords"),
        ("responseSchema", {"type": "ARRAY"}, "response_schema.items: missing field"),
        ("responseSchema", {"type": "OBJECT"}, "properties: should be non-empty for OBJECT type"),
        ("responseSchema", {"type": "INTEGER", "enum": ["1"]}, "enum: only allowed for STRING type"),
        ("responseSchema", {"type": "STRING", "format": "binary"}, "only 'enum' and 'date-time' are supported"),
        (
            "responseSchema",
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["b"]},
            "required[0]: property is not defined",
        ),
        ("responseSchema", {"type": "STRING", "oneOf": []}, 'Unknown name "oneOf"'),
    ],
)
def test_a_schema_that_is_not_supported_is_named(
    shared: Running, field: str, schema: dict[str, Any], words: str
) -> None:
    config = {"responseMimeType": "application/json", field: schema}
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": config}
    answer = shared.wire.post(f"/v1beta/models/{MODEL}:generateContent", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_json_without_a_schema_is_json(shared: Running) -> None:
    assert ask(shared, SPEECH, "Describe this")["media"][0].startswith("a WAV recording")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "STRING", "pattern": "^(a+)+$", "default": "a" * 50 + "b"},
        {"type": "STRING", "pattern": "((a{1000}){1000}){1000}"},
        {"type": "STRING", "minLength": 10**12},
        {
            "type": "ARRAY",
            "items": {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": 10**9},
            "minItems": 10**9,
        },
        {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "minProperties": 10**9},
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)
def test_no_schema_makes_an_answer_slow_or_large(shared: Running, schema: dict[str, Any]) -> None:
    began = time.process_time()
    answer = shared.client.models.generate_content(
        model=MODEL,
        contents="Fill this in.",
        config=types.GenerateContentConfig(
            response_mime_type="application/json", response_schema=schema, max_output_tokens=1_000
        ),
    )
    assert answer.candidates
    assert time.process_time() - began < 10
