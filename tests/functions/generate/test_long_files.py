"""Files that are too long for one call are asked about in parts; the task has one answer in the source's times."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.functions.generate.conftest import INBOX, RULED, SETTINGS, System, answers, camelled, warned, words
from tests.shared.long_files import film, numbered_pdf, numbered_recording

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

RECIPES = """
[[recipe]]
name = "calls"
use = "transcribe-timed"
for = { prefix = "calls/" }
split_minutes = 1

[[recipe]]
name = "notes"
use = "transcribe"
for = { prefix = "notes/" }
split_minutes = 1

[[recipe]]
name = "rows"
for = { prefix = "rows/" }
takes = ["pdf"]
prompt = "List the rows."
outputs = ["json", "csv"]
[recipe.response_schema]
type = "object"
required = ["title", "rows"]
properties.title = { type = "string" }
properties.rows = { type = "array", items = { type = "string" } }

[[recipe]]
name = "text"
use = "transcribe-document"
for = { prefix = "text/" }

[[recipe]]
name = "films"
use = "describe-video"
for = { prefix = "films/" }
split_minutes = 1
"""


async def with_recipes(system: System) -> None:
    await system.drop("recipes.toml", RECIPES.encode(), bucket=SETTINGS)
    system.clock.advance(30)


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, **more}


async def test_a_pdf_of_1500_pages_is_summarised_in_parts_and_once_more(system: System) -> None:
    task = await system.answered("long.pdf", numbered_pdf(1500))
    first, second, joined = (body for _, body in system.model.asked)
    assert "pages 1 to 750.)" in words(first)
    assert "pages 751 to 1500.)" in words(second)
    assert "Page 751 of 1500" in words(joined)
    assert "Summarise this document" in words(joined)
    assert not any("fileData" in part for part in joined["contents"][0]["parts"])
    assert len(answers(task)) == 1
    (split,) = warned(task)
    assert split.startswith("The file (1,500 pages) was split into 2 parts: pages 1 to 750, pages 751 to 1500.")
    assert "in a call of its own, and one more joins the answers: 3 calls, about 840,000 tokens of input." in split
    assert task.usage is not None
    assert set(await system.published(task)) == {"md", "task.json"}


async def test_extractions_of_parts_are_merged(system: System) -> None:
    await with_recipes(system)
    parts = [{"title": "Ledger", "rows": ["a", "b"]}, {"title": "Ledger", "rows": ["b", "c"]}]
    system.model.script.extend([said(json.dumps(part)) for part in parts])
    task = await system.answered("rows/ledger.pdf", numbered_pdf(1001), bucket=RULED)
    assert json.loads(answers(task)[0]) == {"title": "Ledger", "rows": ["a", "b", "b", "c"]}
    assert len(system.model.asked) == 2


async def test_a_document_is_written_out_part_by_part(system: System) -> None:
    await with_recipes(system)
    system.model.script.extend([said("# One"), said("# Two")])
    task = await system.answered("text/book.pdf", numbered_pdf(1001), bucket=RULED)
    assert answers(task) == ["# One\n\n# Two"]


async def test_a_recording_is_transcribed_in_parts_with_the_times_of_the_whole(system: System) -> None:
    await with_recipes(system)
    task = await system.answered("calls/talk.mp3", numbered_recording(150, "mp3", "libmp3lame"), bucket=RULED)
    segments = json.loads(answers(task)[0])["segments"]
    starts = [segment["start"] for segment in segments]
    assert starts == sorted(starts)
    assert segments[0]["start"] == "00:00"
    assert segments[-1]["end"].startswith("02:")
    assert len(system.model.asked) == 4
    assert warned(task)[0].startswith("The file (02:30) was split into 4 parts: 00:00 to 00:4")
    assert not any("rest may be missing" in warning or "says nothing" in warning for warning in task.warnings)
    published = await system.published(task)
    assert published["srt"].decode().startswith("1\n00:00:00,000 --> ")


async def test_a_film_is_uploaded_once_and_asked_about_by_its_moments(system: System) -> None:
    await with_recipes(system)
    task = await system.answered("films/long.mp4", film(100), bucket=RULED)
    offsets = [
        camelled(part["videoMetadata"])
        for _, body in system.model.asked
        for part in body["contents"][0]["parts"]
        if "videoMetadata" in part
    ]
    assert len(offsets) == len(system.model.asked) - 1
    assert offsets[0]["startOffset"] == "0s"
    uris = {
        camelled(part["fileData"])["fileUri"]
        for _, body in system.model.asked
        for part in body["contents"][0]["parts"]
        if "fileData" in part
    }
    assert len(uris) == 1
    assert len(answers(task)) == 1


async def test_a_part_that_was_answered_is_not_asked_again_after_a_failure(system: System) -> None:
    await with_recipes(system)
    system.model.script.extend([said("# One"), {"status": 503}, said("# Two")])
    task = await system.answered("text/between.pdf", numbered_pdf(1001), bucket=RULED)
    assert answers(task) == ["# One\n\n# Two"]
    assert (task.attempts, task.outages) == (0, 1)
    assert len(system.model.asked) == 2


async def test_a_part_that_is_refused_fails_the_task_and_is_named(system: System) -> None:
    await with_recipes(system)
    system.model.script.extend([said("# One"), {"block_reason": "SAFETY"}])
    task = await system.answered("text/blocked.pdf", numbered_pdf(1001), bucket=RULED)
    assert task.error is not None
    assert task.error.code == "content_policy_violation"
    assert task.error.message.startswith("pages 501 to 1001: ")
    assert len(system.model.asked) == 2


async def test_a_file_that_takes_too_many_parts_costs_nothing(system: System) -> None:
    task = await system.answered("endless.pdf", numbered_pdf(20_001))
    assert task.error is not None
    assert task.error.code == "media_too_long"
    assert "at most 20 are asked about. Split it by hand" in task.error.message
    assert system.model.asked == []


async def test_parts_whose_answers_cannot_be_joined_are_published_one_after_the_other(system: System) -> None:
    system.model.script.extend([said("First."), said("Second."), {"block_reason": "SAFETY"}])
    task = await system.answered("unjoined.pdf", numbered_pdf(1001))
    assert answers(task) == ["## Pages 1 to 500\n\nFirst.\n\n## Pages 501 to 1001\n\nSecond."]
    assert "could not be made into one" in warned(task)[-1]


async def test_the_file_of_a_request_is_split_and_joined_for_its_question(system: System) -> None:
    await system.answered("requested/long.pdf", numbered_pdf(1001))
    content = [
        {"type": "text", "text": "Which page is the last?"},
        {"type": "file_url", "file_url": {"url": f"gs://{INBOX}/requested/long.pdf"}},
    ]
    before = len(system.model.asked)
    task = await system.requested("long-pdf", messages=[{"role": "user", "content": content}])
    first, second, joined = (body for _, body in system.model.asked[before:])
    assert "pages 1 to 500.)" in words(first)
    assert "Which page is the last?" in words(second)
    assert "The question was:\nWhich page is the last?" in words(joined)
    assert not any("fileData" in part for part in joined["contents"][0]["parts"])
    assert len(answers(task)) == 1
    assert warned(task)[0].startswith(
        "The file (1,001 pages) was split into 2 parts: pages 1 to 500, pages 501 to 1001"
    )


async def test_the_lists_that_a_request_extracts_from_parts_are_merged(system: System) -> None:
    await system.answered("requested/rows.pdf", numbered_pdf(1001))
    parts = [{"title": "Ledger", "rows": ["a"]}, {"title": "Ledger", "rows": ["b"]}]
    system.model.script.extend([said(json.dumps(part)) for part in parts])
    schema = {
        "type": "object",
        "required": ["title", "rows"],
        "properties": {"title": {"type": "string"}, "rows": {"type": "array", "items": {"type": "string"}}},
    }
    content = [
        {"type": "file_url", "file_url": {"url": f"gs://{INBOX}/requested/rows.pdf"}},
        {"type": "text", "text": "List the rows."},
    ]
    before = len(system.model.asked)
    task = await system.requested(
        "rows",
        messages=[{"role": "user", "content": content}],
        response_format={"type": "json_schema", "json_schema": {"name": "rows", "schema": schema}},
    )
    assert json.loads(answers(task)[0]) == {"title": "Ledger", "rows": ["a", "b"]}
    assert len(system.model.asked) == before + 2


async def test_a_request_that_cannot_be_split_says_what_can(system: System) -> None:
    await system.answered("requested/pair.pdf", numbered_pdf(1001))
    content = [
        {"type": "file_url", "file_url": {"url": f"gs://{INBOX}/requested/pair.pdf"}},
        {"type": "text", "text": "And?"},
    ]
    conversation = [
        {"role": "user", "content": content},
        {"role": "assistant", "content": "Parcels."},
        {"role": "user", "content": "When?"},
    ]
    before = len(system.model.asked)
    task = await system.requested("conversation", messages=conversation)
    assert task.error is not None
    assert task.error.code == "media_too_long"
    assert "is asked about in parts if it is the only one" in task.error.message
    assert len(system.model.asked) == before
