"""What has one meaning is put right with a remark; what has two, or none, is asked for again."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import JsonValue

from shared.domain.answer.timestamps import as_asked, meant, written_exactly
from shared.domain.answer.transcript import segments_in_text
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, next_step
from shared.domain.checks.structure import read

SEGMENT = {"start": "00:01", "end": "00:02", "speaker": "A", "text": "Hello."}
TRANSCRIPT: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "language": {"type": "string"},
        "segments": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in SEGMENT},
                "required": list[JsonValue](SEGMENT),
            },
        },
    },
    "required": ["segments"],
}
BOXES: dict[str, JsonValue] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "label": {"type": "string"},
            "box_2d": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0, "maximum": 1000},
                "minItems": 4,
                "maxItems": 4,
            },
        },
        "required": ["label", "box_2d"],
    },
}


def transcript(**changes: JsonValue) -> str:
    return json.dumps({"segments": [{**SEGMENT, **changes}]})


def segment_of(text: str) -> Any:
    structured = read(text, TRANSCRIPT)
    assert structured.problems == ()
    assert len(structured.remarks) > 0
    value: Any = structured.value
    return value["segments"][0]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("00:60", 60), ("00:01:500", 1.5), ("1.5s", 1.5), ("1:2:3", 3723), ("00:01,500", 1.5), ("00:01.5", 1.5),
        ("65", 65), ("90 s", 90), ("1m05s", 65), ("1h2m3s", 3723), ("1 min 5 sec", 65), ("PT1M5S", 65),
        ("00:01:05:500", 65.5), ("00:01:05:12", 65), ("0:75:30", 4530), ("01:99", 159), (":05", 5), ("[00:01]", 1),
        ("00：01", 1), ("1500ms", 1.5), ("2 minutes", 120), ("~00:07", 7), ("00:00:01.250", 1.25), ("5:7", 307),
    ],
)  # fmt: skip
def test_a_time_with_one_meaning_is_read(written: str, seconds: float) -> None:
    assert meant(written) == pytest.approx(seconds)
    right = segment_of(transcript(start=written, speaker=None))["start"]
    assert as_asked(right)
    assert meant(right) == pytest.approx(seconds)


@pytest.mark.parametrize("seconds", [0, 1.5, 59.999, 60, 3599.9996, 3600, 86399.25])
def test_a_time_that_was_put_right_is_as_it_was_asked_for(seconds: float) -> None:
    assert as_asked(written_exactly(seconds))
    assert meant(written_exactly(seconds)) == pytest.approx(seconds, abs=0.0006)


@pytest.mark.parametrize(
    "written", ["soon", "", "-00:01", "01:500", "::", "1:2:3:4:5", "00.01.05", "٠٠:٠١", "9" * 400, "1:" * 50_000]
)
def test_a_time_without_a_meaning_or_with_two_is_asked_for_again(written: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        meant(written)
    assert isinstance(next_step([_said(transcript(start=written))], TRANSCRIPT, continuations=0), AskAgain)


def test_a_number_for_a_time_is_taken_for_seconds() -> None:
    assert segment_of(transcript(start=65))["start"] == "01:05"


@pytest.mark.parametrize("name", ["speaker", "language", "text"])
def test_null_for_what_was_not_said_is_an_empty_text(name: str) -> None:
    schema = json.loads(json.dumps(TRANSCRIPT))
    items = schema["properties"]["segments"]["items"]
    items["properties"]["language"] = {"type": "string"}
    items["required"].append("language")
    text = json.dumps({"segments": [{**SEGMENT, "language": "en", name: None}]})
    structured: Any = read(text, schema)
    assert (structured.problems, structured.value["segments"][0][name]) == ((), "")


def test_an_end_that_is_null_is_the_next_beginning() -> None:
    second = {**SEGMENT, "start": "00:09", "end": None}
    structured: Any = read(json.dumps({"segments": [{**SEGMENT, "end": None}, second]}), TRANSCRIPT)
    assert structured.problems == ()
    assert [segment["end"] for segment in structured.value["segments"]] == ["00:09", "00:09"]


def test_null_for_what_may_be_left_out_is_left_out() -> None:
    structured = read(json.dumps({"language": None, "segments": [SEGMENT]}), TRANSCRIPT)
    assert (structured.problems, structured.value) == ((), {"segments": [SEGMENT]})


def test_null_that_the_schema_takes_stays() -> None:
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    assert read('{"a": null}', schema) == ({"a": None}, (), ())


def test_what_looks_odd_but_is_what_the_schema_asks_for_stays() -> None:
    schema = json.loads(json.dumps(TRANSCRIPT))
    schema["properties"]["segments"]["items"]["properties"]["start"]["pattern"] = r"^\d{2}:\d{2}:\d{3}$"
    structured: Any = read(transcript(start="00:01:500"), schema)
    assert (structured.value["segments"][0]["start"], structured.problems, structured.remarks) == ("00:01:500", (), ())


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ([0, 0, 1003, 5], [0, 0, 1000, 5]),
        ([-3, 0, 5, 1050], [0, 0, 5, 1000]),
        ([900, 800, 100, 200], [100, 200, 900, 800]),
        ([100, 800, 900, 200], [100, 200, 900, 800]),
        ([1.4, 2.6, 3.0, 4], [1, 3, 3, 4]),
        ([0.1, 0.2, 0.5, 0.75], [100, 200, 500, 750]),
        (["1", "2", "3", "4"], [1, 2, 3, 4]),
        ("[1, 2, 3, 4]", [1, 2, 3, 4]),
    ],
)
def test_a_box_with_one_meaning_is_put_right(given: JsonValue, right: list[int]) -> None:
    structured = read(json.dumps([{"label": "cup", "box_2d": given}]), BOXES)
    assert (structured.problems, structured.value) == ((), [{"label": "cup", "box_2d": right}])
    assert "1 box of the answer" in structured.remarks[0]


@pytest.mark.parametrize(
    "given", [[0, 0, 2000, 5], [1, 2, 3], [1, 2, 3, 4, 5], None, "left", [1, 2, 3, "x"], [[1, 2, 3, 4]]]
)
def test_a_box_that_cannot_be_told_is_asked_for_again(given: JsonValue) -> None:
    answer = json.dumps([{"label": "cup", "box_2d": given}])
    assert isinstance(next_step([_said(answer)], BOXES, continuations=0), AskAgain)


VALUES: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "start": {"type": "number"},
        "count": {"type": "integer"},
        "done": {"type": "boolean"},
        "level": {"type": "string", "enum": ["low", "high"]},
        "code": {"type": "string"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
    },
    "$defs": {"tag": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
}


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"start": "01:05"}, {"start": 65}),
        ({"count": "12"}, {"count": 12}),
        ({"count": "12.0"}, {"count": 12}),
        ({"done": "True"}, {"done": True}),
        ({"level": " HIGH"}, {"level": "high"}),
        ({"code": 12}, {"code": "12"}),
        ({"maybe": "7"}, {"maybe": 7}),
        ({"tags": {"n": "1"}}, {"tags": [{"n": 1}]}),
        ([{"count": 1}], {"count": 1}),
    ],
)
def test_a_value_with_one_meaning_takes_the_form_that_the_schema_asks_for(given: JsonValue, right: JsonValue) -> None:
    structured = read(json.dumps(given), VALUES)
    assert (structured.problems, structured.value) == ((), right)
    assert structured.remarks


@pytest.mark.parametrize(
    "given",
    [{"count": "a dozen"}, {"count": "1,5"}, {"count": 1.5}, {"done": "perhaps"}, {"level": "middle"}, {"tags": "a"}],
)
def test_a_value_that_cannot_be_told_is_asked_for_again(given: JsonValue) -> None:
    structured = read(json.dumps(given), VALUES)
    assert structured.problems
    assert structured.value == given


def test_a_list_is_taken_for_the_only_list_of_the_object_and_the_other_way_round() -> None:
    assert read(json.dumps([SEGMENT]), TRANSCRIPT).value == {"segments": [SEGMENT]}
    boxes: JsonValue = [{"label": "cup", "box_2d": [1, 2, 3, 4]}]
    assert read(json.dumps({"objects": boxes}), BOXES).value == boxes
    assert read(json.dumps({"label": "cup", "box_2d": [1, 2, 3, 4]}), BOXES).value == boxes


def test_a_mended_answer_says_so_and_its_text_is_the_mended_one() -> None:
    whole = next_step([_said(transcript(end="00:60"))], TRANSCRIPT, continuations=0)
    assert isinstance(whole, CompleteAnswer)
    assert json.loads(whole.text) == whole.value
    assert "00:60" not in whole.text
    assert (whole.warnings, len(whole.remarks)) == ((), 1)
    assert "00:60 → 01:00" in whole.remarks[0]
    candidates: Any = whole.response["candidates"]
    assert candidates[0]["content"]["parts"] == [{"text": whole.text}]


def test_remarks_on_many_changes_stay_short() -> None:
    text = json.dumps({"segments": [{**SEGMENT, "start": "00:60", "end": "1:2:3", "speaker": None}] * 5000})
    began = time.process_time()
    structured = read(text, TRANSCRIPT)
    assert time.process_time() - began < 10
    assert structured.problems == ()
    assert len("".join(structured.remarks)) < 600
    assert "10000 times" in " ".join(structured.remarks)


def test_references_in_a_circle_end() -> None:
    schema: dict[str, JsonValue] = {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}, "n": {"type": "integer"}}}},
    }
    assert read('{"a": {"a": {"n": "1"}}}', schema).value == {"a": {"a": {"n": 1}}}
    circle: dict[str, JsonValue] = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert read('{"n": 1}', circle).value == {"n": 1}


def test_lines_of_a_transcript_with_odd_times_are_read() -> None:
    lines = segments_in_text("[00:60] One.\n00:01:500 Two.\n[01:02,5 - 01:75] Three.\n3:4 is no time")
    assert [(line.start, line.end, line.text) for line in lines] == [
        (60, None, "One."), (1.5, None, "Two."), (62.5, 135, "Three."),
    ]  # fmt: skip


def _said(text: str) -> Any:
    return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]}
