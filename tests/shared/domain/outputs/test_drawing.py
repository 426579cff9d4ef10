"""Boxes and masks drawn on the source picture."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib

import pytest
from PIL import Image
from pydantic import JsonValue

from shared.domain.outputs import needs_picture, render
from shared.domain.outputs.boxes import boxes
from shared.domain.outputs.drawing import legible
from shared.domain.recipe.book import BUILT_IN
from tests.shared.domain.outputs.rendering import drawn_on, made, picture, question


def test_a_label_that_cannot_be_written_is_the_number_of_its_object_in_the_list() -> None:
    value: JsonValue = [
        {"label": "a", "note": "not found", "box_2d": [0, 0, 0, 0]},
        {"label": "杯", "box_2d": [0, 0, 9, 9]},
    ]
    assert [box.number for box in boxes(value, None, 100, 100)] == [2]
    assert json.loads(made("json", value=value, width=100, height=100))["objects"][1]["label"] == "杯"


def test_boxes_are_drawn_on_the_source_image() -> None:
    value: JsonValue = [{"label": "", "box_2d": [100, 250, 500, 750]}]
    rendered = render(question("png"), "", value, drawn_on(question("png"), value, picture()))
    with Image.open(io.BytesIO(rendered.files["png"].data)) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (200, 100))
        outline = drawn.getpixel((100, 10))
        assert drawn.getpixel((50, 30)) == drawn.getpixel((149, 30)) == outline != (255, 255, 255)
        assert drawn.getpixel((100, 30)) == drawn.getpixel((20, 30)) == (255, 255, 255)
    assert rendered.files["png"].content_type == "image/png"


@pytest.mark.parametrize(
    ("label", "written"),
    [("Café à gauche", "Cafe a gauche"), ("杯", "#3"), ("", ""), ("x" * 99, "x" * 60), ("a\nb", "#3")],
)
def test_a_label_that_the_font_cannot_write_is_the_objects_number(label: str, written: str) -> None:
    assert legible(label, 3) == written


def test_labels_of_any_script_are_drawn_within_the_picture() -> None:
    value: JsonValue = [{"label": "μικρό ποτήρι 杯 🥛" * 9, "box_2d": [0, 990, 1000, 1000]}]
    assert render(question("png"), "", value, drawn_on(question("png"), value, picture((40, 40)))).warnings == ()


def test_a_photo_is_turned_upright_before_boxes_are_placed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture((200, 100), format="JPEG", exif=exif)
    value: JsonValue = [{"label": "x", "box_2d": [0, 0, 500, 1000]}]
    rendered = render(question("json", "png"), "", value, drawn_on(question("json", "png"), value, turned, (200, 100)))
    assert json.loads(rendered.files["json"].data)["objects"][0]["box"] == {
        "left": 0,
        "top": 0,
        "right": 100,
        "bottom": 100,
    }
    with Image.open(io.BytesIO(rendered.files["png"].data)) as drawn:
        assert drawn.size == (100, 200)


def test_masks_are_laid_over_the_image_within_their_boxes() -> None:
    mask = Image.new("L", (10, 10), 0)
    mask.paste(255, (0, 0, 5, 10))
    out = io.BytesIO()
    mask.save(out, "PNG")
    data = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    value: JsonValue = [
        {"label": "", "box_2d": [0, 0, 1000, 500], "mask": data},
        {"box_2d": [0, 900, 9, 999], "mask": "?"},
    ]
    rendered = render(question("png"), "", value, drawn_on(question("png"), value, picture()))
    with Image.open(io.BytesIO(rendered.files["png"].data)) as drawn:
        assert drawn.getpixel((20, 50)) != (255, 255, 255)
        assert drawn.getpixel((75, 50)) == (255, 255, 255)


@pytest.mark.parametrize("mask", ["?", "", "data:image/png;base64,iVBORw0KGgo=", [[1, 2], [3, 4]], "ü"])
def test_masks_that_cannot_be_read_are_warned_of(mask: JsonValue) -> None:
    value: JsonValue = [{"label": "", "box_2d": [0, 0, 500, 500], "mask": mask}, {"box_2d": [0, 0, 9, 9], "mask": None}]
    rendered = render(question("png"), "", value, drawn_on(question("png"), value, picture()))
    assert "png" in rendered.files
    assert rendered.warnings == ("Masks that could not be drawn, and are not in the .png: 1.",)


def test_masks_that_cover_the_picture_over_and_over_are_not_all_drawn() -> None:
    mask = base64.b64encode(picture((4, 4))).decode()
    value: JsonValue = [{"label": "", "box_2d": [0, 0, 1000, 1000], "mask": mask}] * 1000
    rendered = render(question("png"), "", value, drawn_on(question("png"), value, picture()))
    assert rendered.warnings == ("Masks that could not be drawn, and are not in the .png: 980.",)


@pytest.mark.parametrize(("kind", "data"), [(b"iCCP", b"a\0"), (b"gAMA", b"\0"), (b"PLTE", b"\0" * 5)])
def test_a_picture_with_a_broken_part_is_none_to_draw_on_or_is_drawn_on(kind: bytes, data: bytes) -> None:
    whole = picture()
    part = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    broken = whole[:-12] + part + whole[-12:]
    rendered = render(
        question("json", "png"),
        "",
        [{"box_2d": [0, 0, 9, 9]}],
        drawn_on(question("json", "png"), [{"box_2d": [0, 0, 9, 9]}], broken, (64, 48)),
    )
    assert "json" in rendered.files
    assert ("png" in rendered.files) != bool(rendered.warnings)


@pytest.mark.parametrize("broken", [b"no picture", picture()[:60], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_a_picture_that_cannot_be_drawn_on_leaves_a_warning_and_the_other_files(broken: bytes) -> None:
    value: JsonValue = [{"label": "x", "box_2d": [0, 0, 500, 1000]}]
    rendered = render(question("json", "png"), "", value, drawn_on(question("json", "png"), value, broken, (64, 48)))
    assert list(rendered.files) == ["json"]
    assert rendered.warnings[0].startswith("No .png was made")


def test_an_image_in_which_nothing_was_found_is_an_empty_list_of_objects() -> None:
    detect = next(recipe for recipe in BUILT_IN if recipe.name == "detect").questions[0]
    assert needs_picture(detect, [])
    rendered = render(detect, "[]", [], drawn_on(detect, [], picture()))
    assert json.loads(rendered.files["json"].data) == {"width": 200, "height": 100, "objects": []}
    assert "png" in rendered.files
