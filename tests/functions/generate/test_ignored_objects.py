"""Objects that no one dropped make no task: a large file that was uploaded in parts is asked about once."""

from __future__ import annotations

import asyncio

import pytest

from tests.functions.generate.conftest import INBOX, SAMPLES, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

PARTS = "gcloud/tmp/parallel_composite_uploads/see_gcloud_storage_cp_help_for_details"


async def test_a_recording_that_was_uploaded_in_four_parts_makes_one_task(system: System) -> None:
    whole = (SAMPLES / "speech.mp3").read_bytes()
    quarter = len(whole) // 4 + 1

    def upload() -> None:
        bucket = system.objects.bucket(INBOX)
        parts = [bucket.blob(f"{PARTS}/16cd_composed.mp3_{number}") for number in range(4)]
        for number, part in enumerate(parts):
            part.upload_from_string(whole[number * quarter : (number + 1) * quarter])
        bucket.blob("composed.mp3").compose(parts)
        for part in parts:
            part.delete()

    await asyncio.to_thread(upload)
    task = await system.until(f"gs://{INBOX}/composed.mp3", lambda task: task.terminal and not task.after)

    assert task.status == "completed"
    for number in range(4):
        assert await system.task(f"gs://{INBOX}/{PARTS}/16cd_composed.mp3_{number}") is None
    assert len(system.model.asked) == 1


async def test_junk_of_sync_tools_makes_no_task(system: System) -> None:
    await system.drop("in/.DS_Store", b"\0\0\0\1Bud1")
    await system.drop("in/~$letter.docx", b"\x05Owner")
    await system.answered("in/after.txt", b"A text that comes behind them.\n")
    assert await system.task(f"gs://{INBOX}/in/.DS_Store") is None
    assert await system.task(f"gs://{INBOX}/in/~$letter.docx") is None
    assert len(system.model.asked) == 1
