"""Reading in place: players, pictures, pages, tables, Markdown; scripts in answers never run; asking again."""

from __future__ import annotations

import base64
import io
import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.page.conftest import Tab, answering, settled
from tests.running import SAMPLES, Running

SEGMENTS = [
    {"start": "00:00", "end": "00:03", "speaker": "Ada", "text": "Good morning."},
    {"start": "00:03", "end": "00:05", "speaker": "Charles", "text": "Is the engine ready?"},
    {"start": "00:05", "end": "00:07", "speaker": "Ada", "text": "Nearly."},
]
EVIL = """<h1>Report</h1><p onclick="hacked=1">Fine <b>text</b><script>window.hacked = 1</script>
<img src=x onerror="window.hacked=1"><svg onload="window.hacked=1"><circle r="9"/></svg>
<a href="javascript:window.hacked=1">link</a><iframe src="javascript:parent.hacked=1"></iframe>
<form action="https://evil.example"><input></form><style>body{display:none}</style>
<table><tr><td colspan="2">cell</td></tr></table>"""

FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""Waits until what the page holds is laid out and drawn: what would run or load by itself has begun to."""


def answered(system: Running, name: str, sample: Path, text: str | None = None, **metadata: str) -> dict[str, Any]:
    with answering(system, text) if text is not None else nullcontext():
        return settled(system, system.drop(name, sample, **metadata))


def test_a_transcript_jumps_to_its_moment_and_follows_the_sound(system: Running, tab: Tab) -> None:
    answered(system, "read/talk.mp3", SAMPLES / "speech.mp3", json.dumps({"language": "en", "segments": SEGMENTS}),
             dropsight_recipe="transcribe-timed")  # fmt: skip
    tab.open_task("talk.mp3")
    lines = tab.page.locator(".transcript li")
    expect(lines).to_have_count(3)
    expect(lines.nth(1)).to_contain_text("Charles")
    tab.wait_until("document.querySelector('audio').readyState > 0")
    # So slowly that the line's two seconds of sound are still heard when the test looks.
    tab.page.evaluate("document.querySelector('audio').playbackRate = 0.0625")
    lines.nth(1).get_by_role("button").click()
    tab.wait_until("document.querySelector('audio').currentTime >= 3")
    expect(lines.nth(1)).to_have_class("now")
    tab.page.evaluate("document.querySelector('audio').pause()")
    tab.page.evaluate("document.querySelector('audio').currentTime = 5.5")
    expect(lines.nth(2)).to_have_class("now")
    expect(lines.nth(1)).not_to_have_class("now")


def test_words_jump_to_their_moment_and_follow_the_sound_and_speakers_keep_their_colour(
    system: Running, tab: Tab
) -> None:
    words = [{"start": f"00:0{second}", "text": word} for second, word in ((0, "Good"), (2, "morning"), (4, "all"))]
    segments = [
        {"start": "00:00", "end": "00:05", "speaker": "Ada", "text": "Good morning all", "words": words},
        {"start": "00:05", "end": "00:06", "speaker": "Charles", "text": "Hello."},
        {"start": "00:06", "end": "00:07", "speaker": "Ada", "text": "Begin."},
    ]
    answered(system, "read/words.mp3", SAMPLES / "speech.mp3", json.dumps(segments))
    tab.open_task("words.mp3")
    words_shown = tab.page.locator(".transcript .word")
    expect(words_shown).to_have_count(3)
    tab.wait_until("document.querySelector('audio').readyState > 0")
    words_shown.nth(1).click()
    tab.wait_until("document.querySelector('audio').currentTime >= 2")
    expect(words_shown.nth(0)).to_have_class("word past")
    expect(words_shown.nth(1)).to_have_class("word past")
    tab.page.evaluate("document.querySelector('audio').pause()")
    tab.page.evaluate("document.querySelector('audio').currentTime = 4.2")
    expect(words_shown.nth(2)).to_have_class("word past")
    tab.page.evaluate("document.querySelector('audio').currentTime = 6.5")
    expect(tab.page.locator(".transcript li").nth(2)).to_have_class("now")
    colours = ["speaker tone-0", "speaker tone-1", "speaker tone-0"]
    expect(tab.page.locator(".transcript .speaker")).to_have_class(colours)


def test_masks_lie_over_their_boxes_of_the_picture(system: Running, tab: Tab) -> None:
    picture = io.BytesIO()
    Image.new("L", (8, 8), 255).save(picture, "PNG")
    mask = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    shapes = [{"label": "sun", "box_2d": [100, 700, 300, 850], "mask": mask}]
    answered(system, "read/masks.jpg", SAMPLES / "photo.jpg", json.dumps(shapes), dropsight_recipe="segment-image")
    tab.open_task("masks.jpg")
    expect(tab.page.locator(".overlay image")).to_have_count(1)
    tab.wait_until("document.querySelector('.picture img').naturalWidth > 0")
    places = tab.page.evaluate("""["image", "rect"].map((name) => {
      const { left, top, width, height } = document.querySelector(`.overlay ${name}`).getBoundingClientRect();
      return [left, top, width, height];
    })""")
    assert places[0] == pytest.approx(places[1], abs=4)


def test_a_video_has_its_subtitles_as_captions(system: Running, tab: Tab) -> None:
    answered(system, "read/clip.mp4", SAMPLES / "clip.mp4", json.dumps({"language": "en", "segments": SEGMENTS[:1]}),
             dropsight_recipe="transcribe-timed")  # fmt: skip
    tab.open_task("clip.mp4")
    tab.wait_until("document.querySelector('video track')?.track.cues?.length === 1")


def test_boxes_lie_over_the_picture(system: Running, tab: Tab) -> None:
    boxes = [{"label": "sun", "box_2d": [100, 700, 300, 850]}, {"label": "hill", "box_2d": [400, 0, 1000, 600]}]
    answered(system, "read/photo.jpg", SAMPLES / "photo.jpg", json.dumps(boxes), dropsight_recipe="detect")
    tab.open_task("photo.jpg")
    expect(tab.page.locator(".overlay rect")).to_have_count(2)
    tab.wait_until("document.querySelector('.picture img').naturalWidth > 0")
    place = tab.page.evaluate("""() => {
      const place = (what) => document.querySelector(what).getBoundingClientRect();
      const [box, picture] = [place(".overlay rect"), place(".picture img")];
      const { width, height } = picture;
      return [(box.left - picture.left) / width, (box.top - picture.top) / height, box.width / width];
    }""")
    assert place == pytest.approx([0.7, 0.1, 0.15], abs=0.02)
    tab.page.locator(".found li").nth(1).hover()
    expect(tab.page.locator(".overlay [data-box='1']")).to_have_class("tone-1 lit")


def test_pages_of_a_pdf_lie_beside_the_answer(system: Running, tab: Tab) -> None:
    answered(
        system,
        "read/report.pdf",
        SAMPLES / "report.pdf",
        "# Summary\n\nRevenue **grew** by 12 %.\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    )
    tab.open_task("report.pdf")
    first = tab.page.get_by_role("img", name=re.compile("^Page 1 of "))
    expect(first).to_be_visible()
    tab.wait_until("document.querySelector('.page img').naturalWidth === 1200")
    expect(tab.page.locator(".answer strong")).to_have_text("grew")
    expect(tab.page.locator(".answer td")).to_have_text(["1", "2"])
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name="report.pdf.md").click()
    assert "Revenue" in download.value.path().read_text()


def test_extracted_rows_are_a_table(system: Running, tab: Tab) -> None:
    schema = {
        "type": "array",
        "items": {"type": "object", "properties": {"name": {"type": "string"}, "due": {"type": "number"}}},
    }
    answered(system, "read/bill.txt", SAMPLES / "notes.txt", json.dumps([{"name": "=1+1 Ltd", "due": 3.5}]),
             dropsight_recipe="extract", dropsight_schema=json.dumps(schema))  # fmt: skip
    tab.open_task("bill.txt")
    expect(tab.page.locator(".answer th")).to_have_text(["name", "due"])
    expect(tab.page.locator(".answer td")).to_have_text(["=1+1 Ltd", "3.5"])
    tab.page.get_by_role("button", name="Raw").click()
    expect(tab.page.locator(".raw")).to_contain_text('"due": 3.5')


@pytest.mark.parametrize(("name", "recipe"), [("page.pdf", "transcribe-document-html"), ("evil.pdf", "summarise")])
def test_nothing_in_an_answer_runs_or_loads(system: Running, tab: Tab, name: str, recipe: str) -> None:
    requested: list[str] = []
    tab.page.on("request", lambda request: requested.append(request.url))
    answered(system, f"read/{name}", SAMPLES / "report.pdf", EVIL, dropsight_recipe=recipe)
    tab.open_task(name)
    expect(tab.page.locator(".answer")).to_contain_text("Fine")
    tab.page.evaluate(FRAMES)
    assert tab.page.evaluate("window.hacked") is None
    assert tab.page.locator(".answer :is(script, img, svg, iframe, form, style, [onclick])").count() == 0
    assert not [url for url in requested if "evil.example" in url or url.endswith("/x")]


def test_markdown_with_hostile_links_and_html_stays_text(system: Running, tab: Tab) -> None:
    text = "Hello [click](javascript:hacked=1) <img src=x onerror=hacked=1> ![p](https://evil.example/p.png) *fine*"
    answered(system, "read/hostile.txt", SAMPLES / "notes.txt", text)
    tab.open_task("hostile.txt")
    expect(tab.page.locator(".answer em")).to_have_text("fine")
    tab.page.evaluate(FRAMES)
    assert tab.page.evaluate("window.hacked") is None
    assert tab.page.locator(".answer img").count() == 0
    assert tab.page.locator(".answer a[href^=javascript]").count() == 0


def test_svg_and_html_sources_do_not_run(system: Running, tab: Tab) -> None:
    settled(system, system.drop("read/evil.html", EVIL.encode(), "text/html"))
    tab.open_task("evil.html")
    expect(tab.page.locator(".source pre")).to_contain_text("<script>")
    tab.page.evaluate(FRAMES)
    assert tab.page.evaluate("window.hacked") is None


def test_a_failed_task_says_what_is_wrong_and_the_way_out(system: Running, tab: Tab) -> None:
    settled(system, system.drop("read/broken.zip", b"PK\x03\x04" + bytes(200), "application/zip"))
    tab.open_task("broken.zip")
    expect(tab.page.locator(".band.bad")).to_be_visible()
    expect(tab.row("broken.zip")).to_contain_text("failed")


def test_a_short_transcript_carries_an_honest_band(system: Running, tab: Tab) -> None:
    short = {"language": "en", "segments": [{"start": "00:00", "end": "00:01", "speaker": "Ada", "text": "Hm."}]}
    task = answered(
        system, "read/short.wav", SAMPLES / "speech.wav", json.dumps(short), dropsight_recipe="transcribe-timed"
    )
    tab.open_task("short.wav")
    expect(tab.page.locator(".band.warn")).to_have_count(len(task.get("warnings") or []))


def test_asking_again_shows_both_answers_and_the_difference(system: Running, tab: Tab) -> None:
    answered(system, "read/again.txt", SAMPLES / "notes.txt", "The meeting is on Monday at nine.")
    tab.open_task("again.txt")
    tab.page.get_by_text("Ask again", exact=True).click()
    expect(tab.page.locator(".again .estimate")).to_contain_text("tokens to read")
    tab.page.get_by_label("Question").fill("When is it really?")
    with answering(system, "The meeting is on Tuesday at nine."):
        tab.page.get_by_role("button", name="Ask", exact=True).click()
        expect(tab.page.locator(".two")).to_contain_text("Tuesday")
    expect(tab.page.locator(".two")).to_contain_text("Monday")
    tab.page.get_by_role("button", name="Show the difference").click()
    expect(tab.page.locator(".difference ins")).to_have_text("Tuesday")
    expect(tab.page.locator(".difference del")).to_have_text("Monday")


def test_this_call_has_the_tasks_real_values(system: Running, tab: Tab) -> None:
    task = answered(system, "read/it's code.txt", SAMPLES / "notes.txt", "Fine.")
    tab.open_task("it's code.txt")
    tab.page.get_by_text("This call, as code").click()
    blocks = tab.page.locator(".snippet pre")
    expect(blocks).to_have_count(4)
    expect(blocks.nth(0)).to_contain_text(task["id"])
    expect(blocks.nth(1)).to_contain_text(task["id"])
    expect(blocks.nth(2)).to_contain_text("gcloud storage cp 'it'\\''s code.txt' gs://dropsight-inbox/")
    assert system.endpoints.api_key not in tab.page.locator(".foot").inner_text()


def test_speech_is_played_and_a_picture_is_shown_beside_their_files(system: Running, tab: Tab) -> None:
    answered(system, "read/aloud.txt", SAMPLES / "notes.txt", dropsight_recipe="speak")
    tab.open_task("aloud.txt")
    player = tab.page.locator(".outputs audio")
    expect(player).to_have_count(1)
    tab.wait_until("document.querySelector('.outputs audio').duration > 3")
    expect(tab.page.get_by_text("The text was read aloud by")).to_be_visible()
    answered(system, "read/drawn.txt", SAMPLES / "notes.txt", dropsight_recipe="draw")
    tab.open_task("drawn.txt")
    expect(tab.page.locator(".outputs img")).to_have_count(1)
    tab.wait_until("document.querySelector('.outputs img').naturalWidth > 100")
