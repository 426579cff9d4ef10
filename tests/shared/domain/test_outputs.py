"""What is published of an answer: readable, in the right form, and harmless to open."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from typing import Any

import pytest
from PIL import Image
from pydantic import JsonValue

from shared.domain.outputs import Source, needs_picture, render
from shared.domain.outputs.drawing import legible
from shared.domain.outputs.markup import page, unfenced
from shared.domain.outputs.subtitles import cues, srt, vtt
from shared.domain.outputs.tables import NoTable, table
from shared.domain.recipe import BUILT_IN, Asked
from shared.domain.transcript import Segment, segments, segments_in_text

TIMED: JsonValue = {
    "language": "en",
    "segments": [
        {"start": "00:01", "end": "00:04", "speaker": "Ann", "text": "Good morning."},
        {"start": "00:04", "end": "00:04", "speaker": "Ann", "text": "  Is it\n\n on?  "},
        {"start": "01:00:09", "end": None, "speaker": "Speaker <2> & co", "text": "a --> b <i>"},
    ],
}


def question(*outputs: str, schema: Any = None) -> Asked:
    return Asked(name="", prompt="p", response_schema=schema, outputs=outputs)


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


@pytest.mark.parametrize("broken", [b"no picture", picture()[:60], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_a_picture_that_cannot_be_drawn_on_leaves_a_warning_and_the_other_files(broken: bytes) -> None:
    value: JsonValue = [{"label": "x", "box_2d": [0, 0, 500, 1000]}]
    rendered = render(question("json", "png"), "", value, Source("a.heic", 64, 48, broken))
    assert list(rendered.files) == ["json"]
    assert rendered.warnings[0].startswith("No .png was made")


def test_an_image_in_which_nothing_was_found_is_an_empty_list_of_objects() -> None:
    detect = next(recipe for recipe in BUILT_IN if recipe.name == "detect").asked[0]
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
    assert table({"total": 2, "items": [{"a": 1}, {"a": 2}]}) == "a\r\n1\r\n2\r\n"
    assert table({"a": 1, "b": "x"}) == "a,b\r\n1,x\r\n"
    assert table(["x", "y"]) == "value\r\nx\r\ny\r\n"


@pytest.mark.parametrize("value", [{"a": [], "b": []}, [1, {"a": 1}], "text", [[1]]])
def test_what_is_no_flat_list_makes_no_table(value: JsonValue) -> None:
    with pytest.raises(NoTable):
        table(value)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"])
def test_cells_that_a_spreadsheet_would_run_are_made_harmless(start: str) -> None:
    text = f'{start}HYPERLINK("http://evil")'
    rows = list(csv.reader(io.StringIO(table([{f"{start}head": text}]), newline="")))
    assert rows == [[f"'{start}head"], [f"'{text}"]]


EVIL = """```html
<html><head><title>t</title><style>@import 'x'</style><script>alert(1)</script></head>
<body onload="x()"><h1 style="text-align:center;background:url(http://evil/x.png)">Report</h1>
<table border=1><tr><th scope=row colspan=2 onclick=x>Sum</th></tr></table>
<img src=http://evil/pixel onerror=x><svg onload=x><use href=x></svg><iframe src=x></iframe>
<form action=x><input></form>
<a href="javascript:alert(1)">a</a><a href=//evil>b</a><a href="https://example.org/">c</a><base href=x>
<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>
</body></html>
```"""


def test_html_keeps_its_layout_and_nothing_that_runs_loads_or_leaves() -> None:
    shown = page(EVIL, 'a "<b>".pdf')
    assert '<h1 style="text-align:center">Report</h1>' in shown
    assert re.search(r'<th [^>]*colspan="2"', shown)
    assert 'href="https://example.org/"' in shown
    assert "<title>a &quot;&lt;b&gt;&quot;.pdf</title>" in shown
    assert "default-src 'none'" in shown
    body = shown.partition("<body>")[2]
    for forbidden in ("<script", "alert", "<style", "onload", "onclick", "onerror", "evil", "<img", "<svg", "<iframe"):
        assert forbidden not in body
    for forbidden in ("<form", "javascript:", "<base", "url(", "@import", "<math"):
        assert forbidden not in body


def test_an_answer_that_is_no_html_is_shown_as_it_is() -> None:
    assert "<pre>2 &lt; 3 &amp; 4</pre>" in page("2 < 3 & 4", "t")


def test_the_fence_around_a_whole_document_is_taken_off_and_inner_ones_stay() -> None:
    assert unfenced("```markdown\n# A\n\nb\n```") == "# A\n\nb"
    assert unfenced("# A\n```\ncode\n```") == "# A\n```\ncode\n```"
    assert unfenced("```\na\n```\nand\n```\nb\n```") == "```\na\n```\nand\n```\nb\n```"
    assert made("md", text="```md\n# A\n```") == "# A"
    assert made("txt", text="```\nA\n```") == "```\nA\n```"


def test_several_questions_publish_under_their_own_names() -> None:
    asked = Asked(name="points", prompt="p", response_schema=None, outputs=("md", "txt"))
    assert list(render(asked, "x", None, Source("a.mp3")).files) == ["points.md", "points.txt"]


def test_subtitles_of_an_answer_without_segments_are_a_warning() -> None:
    rendered = render(question("srt"), "{}", {}, Source("a.mp3"))
    assert rendered.files == {}
    assert "no segments" in rendered.warnings[0]
