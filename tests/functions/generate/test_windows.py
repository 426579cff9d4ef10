"""What one prompt may hold, of one file or of several together; and what was noticed of the files."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from local.standins.gemini.models import catalogue as served
from shared import wiring
from shared.domain.models import tokens
from tests.functions.generate.conftest import INBOX, SAMPLES, System, answers, warned

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH, NOTES, UGLY = SAMPLES / "speech.wav", SAMPLES / "notes.txt", SAMPLES / "ugly"
WINDOW = 1_048_576


def count(system: System, what: str) -> int:
    return int(system.tap.ledger.stats().get("gemini", {}).get(what, 0))


def messages(*names: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"type": "file_url", "file_url": {"url": f"gs://{INBOX}/{name}"}} for name in names]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": "What is this?"}]}]


async def test_a_text_that_the_service_counts_as_too_long_is_refused_before_it_is_asked_about(system: System) -> None:
    task = await system.answered("long.txt", b"word " * WINDOW)
    assert task.error is not None
    assert task.error.code == "context_length_exceeded"
    assert f"at most {WINDOW:,}" in task.error.message
    assert "1,310,7" in task.error.message
    assert (len(system.model.counted), system.model.asked) == (1, [])


async def test_a_text_near_the_window_that_fits_by_the_services_count_is_asked_about(system: System) -> None:
    task = await system.answered("nearly.txt", b"word " * (WINDOW * 3 // 4))
    assert answers(task)
    assert len(system.model.counted) == 1
    assert system.model.counted[0]["contents"] == system.model.asked[0][1]["contents"]


async def test_a_request_near_the_window_is_counted_too(system: System) -> None:
    await system.answered("half.txt", b"word " * (WINDOW // 2))
    system.model.asked.clear()
    task = await system.requested("halves", messages=messages("half.txt", "half.txt"))
    assert task.error is not None
    assert task.error.code == "context_length_exceeded"
    assert (len(system.model.counted), system.model.asked) == (1, [])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that the catalogue does not know, with a window of 200 tokens."""
    known = served()["gemini-2.5-flash"]
    # A name of its own for each test: an instance remembers for a while what the service said of a model.
    narrow = known.model_copy(update={"id": f"gemini-9-flash-{uuid.uuid4().hex[:8]}", "input_token_limit": 200})
    monkeypatch.setitem(served(), narrow.id, narrow)
    return narrow.id


async def test_the_window_of_a_model_that_only_the_service_knows_holds_for_files(system: System, small: str) -> None:
    await system.answered("window/s.wav", SPEECH)
    uploads, looked_up = count(system, "uploads"), count(system, "models.get")
    task = await system.requested("small", model=small, messages=messages("window/s.wav"))
    assert task.error is not None
    assert (task.error.code, count(system, "uploads")) == ("context_length_exceeded", uploads)
    assert f"model {small} takes at most 200" in task.error.message
    assert count(system, "models.get") == looked_up + 1


async def test_the_window_of_a_model_that_only_the_service_knows_holds_for_dropped_files(
    system: System, small: str
) -> None:
    uploads = count(system, "uploads")
    task = await system.answered("window/dropped.wav", SPEECH, dropsight_model=small)
    assert task.error is not None
    assert (task.error.code, count(system, "uploads")) == ("context_length_exceeded", uploads)


async def test_the_window_of_a_model_that_only_the_service_knows_holds_for_text(system: System, small: str) -> None:
    await system.answered("window/s.txt", b"word " * 200)
    system.model.asked.clear()
    task = await system.requested("text", model=small, messages=messages("window/s.txt"))
    assert task.error is not None
    assert task.error.code == "context_length_exceeded"
    assert (len(system.model.counted), system.model.asked) == (1, [])


async def test_a_recording_that_does_not_tell_its_length_is_counted(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        # A small file is measured by its packets, and a large one would make the test slow.
        patched.setattr(wiring.generate().examiner, "_function", "tests.shared.sandbox_functions:facts_without_length")
        task = await system.answered("length/live.wav", SPEECH)
    assert answers(task)
    assert warned(task) == ("The file does not say how long it is.",)
    assert len(system.model.counted) == 1
    task = await system.answered("length/speech.wav", SPEECH)
    assert answers(task)
    assert len(system.model.counted) == 1


async def test_files_that_are_too_much_together_are_refused_before_any_is_uploaded(system: System) -> None:
    await system.answered("pages/thousand.pdf", UGLY / "thousand-pages.pdf")
    uploads = count(system, "uploads")
    task = await system.answered(
        "pages/report.pdf", SAMPLES / "report.pdf", dropsight_recipe="compare", dropsight_with="thousand.pdf"
    )
    assert task.error is not None
    assert (task.error.code, count(system, "uploads")) == ("media_too_long", uploads)
    assert "1,002 PDF pages" in task.error.message


async def test_the_files_of_a_request_are_refused_together_too(system: System) -> None:
    await system.answered("pages/thousand.pdf", UGLY / "thousand-pages.pdf")
    await system.answered("pages/two.pdf", SAMPLES / "report.pdf")
    uploads = count(system, "uploads")
    task = await system.requested("pages", messages=messages("pages/two.pdf", "pages/thousand.pdf"))
    assert task.error is not None
    assert task.error.code == "media_too_long"
    assert count(system, "uploads") == uploads + 1


async def test_what_does_not_fit_into_the_models_window_together_is_refused(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    await system.answered("window/b.wav", SPEECH)
    monkeypatch.setattr(tokens, "AUDIO_PER_SECOND", WINDOW // 10)
    uploads = count(system, "uploads")
    task = await system.requested("window", messages=messages("window/b.wav", "window/b.wav"))
    assert task.error is not None
    assert task.error.code == "context_length_exceeded"
    assert count(system, "uploads") == uploads + 1


async def test_what_was_noticed_of_a_file_is_a_warning_of_its_task(system: System) -> None:
    task = await system.answered("noticed.jpg", UGLY / "animated.png")
    assert len(answers(task)) == 1
    mismatch, animated = warned(task)
    assert "named like a JPEG image, but is a PNG image" in mismatch
    assert "only its first frame" in animated
    assert json.loads((await system.published(task))["task.json"])["warnings"] == list(task.warnings)


async def test_what_was_noticed_of_a_companion_names_it(system: System) -> None:
    await system.drop("beside/old.mp3", SPEECH)
    task = await system.answered("beside/new.txt", NOTES, dropsight_recipe="compare", dropsight_with="old.mp3")
    assert [warning.partition(":")[0] for warning in warned(task)] == ["beside/old.mp3"]


async def test_what_was_noticed_of_a_requests_file_names_its_place(system: System) -> None:
    await system.drop("beside/odd.mp3", SPEECH)
    task = await system.requested("odd", messages=messages("beside/odd.mp3"))
    assert answers(task)
    [warning] = task.warnings
    assert warning.startswith("messages.0.content.0.file_url.url: ")
    assert "MP3" in warning
