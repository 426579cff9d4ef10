"""Every capability is had by dropping a file and saying what is wanted: what the model is sent, what is published."""

from __future__ import annotations

import csv
import io
import json
import wave
from pathlib import Path

import pytest
from PIL import Image

from shared.domain.recipe.definition import DEFAULT_MODEL
from tests.functions.generate.conftest import SAMPLES, System, answers, camelled, warned, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH, PICTURE, REPORT = SAMPLES / "speech.wav", SAMPLES / "picture.png", SAMPLES / "report.pdf"
CLIP, NOTES = SAMPLES / "clip.mp4", SAMPLES / "notes.txt"


def recording(seconds: int) -> bytes:
    """Silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80" * 8000 * seconds)
    return out.getvalue()


@pytest.mark.parametrize(
    ("sample", "prompt", "ending"),
    [
        (SPEECH, "Please transcribe this audio file", "txt"),
        (PICTURE, "Describe this image", "md"),
        (REPORT, "Summarise this document", "md"),
        (NOTES, "Summarise this document", "md"),
        (CLIP, "Describe this video", "md"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
async def test_a_file_without_wishes_is_asked_about_with_its_familys_default(
    system: System, sample: Path, prompt: str, ending: str
) -> None:
    task = await system.answered(f"default/{sample.name}", sample)
    [(model, body)] = system.model.asked
    assert words(body).startswith(prompt)
    assert model == DEFAULT_MODEL
    assert "responseJsonSchema" not in body.get("generationConfig", {})
    assert (await system.published(task))[ending].decode() == answers(task)[0]


@pytest.mark.parametrize(
    ("recipe", "sample", "metadata", "prompt", "endings"),
    [
        ("transcribe-timed", SPEECH, {}, "Transcribe this recording", {"txt", "srt", "vtt", "json"}),
        ("describe-audio", SPEECH, {}, "Describe this audio clip", {"md"}),
        ("segment", SPEECH, {"dropsight_range": "00:02-00:05"}, "the speech from 00:02 to 00:05.", {"txt"}),
        ("caption", PICTURE, {}, "Caption this image.", {"txt"}),
        ("detect", PICTURE, {"find": "cups"}, "Detect cups in the image", {"json", "png"}),
        ("segment-image", PICTURE, {}, "segmentation masks", {"json", "png"}),
        ("transcribe-document", REPORT, {}, "to Markdown, preserving its layout", {"md"}),
        ("transcribe-document-html", REPORT, {}, "to HTML, preserving its layouts", {"html"}),
        ("ask", REPORT, {"dropsight_prompt": "Who signed {it}?"}, "Who signed {it}?", {"md"}),
    ],
)
async def test_a_shipped_recipe_is_chosen_by_the_files_own_metadata(
    system: System, recipe: str, sample: Path, metadata: dict[str, str], prompt: str, endings: set[str]
) -> None:
    task = await system.answered(f"{recipe}/{sample.name}", sample, dropsight_recipe=recipe, **metadata)
    assert task.error is None, task.error
    assert task.ran is not None
    assert (task.ran.recipe, task.ran.origin) == (recipe, "built in")
    assert prompt in words(system.model.asked[0][1])
    published = await system.published(task)
    assert set(published) == {*endings, "task.json"}
    assert {uri.rpartition(".")[2] for uri in task.outputs} == {*endings, "json"}
    assert warned(task) == ()


async def test_a_timed_transcript_is_published_as_subtitles(system: System) -> None:
    task = await system.answered("subtitled.wav", SPEECH, dropsight_recipe="transcribe-timed")
    published = await system.published(task)
    segments = json.loads(published["json"])["segments"]
    assert published["srt"].decode().count(" --> ") == published["vtt"].decode().count(" --> ") == len(segments)
    assert published["vtt"].startswith(b"WEBVTT\n")
    assert json.loads(answers(task)[0])["segments"] == segments
    config = system.model.asked[0][1]["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["required"] == ["language", "segments"]


async def test_found_objects_are_published_in_pixels_and_drawn_on_the_picture(system: System) -> None:
    task = await system.answered("found.png", PICTURE, dropsight_recipe="detect")
    published = await system.published(task)
    told = json.loads(published["json"])
    with Image.open(PICTURE) as source, Image.open(io.BytesIO(published["png"])) as drawn:
        assert drawn.format == "PNG"
        assert drawn.size == source.size == (told["width"], told["height"])
        assert drawn.convert("RGB").tobytes() != source.convert("RGB").tobytes()
    assert all(0 <= entry["box"]["left"] < entry["box"]["right"] <= told["width"] for entry in told["objects"])
    assert told["objects"]


async def test_boxes_on_a_picture_that_cannot_be_drawn_on_are_published_all_the_same(system: System) -> None:
    system.model.script.append({"text": json.dumps([{"label": "x", "box_2d": [0, 0, 500, 1000]}])})
    task = await system.answered("phone.heic", SAMPLES / "ugly" / "phone.heic", dropsight_recipe="detect")
    told = json.loads((await system.published(task))["json"])
    assert told["objects"][0]["box"] == {
        "left": 0,
        "top": 0,
        "right": told["width"],
        "bottom": round(told["height"] / 2),
    }
    assert warned(task) == ("No .png was made: boxes are drawn on PNG, JPEG and WebP images only.",)
    assert json.loads((await system.published(task))["task.json"])["warnings"] == list(task.warnings)


async def test_data_is_extracted_by_any_schema_and_published_as_json_and_csv(system: System) -> None:
    schema = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"item": {"type": "string"}, "price": {"type": "number"}},
            "required": ["item", "price"],
        },
    }
    rows = [{"item": "=SUM(A1:A9)", "price": -2.5}, {"item": "Tea", "price": 3}]
    system.model.script.append({"text": json.dumps(rows)})
    task = await system.answered("prices.pdf", REPORT, dropsight_recipe="extract", dropsight_schema=json.dumps(schema))
    published = await system.published(task)
    assert json.loads(published["json"]) == rows
    assert list(csv.reader(io.StringIO(published["csv"].decode()))) == [
        ["item", "price"],
        ["'=SUM(A1:A9)", "-2.5"],
        ["Tea", "3"],
    ]
    assert system.model.asked[0][1]["generationConfig"]["responseJsonSchema"] == schema


async def test_html_that_the_model_wrote_is_published_without_what_acts(system: System) -> None:
    system.model.script.append({"text": "```html\n<h1 onclick=x>A</h1><script>alert(1)</script><img src=//x>\n```"})
    task = await system.answered("page.pdf", REPORT, dropsight_recipe="transcribe-document-html")
    page = (await system.published(task))["html"].decode()
    assert "<h1>A</h1>" in page
    assert "script>" not in page
    assert "<img" not in page


async def test_files_of_the_same_inbox_are_compared_in_one_call(system: System) -> None:
    await system.answered("old/report.pdf", REPORT)
    system.model.asked.clear()
    task = await system.answered(
        "new.pdf", REPORT, dropsight_recipe="compare", dropsight_with="old/report.pdf, old/picture.png"
    )
    assert task.error is not None
    assert task.error.code == "source_gone"
    assert "old/picture.png" in task.error.message

    task = await system.answered("newer.pdf", REPORT, dropsight_recipe="compare", dropsight_with="old/report.pdf")
    [(_, body)] = system.model.asked
    parts = body["contents"][0]["parts"]
    files = [camelled(part["fileData"]) for part in parts[:-1]]
    assert [file["mimeType"] for file in files] == ["application/pdf"] * 2
    assert len({file["fileUri"] for file in files}) == 2
    assert parts[-1]["text"].startswith("Compare these files")
    assert task.error is None


async def test_a_range_of_a_video_is_sent_as_offsets(system: System) -> None:
    await system.answered("part.mp4", CLIP, dropsight_range="00:01-00:02", dropsight_prompt="What happens?")
    media = system.model.asked[0][1]["contents"][0]["parts"][0]
    assert camelled(media["videoMetadata"]) == {"startOffset": "1s", "endOffset": "2s"}


async def test_wishes_reach_the_model(system: System) -> None:
    task = await system.answered(
        "wished.wav",
        SPEECH,
        dropsight_model="gemini-2.5-flash-lite",
        dropsight_prompt="Ünïcode 🎙 question?",
        dropsight_system="Answer in verse.",
        dropsight_temperature="0.3",
        dropsight_max_tokens="2000",
        dropsight_thinking="512",
    )
    [(model, body)] = system.model.asked
    assert model == task.model == "gemini-2.5-flash-lite"
    assert words(body) == "Ünïcode 🎙 question?"
    assert body["systemInstruction"]["parts"] == [{"text": "Answer in verse."}]
    assert camelled(body["generationConfig"]) == {
        "temperature": 0.3,
        "maxOutputTokens": 2000,
        "thinkingConfig": {"thinkingBudget": 512},
    }


@pytest.mark.parametrize(
    ("metadata", "code", "says"),
    [
        ({"dropsight_recipe": "detect"}, "invalid_param", "detect takes image"),
        ({"dropsight_recipe": "segment"}, "invalid_param", "dropsight-range"),
        ({"dropsight_model": "gemini-3-pro-image"}, "unsupported_content_type", "does not take audio"),
        ({"dropsight_model": "gemini-2.5-flash-preview-tts"}, "model_not_support_capability", "answer with text"),
        ({"dropsight_model": "no-such-model"}, "model_not_found", "No model is named"),
        ({"dropsight_model": "gemini-1.5-flash"}, "model_not_found", "Use gemini-"),
        ({"dropsight_model": "gemini-2.5-pro", "dropsight_thinking": "off"}, "model_not_support_capability", "stop"),
    ],
)
async def test_what_cannot_be_had_is_refused_before_anything_is_uploaded(
    system: System, metadata: dict[str, str], code: str, says: str
) -> None:
    before = system.tap.ledger.stats().get("gemini", {}).get("uploads", 0)
    name = "-".join(metadata.values())
    task = await system.answered(f"refused/{name}.wav", SPEECH, **metadata)
    assert task.error is not None
    assert task.error.code == code
    assert says in task.error.message
    assert system.tap.ledger.stats().get("gemini", {}).get("uploads", 0) == before
    assert system.model.asked == []


async def test_an_unknown_wish_is_a_warning_of_the_task(system: System) -> None:
    task = await system.answered("misspelt.txt", NOTES, dropsight_promt="What?")
    assert "dropsight-prompt" in warned(task)[0]
    assert json.loads((await system.published(task))["task.json"])["warnings"] == list(task.warnings)


async def test_a_transcript_that_ends_early_is_completed_with_a_warning(system: System) -> None:
    system.model.script.append({"text": "[00:00] Good morning.\n[00:40] And so"})
    task = await system.answered("long.wav", recording(300))
    assert answers(task) == ["[00:00] Good morning.\n[00:40] And so"]
    assert any("of 05:00" in warning for warning in task.warnings)
