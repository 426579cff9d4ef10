"""What is published of an answer: readable, in the right form, and harmless to open."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import JsonValue

from shared.domain.answer.transcript import Segment, is_transcript, segments, segments_in_text
from shared.domain.outputs import Source, needs_picture, render
from shared.domain.outputs.boxes import boxes
from shared.domain.outputs.drawing import legible
from shared.domain.outputs.markup import unfenced
from shared.domain.outputs.subtitles import cues, srt, vtt
from shared.domain.outputs.tables import NoTable, table
from shared.domain.recipe import BUILT_IN, RecipeQuestion

TIMED: JsonValue = {
    "language": "en",
    "segments": [
        {"start": "00:01", "end": "00:04", "speaker": "Ann", "text": "Good morning."},
        {"start": "00:04", "end": "00:04", "speaker": "Ann", "text": "  Is it\n\n on?  "},
        {"start": "01:00:09", "end": None, "speaker": "Speaker <2> & co", "text": "a --> b <i>"},
    ],
}


def question(*outputs: str, schema: Any = None) -> RecipeQuestion:
    return RecipeQuestion(name="", prompt="p", response_schema=schema, outputs=outputs)


def made(output: str, text: str = "", value: JsonValue = None, **source: Any) -> str:
    rendered = render(question(output), text, value, Source(name="calls/a.mp3", **source))
    assert rendered.warnings == ()
    return rendered.files[output].data.decode()


def picture(size: tuple[int, int] = (200, 100), **options: Any) -> bytes:
    out = io.BytesIO()
    options.setdefault("format", "PNG")
    Image.new("RGB", size, "white").save(out, **options)
    return out.getvalue()


def test_subrip_has_numbered_cues_with_commas_and_names_a_speaker_once() -> None:
    assert made("srt", value=TIMED) == (
        "1\n00:00:01,000 --> 00:00:04,000\nAnn: Good morning.\n\n"
        "2\n00:00:04,000 --> 01:00:09,000\nIs it\non?\n\n"
        "3\n01:00:09,000 --> 01:00:12,000\nSpeaker <2> & co: a → b <i>\n"
    )


def test_webvtt_escapes_what_would_be_markup_and_has_no_empty_line_within_a_cue() -> None:
    assert made("vtt", value=TIMED) == (
        "WEBVTT\n\n"
        "00:00:01.000 --> 00:00:04.000\n<v Ann>Good morning.\n\n"
        "00:00:04.000 --> 01:00:09.000\n<v Ann>Is it\non?\n\n"
        "01:00:09.000 --> 01:00:12.000\n<v Speaker &lt;2&gt; &amp; co>a --&gt; b &lt;i&gt;\n"
    )


@pytest.mark.parametrize("speaker", ["Ann\n\nBell", "Ann\r\nBell", " Ann\u2028Bell\n"])
def test_a_name_of_several_lines_does_not_end_its_cue(speaker: str) -> None:
    value: JsonValue = [{"start": "00:01", "end": "00:04", "speaker": speaker, "text": "Hello."}]
    assert made("srt", value=value) == "1\n00:00:01,000 --> 00:00:04,000\nAnn Bell: Hello.\n"
    assert made("vtt", value=value) == "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\n<v Ann Bell>Hello.\n"
    assert made("txt", value=value) == "[00:01] Ann Bell: Hello.\n"


def test_half_a_character_costs_no_file() -> None:
    value: JsonValue = [{"start": "00:01", "end": "00:04", "text": "Tea \ud83c"}]
    rendered = render(question("txt", "html", "json", "csv", "srt", "vtt"), "Tea \ud83c", value, Source("a.mp3"))
    assert rendered.warnings == ()
    assert all(b"Tea ?" in file.data for file in rendered.files.values())


def test_a_timed_transcript_reads_as_lines_with_times_and_speakers() -> None:
    assert made("txt", text="{…}", value=TIMED).splitlines()[:2] == [
        "[00:01] Ann: Good morning.",
        "[00:04] Ann: Is it on?",
    ]


def test_cues_come_in_order_and_each_ends_after_it_starts() -> None:
    messy = [Segment(9, 3, "c"), Segment(1, None, "a"), Segment(1, 1, "b"), Segment(5, 6, "")]
    assert [(start, end, each.text) for start, end, each in cues(messy)] == [
        (1000, 1500, "a"),
        (1000, 9000, "b"),
        (9000, 12000, "c"),
    ]
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n"


def test_a_time_that_is_none_is_said_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"segments\[0\]: '7 past'"):
        segments([{"start": "7 past", "text": "x"}])


def test_lines_of_a_plain_transcript_tell_their_times() -> None:
    text = "[00:05] Hello\n(1:02:03) there\n00:07 - 00:09: you\n- **no time**\nAt 10:00 we met"
    assert [(each.start, each.end, each.text) for each in segments_in_text(text)] == [
        (5, None, "Hello"),
        (3723, None, "there"),
        (7, 9, "you"),
    ]


def test_boxes_are_published_in_pixels_of_the_image() -> None:
    value: JsonValue = [
        {"label": "cup", "box_2d": [100, 250, 500, 750]},
        {"label": "turned", "box_2d": [900, 900, 800, 800]},
        {"label": "nothing", "box_2d": [5, 5, 5, 5]},
        {"label": "broken", "box_2d": ["a", 1, 2, 3]},
        {"label": "outside", "box_2d": [-50, 0, 2000, 1000]},
    ]
    told = json.loads(made("json", value=value, width=200, height=100))
    assert (told["width"], told["height"]) == (200, 100)
    assert [(each["label"], each["box"]) for each in told["objects"]] == [
        ("cup", {"left": 50, "top": 10, "right": 150, "bottom": 50}),
        ("turned", {"left": 160, "top": 80, "right": 180, "bottom": 90}),
        ("outside", {"left": 0, "top": 0, "right": 200, "bottom": 100}),
    ]
    assert told["objects"][0]["box_2d"] == [100, 250, 500, 750]


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
    rendered = render(question("png"), "", around(given_box), Source("a.png", picture=picture()))
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
    asked = RecipeQuestion(name="", prompt="p", response_schema=schema, outputs=("json", "png", "csv", "txt"))
    try:
        rendered = render(asked, json.dumps(value), value, Source("a.png", picture=picture((7, 3))))
    except OverflowError:
        assert is_transcript(value)  # What is read from a model has no such times.
        return
    if value is None and schema is None:
        return
    told = json.loads(rendered.files["json"].data)
    if isinstance(told, dict) and "objects" in told and not isinstance(value, dict):
        assert all(any(without_pixels(each) == item for item in value) for each in told["objects"])
    else:
        assert without_pixels(told) == value


def without_pixels(value: Any) -> Any:
    if isinstance(value, list):
        return [without_pixels(each) for each in value]
    if isinstance(value, dict):
        return {name: without_pixels(each) for name, each in value.items() if name != "box"}
    return value


def corners(right: int, bottom: int) -> dict[str, int]:
    return {"left": 0, "top": 0, "right": right, "bottom": bottom}


def test_a_label_that_cannot_be_written_is_the_number_of_its_object_in_the_list() -> None:
    value: JsonValue = [
        {"label": "a", "note": "not found", "box_2d": [0, 0, 0, 0]},
        {"label": "杯", "box_2d": [0, 0, 9, 9]},
    ]
    assert [box.number for box in boxes(value, None, 100, 100)] == [2]
    assert json.loads(made("json", value=value, width=100, height=100))["objects"][1]["label"] == "杯"


def test_boxes_are_drawn_on_the_source_image() -> None:
    value: JsonValue = [{"label": "", "box_2d": [100, 250, 500, 750]}]
    rendered = render(question("png"), "", value, Source("a.png", picture=picture()))
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
    assert render(question("png"), "", value, Source("a.png", picture=picture((40, 40)))).warnings == ()


def test_a_photo_is_turned_upright_before_boxes_are_placed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture((200, 100), format="JPEG", exif=exif)
    value: JsonValue = [{"label": "x", "box_2d": [0, 0, 500, 1000]}]
    rendered = render(question("json", "png"), "", value, Source("a.jpg", 200, 100, turned))
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
    rendered = render(question("png"), "", value, Source("a.png", picture=picture()))
    with Image.open(io.BytesIO(rendered.files["png"].data)) as drawn:
        assert drawn.getpixel((20, 50)) != (255, 255, 255)
        assert drawn.getpixel((75, 50)) == (255, 255, 255)


@pytest.mark.parametrize("mask", ["?", "", "data:image/png;base64,iVBORw0KGgo=", [[1, 2], [3, 4]], "ü"])
def test_masks_that_cannot_be_read_are_warned_of(mask: JsonValue) -> None:
    value: JsonValue = [{"label": "", "box_2d": [0, 0, 500, 500], "mask": mask}, {"box_2d": [0, 0, 9, 9], "mask": None}]
    rendered = render(question("png"), "", value, Source("a.png", picture=picture()))
    assert "png" in rendered.files
    assert rendered.warnings == ("Masks that could not be drawn, and are not in the .png: 1.",)


def test_masks_that_cover_the_picture_over_and_over_are_not_all_drawn() -> None:
    mask = base64.b64encode(picture((4, 4))).decode()
    value: JsonValue = [{"label": "", "box_2d": [0, 0, 1000, 1000], "mask": mask}] * 1000
    rendered = render(question("png"), "", value, Source("a.png", picture=picture()))
    assert rendered.warnings == ("Masks that could not be drawn, and are not in the .png: 980.",)


@pytest.mark.parametrize(("kind", "data"), [(b"iCCP", b"a\0"), (b"gAMA", b"\0"), (b"PLTE", b"\0" * 5)])
def test_a_picture_with_a_broken_part_is_none_to_draw_on_or_is_drawn_on(kind: bytes, data: bytes) -> None:
    whole = picture()
    part = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    broken = whole[:-12] + part + whole[-12:]
    rendered = render(question("json", "png"), "", [{"box_2d": [0, 0, 9, 9]}], Source("a.png", 64, 48, broken))
    assert "json" in rendered.files
    assert ("png" in rendered.files) != bool(rendered.warnings)


@pytest.mark.parametrize("broken", [b"no picture", picture()[:60], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_a_picture_that_cannot_be_drawn_on_leaves_a_warning_and_the_other_files(broken: bytes) -> None:
    value: JsonValue = [{"label": "x", "box_2d": [0, 0, 500, 1000]}]
    rendered = render(question("json", "png"), "", value, Source("a.heic", 64, 48, broken))
    assert list(rendered.files) == ["json"]
    assert rendered.warnings[0].startswith("No .png was made")


def test_an_image_in_which_nothing_was_found_is_an_empty_list_of_objects() -> None:
    detect = next(recipe for recipe in BUILT_IN if recipe.name == "detect").questions[0]
    assert needs_picture(detect, [])
    rendered = render(detect, "[]", [], Source("a.png", picture=picture()))
    assert json.loads(rendered.files["json"].data) == {"width": 200, "height": 100, "objects": []}
    assert "png" in rendered.files


def test_a_flat_list_is_a_table_in_the_order_of_its_schema() -> None:
    schema: Any = {"type": "array", "items": {"type": "object", "properties": {"name": {}, "price": {}, "tags": {}}}}
    value: JsonValue = [
        {"price": -5.5, "name": "Tea, green", "extra": True},
        {"name": 'say "hi"\nthere', "tags": ["a"], "price": None},
    ]
    rows = list(csv.reader(io.StringIO(table(value, schema), newline="")))
    assert rows == [
        ["name", "price", "tags", "extra"],
        ["Tea, green", "-5.5", "", "true"],
        ['say "hi"\nthere', "", '["a"]', ""],
    ]


def test_the_one_list_of_an_object_is_its_table_and_an_object_without_lists_is_a_row() -> None:
    assert table({"total": 2, "items": [{"a": 1}, {"a": 2}]}) == '"a"\r\n"1"\r\n"2"\r\n'
    assert table({"a": 1, "b": "x"}) == '"a","b"\r\n"1","x"\r\n'
    assert table(["x", "y"]) == '"value"\r\n"x"\r\n"y"\r\n'


@pytest.mark.parametrize("value", [{"a": [], "b": []}, [1, {"a": 1}], "text", [[1]]])
def test_what_is_no_flat_list_makes_no_table(value: JsonValue) -> None:
    with pytest.raises(NoTable):
        table(value)


@pytest.mark.parametrize(
    "start",
    ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "\xa0=", "\ufeff=", "\u200b@", "\x0b=", "\u3000 \u2060+", "﹣"],
)
def test_cells_that_a_spreadsheet_would_run_are_made_harmless(start: str) -> None:
    text = f'{start}HYPERLINK("http://evil")'
    rows = list(csv.reader(io.StringIO(table([{f"{start}head": text}]), newline="")))
    assert rows == [[f"'{start}head"], [f"'{text}"]]


@pytest.mark.parametrize(
    "text", ["x;=1+1;y", "a\n=1+1", "a\t @SUM(A1)", "a; -HYPERLINK(1)", "a;+cmd|' /C calc'!A0", "a;\u200b=1"]
)
def test_no_cell_is_a_formula_where_semicolons_or_tabs_divide_and_quotes_are_not_seen(text: str) -> None:
    for line in table([{"a": "first", "b": text}]).splitlines():
        for cell in re.split(r"[;\t]|,(?=\")", line):
            assert cell.strip(' \u200b"')[:1] not in ("=", "+", "-", "@")


@given(st.text(alphabet="=+-@'\";,\t\r\n \xa0\ufeffa1(|!"))
def test_a_cell_is_what_it_was_but_for_apostrophes(text: str) -> None:
    [[_], [cell]] = csv.reader(io.StringIO(table([text]), newline=""))
    assert cell.replace("'", "") == text.replace("'", "")
    assert cell.lstrip(" \xa0\ufeff\t\r\n")[:1] not in tuple("=+-@")


def test_a_list_within_a_cell_is_left_as_it_is() -> None:
    text = "Notes:\n- Tea (green)\n- Milk; 2 - 3 litres"
    [_, [cell]] = csv.reader(io.StringIO(table([text]), newline=""))
    assert cell == text


def test_the_fence_around_a_whole_document_is_taken_off_and_inner_ones_stay() -> None:
    assert unfenced("```markdown\n# A\n\nb\n```") == "# A\n\nb"
    assert unfenced("# A\n```\ncode\n```") == "# A\n```\ncode\n```"
    assert unfenced("```\na\n```\nand\n```\nb\n```") == "```\na\n```\nand\n```\nb\n```"
    assert unfenced("```md\r\n# A\r\n```\r\n") == "# A\r"
    assert unfenced("```markdown\n# A\n```python\nx\n```\nb\n```") == "# A\n```python\nx\n```\nb"
    assert unfenced("```markdown\n# A, cut o") == "# A, cut o"
    assert unfenced("```python\nx, cut o") == "```python\nx, cut o"
    assert unfenced("`" * 300_000) == "`" * 300_000
    assert made("md", text="```md\n# A\n```") == "# A"
    assert made("txt", text="```\nA\n```") == "```\nA\n```"


def test_several_questions_publish_under_their_own_names() -> None:
    asked = RecipeQuestion(name="points", prompt="p", response_schema=None, outputs=("md", "txt"))
    assert list(render(asked, "x", None, Source("a.mp3")).files) == ["points.md", "points.txt"]


def test_subtitles_of_an_answer_without_segments_are_a_warning() -> None:
    rendered = render(question("srt"), "{}", {}, Source("a.mp3"))
    assert rendered.files == {}
    assert "no segments" in rendered.warnings[0]
