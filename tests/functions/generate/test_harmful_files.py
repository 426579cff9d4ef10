"""A file that kills the process that looks into it fails alone, at once and unpaid."""

from __future__ import annotations

import asyncio

import pytest

from shared import wiring
from tests.functions.generate.conftest import SAMPLES, System

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.long
async def test_a_file_that_crashes_its_reader_fails_alone(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring.generate().examiner, "_function", "tests.shared.sandbox_functions:segfault_on_wav")
    names = ["speech.wav", "speech.mp3", "report.pdf", "photo.jpg"]
    harmful, *good = await asyncio.gather(*(system.answered(f"harm/{name}", SAMPLES / name) for name in names))
    assert harmful.error is not None
    assert harmful.error.code == "file_processing_failed"
    assert "crashed" in harmful.error.message
    assert harmful.attempts == 0
    assert [task.error for task in good] == [None] * 3
    assert len(system.model.asked) == 3
