"""What Gemini does not take reaches the model as what it does take, and the task says what was made of it."""

from __future__ import annotations

import asyncio
import base64
import gzip

import pytest

from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import INBOX, System, camelled
from tests.shared.made_documents import PICTURE, docx, paragraph, picture_in_word, xlsx
from tests.shared.made_media import film, recording

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

AMR = recording("amr", "libopencore_amrnb", rate=8_000)
LETTER = docx(
    paragraph("Dear Ms Tanaka") + picture_in_word("image", "a map"),
    image="media/a.png",
    parts={"word/media/a.png": PICTURE},
)


def sent(system: System) -> list[str]:
    """The MIME types of what the model was asked about last, in order."""
    parts = [camelled(part) for part in system.model.asked[-1][1]["contents"][0]["parts"]]
    return [part["fileData"]["mimeType"] for part in parts if "text" not in part]


def says(task: Task, words: str) -> bool:
    assert task.error is None, task.error
    return words in " ".join(task.warnings)


async def test_a_recording_is_sent_as_opus_and_the_task_says_so(system: System) -> None:
    task = await system.answered("converted/voice.amr", AMR)
    assert says(task, "The file is an AMR recording, which Gemini does not take; it was converted to Opus in Ogg.")
    assert sent(system) == ["audio/ogg"]


async def test_a_film_is_sent_as_mp4(system: System) -> None:
    task = await system.answered("converted/clip.mkv", film("matroska", "libx264", "aac"))
    assert says(task, "a Matroska video, which Gemini does not take; it was converted to MP4")
    assert sent(system) == ["video/mp4"]


async def test_a_packed_object_is_converted_as_what_is_inside(system: System) -> None:
    def write() -> None:
        blob = system.objects.bucket(INBOX).blob("converted/packed.amr")
        blob.content_encoding = "gzip"
        blob.upload_from_string(gzip.compress(AMR), content_type="audio/amr")

    await asyncio.to_thread(write)
    task = await system.until(f"gs://{INBOX}/converted/packed.amr", lambda task: task.terminal and not task.after)
    assert says(task, "an AMR recording")
    assert sent(system) == ["audio/ogg"]


async def test_a_document_is_sent_as_markdown_and_its_pictures(system: System) -> None:
    task = await system.answered("converted/letter.docx", LETTER)
    assert says(task, "a Word document, which Gemini does not take; it was converted to Markdown and 1 picture or file")
    assert sent(system) == ["text/markdown", "image/png"]


async def test_a_long_document_with_pictures_is_known_again_by_a_context_cache(system: System) -> None:
    body = "".join(paragraph(f"Parcel {number} left on Tuesday at nine.") for number in range(3000))
    parts: dict[str, bytes | str] = {"word/media/a.png": PICTURE}
    letter = docx(body + picture_in_word("image", "a map"), image="media/a.png", parts=parts)
    task = await system.answered("converted/long.docx", letter)
    assert says(task, "a Word document")
    assert sent(system) == ["text/markdown", "image/png"]
    uri = f"gs://{INBOX}/converted/long.docx"
    content = [{"type": "file_url", "file_url": {"url": uri}}, {"type": "text", "text": "How many?"}]
    again = await system.requested("long", messages=[{"role": "user", "content": content}])
    assert says(again, "a Word document")


async def test_a_scan_of_several_pages_is_sent_as_pictures(system: System) -> None:
    gif = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    task = await system.answered("converted/dot.gif", gif)
    assert says(task, "a GIF image, which Gemini does not take; it was converted to a PNG or JPEG image")
    assert sent(system) == ["image/png"]


async def test_a_broken_document_is_refused_before_the_model_is_asked(system: System) -> None:
    before = len(system.model.asked)
    task = await system.answered("converted/broken.docx", LETTER[:-60])
    assert task.error is not None
    assert task.error.code == "file_processing_failed"
    assert len(system.model.asked) == before


async def test_files_that_a_request_names_are_converted_too(system: System) -> None:
    await system.answered("converted/named.docx", LETTER)
    content = [
        {"type": "text", "text": "Compare them."},
        {"type": "file_url", "file_url": {"url": f"gs://{INBOX}/converted/named.docx"}},
        {"type": "text", "text": "And hear this:"},
        {"type": "audio_url", "audio_url": {"url": "data:audio/amr;base64," + base64.b64encode(AMR).decode()}},
    ]
    task = await system.requested("converted", messages=[{"role": "user", "content": content}])
    assert says(task, "an AMR recording")
    assert says(task, "a Word document")
    parts = [camelled(part) for part in system.model.asked[-1][1]["contents"][0]["parts"]]
    assert ["text" if "text" in part else part["fileData"]["mimeType"] for part in parts] == [
        "text", "text/markdown", "image/png", "text", "audio/ogg",
    ]  # fmt: skip


async def test_a_part_must_still_be_what_it_is_said_to_be(system: System) -> None:
    await system.drop("converted/sums.xlsx", xlsx(Sums=[[1, 2]]))
    url = f"gs://{INBOX}/converted/sums.xlsx"
    content = [{"type": "audio_url", "audio_url": {"url": url}}]
    task = await system.requested("no-audio", messages=[{"role": "user", "content": content}])
    assert task.error is not None
    assert task.error.code == "unsupported_content_type"
    assert "should be audio, but this is an Excel workbook" in task.error.message
