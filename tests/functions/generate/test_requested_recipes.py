"""A request may name every shipped recipe: the same questions, the same files and the same checks as for a drop."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from tests.functions.generate.conftest import INBOX, SAMPLES, System, answers, camelled, warned
from tests.functions.generate.test_recipes import recording

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

SPEECH, PICTURE, REPORT = SAMPLES / "speech.wav", SAMPLES / "picture.png", SAMPLES / "report.pdf"
CLIP = SAMPLES / "clip.mp4"
ROWS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"item": {"type": "string"}, "price": {"type": "number"}},
        "required": ["item", "price"],
    },
}
FORM = {"type": "json_schema", "json_schema": {"name": "rows", "schema": ROWS}}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _placed(shared_system: System) -> None:
    """The samples lie in the inbox, and nothing is left to do for them."""
    for sample in (SPEECH, PICTURE, REPORT, CLIP):
        await shared_system.answered(f"asked/{sample.name}", sample)


def at(sample: Path) -> str:
    return f"gs://{INBOX}/asked/{sample.name}"


def about(*places: Path | str, text: str | None = None) -> list[dict[str, Any]]:
    """Messages that name samples, or other objects of the inbox."""
    uris = [place if isinstance(place, str) else at(place) for place in places]
    parts: list[dict[str, Any]] = [{"type": "file_url", "file_url": {"url": uri}} for uri in uris]
    return [{"role": "user", "content": [*parts, *([] if text is None else [{"type": "text", "text": text}])]}]


def said(body: dict[str, Any]) -> str:
    return str(body["contents"][-1]["parts"][-1].get("text"))


@pytest.mark.parametrize(
    ("recipe", "files", "fields", "prompt", "endings"),
    [
        ("transcribe", [SPEECH], {}, "Please transcribe this audio file", {"txt"}),
        ("describe-image", [PICTURE], {}, "Describe this image", {"md"}),
        ("summarise", [REPORT], {}, "Summarise this document", {"md"}),
        ("describe-video", [CLIP], {}, "Describe this video", {"md"}),
        ("transcribe-timed", [SPEECH], {}, "Transcribe this recording", {"txt", "srt", "vtt", "json"}),
        ("describe-audio", [SPEECH], {}, "Describe this audio clip", {"md"}),
        (
            "segment",
            [SPEECH],
            {"metadata": {"dropsight-range": "00:02-00:05"}},
            "the speech from 00:02 to 00:05.",
            {"txt"},
        ),
        ("caption", [PICTURE], {}, "Caption this image.", {"txt"}),
        ("detect", [PICTURE], {"metadata": {"find": "cups"}}, "Detect cups in the image", {"json", "png"}),
        ("segment-image", [PICTURE], {}, "masks for all of the prominent items", {"json", "png"}),
        ("transcribe-document", [REPORT], {}, "to Markdown, preserving its layout", {"md"}),
        ("transcribe-document-html", [REPORT], {}, "to HTML, preserving its layouts", {"html"}),
        ("extract", [REPORT], {"response_format": FORM}, "that the schema describes", {"json", "csv"}),
        ("compare", [PICTURE, PICTURE], {}, "Compare these files", {"md"}),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
async def test_a_shipped_recipe_is_named_by_a_manifest(
    system: System, recipe: str, files: list[Path], fields: dict[str, Any], prompt: str, endings: set[str]
) -> None:
    task = await system.requested(f"by-{recipe}", recipe=recipe, messages=about(*files), **fields)
    assert task.error is None, task.error
    assert task.ran is not None
    assert task.ran.recipe == recipe
    [(_, body)] = system.model.asked
    assert prompt in said(body)
    assert "{" not in said(body)
    assert len(body["contents"][0]["parts"]) == len(files) + 1
    assert set(await system.published(task)) == {*endings, "task.json"}
    assert {uri.rpartition(".")[2] for uri in task.outputs} == {*endings, "json"}
    assert warned(task) == ()


async def test_a_question_is_asked_with_the_requests_own_words(system: System) -> None:
    messages = about(REPORT, text="Who signed {it}?")
    task = await system.requested("asks", recipe="ask", messages=messages)
    assert said(system.model.asked[0][1]) == "Who signed {it}?"
    assert (await system.published(task))["md"].decode() == answers(task)[0]

    task = await system.requested("asks-audio", recipe="ask", audio_url=at(SPEECH), prompt="Who {speaks}?")
    assert task.error is None
    assert said(system.model.asked[-1][1]) == "Who {speaks}?"


async def test_masks_are_asked_for_without_thinking(system: System) -> None:
    messages = about(PICTURE)
    await system.requested("masks", recipe="segment-image", messages=messages, temperature=0.5)
    config = camelled(system.model.asked[0][1]["generationConfig"])
    assert config["thinkingConfig"] == {"thinkingBudget": 0}
    assert config["temperature"] == 0.5
    assert config["responseJsonSchema"]["items"]["required"] == ["box_2d", "mask", "label"]


async def test_what_a_request_says_stands_in_the_recipes_place(system: System) -> None:
    messages = about(SPEECH)
    await system.requested(
        "both",
        model="gemini-2.5-flash-lite",
        recipe="describe-audio",
        messages=messages,
        system_prompt="Answer as {json}.",
        top_p=0.5,
        reasoning_effort="low",
        reasoning=True,
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        tools=[{"type": "function", "function": {"name": "note", "parameters": {"type": "object"}}}],
        tool_choice="auto",
    )
    [(model, body)] = system.model.asked
    assert model == "gemini-2.5-flash-lite"
    assert body["systemInstruction"]["parts"] == [{"text": "Answer as {json}."}]
    config = camelled(body["generationConfig"])
    assert config["topP"] == 0.5
    assert config["thinkingConfig"] == {"thinkingBudget": 1024, "includeThoughts": True}
    assert body["safetySettings"] == [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]
    assert body["tools"][0]["functionDeclarations"][0]["name"] == "note"
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == "AUTO"


async def test_a_range_of_a_requests_video_is_sent_as_offsets(system: System) -> None:
    messages = about(CLIP)
    await system.requested(
        "part", recipe="describe-video", messages=messages, metadata={"dropsight-range": "00:01-00:02"}
    )
    parts = system.model.asked[0][1]["contents"][0]["parts"]
    assert camelled(parts[0]["videoMetadata"]) == {"startOffset": "1s", "endOffset": "2s"}
    assert "Keep to" not in parts[1]["text"]


async def test_a_range_of_a_requests_sound_is_named_in_its_prompt(system: System) -> None:
    messages = about(SPEECH)
    await system.requested(
        "part-of-sound", recipe="transcribe", messages=messages, metadata={"dropsight-range": "00:01-00:03"}
    )
    assert said(system.model.asked[0][1]).endswith("Keep to the part from 00:01 to 00:03.")


async def test_objects_that_a_request_finds_are_published_in_pixels_and_drawn(system: System) -> None:
    found = [{"label": "cup", "box_2d": [0, 0, 500, 1000]}]
    messages = about(PICTURE)
    inline = base64.b64encode(PICTURE.read_bytes()).decode()
    given = [
        messages,
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{inline}"}}]}],
    ]
    for number, each in enumerate(given):
        system.model.script.append({"text": json.dumps(found)})
        task = await system.requested(f"found-{number}", recipe="detect", messages=each)
        published = await system.published(task)
        told = json.loads(published["json"])
        with Image.open(PICTURE) as source, Image.open(io.BytesIO(published["png"])) as drawn:
            assert drawn.size == source.size == (told["width"], told["height"])
            assert drawn.convert("RGB").tobytes() != source.convert("RGB").tobytes()
        assert told["objects"][0]["box"]["bottom"] == round(told["height"] / 2)


async def test_rows_that_a_request_extracts_are_published_as_json_and_csv(system: System) -> None:
    rows = [{"item": "=SUM(A1:A9)", "price": 2}, {"item": "Tea", "price": 3}]
    messages = about(REPORT)
    system.model.script.extend([{"text": "no rows"}, {"text": json.dumps(rows)}])
    task = await system.requested("rows", recipe="extract", messages=messages, response_format=FORM)
    published = await system.published(task)
    assert len(system.model.asked) == 2
    assert json.loads(published["json"]) == rows
    told = list(csv.reader(io.StringIO(published["csv"].decode().removeprefix("\ufeff"))))
    assert told == [["item", "price"], ["'=SUM(A1:A9)", "2"], ["Tea", "3"]]


async def test_a_request_may_say_what_is_published(system: System) -> None:
    messages = about(PICTURE)
    task = await system.requested(
        "only-json", recipe="detect", messages=messages, metadata={"dropsight-outputs": "json"}
    )
    assert set(await system.published(task)) == {"json", "task.json"}


async def test_a_structured_answer_is_published_as_json_whatever_was_asked(system: System) -> None:
    messages = about(REPORT, text="List the prices.")
    system.model.script.append({"text": '```json\n[{"item": "Tea", "price": 3}]\n```'})
    task = await system.requested("plain-rows", messages=messages, response_format=FORM)
    published = await system.published(task)
    assert set(published) == {"json", "task.json"}
    assert json.loads(published["json"]) == [{"item": "Tea", "price": 3}]

    system.model.script.append({"text": '{"a": 1}'})
    task = await system.requested("any-json", messages=messages, response_format={"type": "json_object"})
    assert json.loads((await system.published(task))["json"]) == {"a": 1}

    system.model.script.append({"text": "Sorry, no."})
    task = await system.requested("no-json", messages=messages, response_format={"type": "json_object"})
    assert (await system.published(task))["txt"] == b"Sorry, no."


@pytest.mark.parametrize("fields", [{}, {"recipe": "transcribe"}, {"recipe": "transcribe-timed"}])
async def test_a_requests_transcript_is_compared_with_its_recording(system: System, fields: dict[str, str]) -> None:
    name = f"long-{fields.get('recipe')}.wav"
    await system.answered(name, recording(300))
    segments = [
        {"start": start, "end": end, "speaker": "A", "text": text}
        for start, end, text in (("00:00", "00:10", "Good morning."), ("00:40", "00:50", "And so"))
    ]
    timed = json.dumps({"language": "en", "segments": segments})
    plain = "[00:00] Good morning.\n[00:40] And so"
    system.model.script.append({"text": timed if fields.get("recipe") == "transcribe-timed" else plain})
    task = await system.requested(f"long-{fields.get('recipe')}", audio_url=f"gs://{INBOX}/{name}", **fields)
    assert answers(task)
    assert any("of 05:00" in warning for warning in task.warnings), task.warnings


async def test_another_question_about_a_recording_is_not_taken_for_a_transcript(system: System) -> None:
    await system.answered("talk.wav", recording(300))
    for number, fields in enumerate(({}, {"recipe": "transcribe"})):
        system.model.script.append({"text": "Ann."})
        task = await system.requested(
            f"who-{number}", audio_url=f"gs://{INBOX}/talk.wav", prompt="Who speaks?", **fields
        )
        assert warned(task) == ()


async def test_a_picture_that_has_gone_is_said_and_its_boxes_are_published_as_they_came(system: System) -> None:
    messages = about(PICTURE, PICTURE)
    system.model.script.append({"text": json.dumps([{"label": "x", "box_2d": [0, 0, 500, 1000]}])})
    boxes = {"type": "array", "items": {"type": "object", "properties": {"box_2d": {"type": "array"}}}}
    form = {"type": "json_schema", "json_schema": {"schema": boxes}}
    task = await system.requested("two", recipe="extract", messages=messages, response_format=form)
    assert json.loads((await system.published(task))["json"]) == [{"label": "x", "box_2d": [0, 0, 500, 1000]}]


async def test_wishes_that_a_request_has_fields_for_are_told_as_not_heard(system: System) -> None:
    messages = about(PICTURE)
    task = await system.requested(
        "unheard", recipe="caption", messages=messages, metadata={"dropsight-prompt": "x", "mine": "y"}
    )
    assert warned(task) == ("The metadata dropsight-prompt was ignored: it is not heard of a request.",)
    task = await system.requested("unheard-too", messages=messages, metadata={"dropsight-range": "00:01-00:02"})
    [told] = warned(task)
    assert "it is not heard of a request that names no recipe" in told


@pytest.mark.parametrize(
    ("sample", "fields", "says"),
    [
        (SPEECH, {"recipe": "detcet"}, "there is no recipe 'detcet'. There are: transcribe, describe-image"),
        (SPEECH, {"recipe": "detect"}, "detect takes image"),
        (SPEECH, {"recipe": "segment"}, "metadata.dropsight-range"),
        (SPEECH, {"recipe": "segment", "metadata": {"dropsight-range": "soon"}}, "02:30-03:29"),
        (SPEECH, {"recipe": "segment", "metadata": {"dropsight-range": "10:00-12:00"}}, "begins at 10:00"),
        (SPEECH, {"recipe": "ask"}, "needs a prompt"),
        (SPEECH, {"recipe": "extract"}, "response_format"),
        (SPEECH, {"recipe": "extract", "response_format": {"type": "text"}}, "response_format"),
        (SPEECH, {"recipe": "compare"}, "two files or more"),
        (SPEECH, {"recipe": "transcribe-timed", "response_format": {"type": "text"}}, "structured answer"),
        (SPEECH, {"recipe": "transcribe", "metadata": {"dropsight-outputs": "png"}}, "metadata.dropsight-outputs"),
        (REPORT, {"recipe": "summarise", "metadata": {"dropsight-range": "00:01-00:02"}}, "part of audio or video"),
        (PICTURE, {"recipe": "segment-image", "model": "gemini-3.8-flash"}, "masks"),
    ],
    ids=lambda value: "-".join(map(str, value.values()))[:40] if isinstance(value, dict) else "",
)
async def test_what_a_recipe_cannot_do_for_a_request_is_refused_before_anything_is_uploaded(
    system: System, sample: Path, fields: dict[str, Any], says: str
) -> None:
    messages = about(sample)
    before = system.tap.ledger.stats().get("gemini", {}).get("uploads", 0)
    task = await system.requested(f"refused-{abs(hash(str(fields)))}", messages=messages, **fields)
    assert task.error is not None
    assert says in task.error.message
    assert system.tap.ledger.stats().get("gemini", {}).get("uploads", 0) == before
    assert system.model.asked == []


async def test_what_a_file_truly_is_decides_whether_the_recipe_is_for_it(system: System) -> None:
    await system.answered("nameless", SPEECH)
    before = system.tap.ledger.stats().get("gemini", {}).get("uploads", 0)
    messages = about(f"gs://{INBOX}/nameless")
    task = await system.requested("nameless", recipe="detect", messages=messages)
    assert task.error is not None
    assert "the recipe detect takes image; this is a WAV" in task.error.message
    assert system.tap.ledger.stats().get("gemini", {}).get("uploads", 0) == before
