"""Boxes published in pixels, whatever else an answer says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import JsonValue

from shared.domain.answer.transcript import is_transcript
from shared.domain.outputs import Source, render
from shared.domain.recipe.definition import RecipeQuestion
from tests.shared.domain.outputs.rendering import drawn_on, made, picture, question


def test_boxes_are_published_in_pixels_of_the_image() -> None:
    value: JsonValue = [
        {"label": "cup", "box_2d": [100, 250, 500, 750]},
        {"label": "turned", "box_2d": [900, 900, 800, 800]},
        {"label": "nothing", "box_2d": [5, 5, 5, 5]},
        {"label": "broken", "box_2d": ["a", 1, 2, 3]},
        {"label": "outside", "box_2d": [-50, 0, 2000, 1000]},
    ]
    published = json.loads(made("json", value=value, width=200, height=100))
    assert (published["width"], published["height"]) == (200, 100)
    assert [(entry["label"], entry["box"]) for entry in published["objects"]] == [
        ("cup", {"left": 50, "top": 10, "right": 150, "bottom": 50}),
        ("turned", {"left": 160, "top": 80, "right": 180, "bottom": 90}),
        ("outside", {"left": 0, "top": 0, "right": 200, "bottom": 100}),
    ]
    assert published["objects"][0]["box_2d"] == [100, 250, 500, 750]


def test_what_else_is_said_of_an_object_is_published_with_its_box() -> None:
    value: JsonValue = [
        {"label": "cup", "colour": "red", "box_2d": [0, 0, 500, 1000]},
        {"label": "lid", "colour": "blue", "box_2d": None},
        {"label": "tea", "box": "mine", "box_2d": [0, 0, 500, 1000], "parts": [{"box_2d": [0, 0, 1000, 500]}]},
    ]
    assert json.loads(made("json", value=value, width=200, height=100))["objects"] == [
        {"label": "cup", "colour": "red", "box_2d": [0, 0, 500, 1000], "box": corners(200, 50)},
        {"label": "lid", "colour": "blue", "box_2d": None},
        {
            "label": "tea",
            "box": "mine",
            "box_2d": [0, 0, 500, 1000],
            "parts": [{"box_2d": [0, 0, 1000, 500], "box": corners(100, 100)}],
        },
    ]


@pytest.mark.parametrize(
    "around",
    [
        lambda boxed: {"title": "Bill", "fields": [{"name": "sum", **boxed}], "lines": [{"item": "tea"}]},
        lambda boxed: {"title": "Bill", **boxed},
        lambda boxed: {"pages": [[{"rows": [{"sum": {"value": 3, **boxed}}]}], []]},
        lambda boxed: ["a note", boxed],
    ],
)
def test_an_answer_that_holds_boxes_keeps_all_else_it_says(around: Callable[[dict[str, Any]], Any]) -> None:
    given_box = {"box_2d": [0, 0, 500, 1000]}
    published = json.loads(made("json", value=around(given_box), width=200, height=100))
    assert published == around({**given_box, "box": corners(200, 50)})
    rendered = render(question("png"), "", around(given_box), drawn_on(question("png"), around(given_box), picture()))
    with Image.open(io.BytesIO(rendered.files["png"].data)) as drawn:
        assert drawn.getpixel((0, 20)) != (255, 255, 255)


def test_an_answer_without_boxes_that_might_have_held_some_is_left_as_it_is() -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "object", "properties": {"box_2d": {}}}}}
    value: JsonValue = {"sum": None, "lines": []}
    rendered = render(question("json", schema=schema), "", value, Source("a.png", 200, 100))
    assert json.loads(rendered.files["json"].data) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["box_2d", "mask", "label", "text", "start", "end", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, {"items": {"properties": {"box_2d": {}}}}]))
def test_any_answer_is_published_without_a_loss(value: Any, schema: Any) -> None:
    question = RecipeQuestion(name="", prompt="p", response_schema=schema, outputs=("json", "png", "csv", "txt"))
    try:
        rendered = render(question, json.dumps(value), value, drawn_on(question, value, picture((7, 3))))
    except OverflowError:
        assert is_transcript(value)  # What is read from a model has no such times.
        return
    if value is None and schema is None:
        return
    published = json.loads(rendered.files["json"].data)
    if isinstance(published, dict) and "objects" in published and not isinstance(value, dict):
        assert all(any(without_pixels(entry) == item for item in value) for entry in published["objects"])
    else:
        assert without_pixels(published) == value


def without_pixels(value: Any) -> Any:
    if isinstance(value, list):
        return [without_pixels(inner) for inner in value]
    if isinstance(value, dict):
        return {name: without_pixels(inner) for name, inner in value.items() if name != "box"}
    return value


def corners(right: int, bottom: int) -> dict[str, int]:
    return {"left": 0, "top": 0, "right": right, "bottom": bottom}
