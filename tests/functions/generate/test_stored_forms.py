"""Objects are read as what they hold, however they are stored: packed, in another encoding, with a key of one's own."""

from __future__ import annotations

import asyncio
import gzip
import os

import pytest

from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import INBOX, SAMPLES, System, answers, camelled

pytestmark = pytest.mark.asyncio(loop_scope="session")

LETTER = "Dear Sir or Madam,\nthe parcel for Miss Tanaka leaves on Tuesday.\n" * 200


async def stored(
    system: System, name: str, data: bytes, *, encoding: str | None = None, own_key: bytes | None = None
) -> Task:
    def write() -> None:
        blob = system.objects.bucket(INBOX).blob(name, encryption_key=own_key)
        blob.content_encoding = encoding
        blob.upload_from_string(data, content_type="application/octet-stream")

    await asyncio.to_thread(write)
    return await system.until(f"gs://{INBOX}/{name}", lambda task: task.terminal and not task.after)


async def test_a_packed_recording_is_measured_and_sent_as_what_it_is(system: System) -> None:
    wav = (SAMPLES / "speech.wav").read_bytes()
    task = await stored(system, "packed.wav", gzip.compress(wav), encoding="gzip")
    assert "audio/wav" in str(camelled(system.model.asked[-1][1]["contents"][0]["parts"][0]))
    assert "(8.0 s)" in answers(task)[0] or "00:0" in answers(task)[0]


async def test_a_packed_text_is_sent_as_text(system: System) -> None:
    task = await stored(system, "packed.txt", gzip.compress(LETTER.encode()), encoding="gzip")
    assert f"{len(LETTER)} characters" in answers(task)[0]
    assert task.warnings == () or all("named" not in warning for warning in task.warnings)


async def test_what_is_marked_as_packed_and_is_not_is_read_as_it_is(system: System) -> None:
    task = await stored(system, "not-packed.txt", LETTER.encode(), encoding="gzip")
    assert f"{len(LETTER)} characters" in answers(task)[0]


async def test_a_packed_object_that_is_damaged_fails_at_once(system: System) -> None:
    task = await stored(system, "cut.wav", gzip.compress((SAMPLES / "speech.wav").read_bytes())[:5000], encoding="gzip")
    assert task.error is not None
    assert task.error.code == "file_processing_failed"
    assert task.attempts == 0


async def test_an_archive_that_is_not_marked_as_packed_is_still_refused_as_one(system: System) -> None:
    task = await stored(system, "letter.txt.gz", gzip.compress(LETTER.encode()))
    assert task.error is not None
    assert "gzip archive" in task.error.message


async def test_an_object_with_a_key_of_its_uploader_fails_at_once_with_a_sentence(system: System) -> None:
    task = await stored(system, "own-key.txt", LETTER.encode(), own_key=os.urandom(32))
    assert task.error is not None
    assert task.error.code == "source_not_readable"
    assert "customer-supplied key" in task.error.message
    assert task.attempts == 0


async def test_a_request_that_names_an_object_with_a_key_of_its_uploader_fails_at_once(system: System) -> None:
    await stored(system, "named-own-key.wav", (SAMPLES / "speech.wav").read_bytes(), own_key=os.urandom(32))
    task = await system.requested("own-key", audio_url=f"gs://{INBOX}/named-own-key.wav")
    assert task.error is not None
    assert task.error.code == "source_not_readable"


async def test_a_text_in_another_encoding_is_sent_in_utf_8(system: System) -> None:
    german = "Größe und Maß: Übermäßig süße Grüße aus Köln.\n" * 20
    for name, data in (
        ("latin.txt", german.encode("latin-1")),
        ("wide.txt", german.encode("utf-16")),
        ("late.txt", b"a" * 70_000 + "é\n".encode("latin-1") + german.encode()),
    ):
        task = await system.answered(name, data)
        expected = german if name != "late.txt" else "a" * 70_000 + "é\n" + german
        assert f"{len(expected)} characters" in answers(task)[0]
        assert any("not UTF-8" in warning or "not all in UTF-8" in warning for warning in task.warnings), name
        assert "�" not in answers(task)[0]
        if name != "late.txt":
            assert "Größe und Maß" in answers(task)[0]
