"""SIGKILL while a file is converted or cut into parts, and between its calls: what was answered is not asked again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.promises import assert_nothing_is_left_at_gemini
from tests.running import Json, Running
from tests.shared.long_files import numbered_pdf
from tests.shared.made_media import recording

_READ, _UPLOAD, _ASK = "GET /download/", "POST /upload/v1beta/files", "streamGenerateContent"
RECORDING = recording("wav", "adpcm_ms", rate=48_000, seconds=40)
"""Of a codec that Gemini does not take; its child reads it in several pieces."""
PDF = numbered_pdf(1001, page_bytes=500)
"""Two parts, and a call that joins their answers."""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(DROPSIGHT_LEASE_SECONDS="3") as system:
        yield system


@pytest.mark.parametrize(
    ("name", "skip", "moment", "calls"),
    [
        ("before-the-second-part", 1, "before", 3),
        ("after-the-second-part", 1, "after", 4),
        ("before-they-are-joined", 2, "before", 3),
    ],
)
def test_a_kill_costs_at_most_the_call_that_was_being_answered(
    running: Running, name: str, skip: int, moment: str, calls: int
) -> None:
    running.control("DELETE", "/faults")
    running.control("DELETE", "/requests")
    running.fault("gemini", "streamGenerateContent", skip=skip, kill=moment, times=1)
    uri = running.drop(f"{name}.pdf", PDF, "application/pdf")
    task = running.end_of(uri, seconds=60)
    assert running.control("GET", "/faults") == [], "the kill was never reached"
    assert task["status"] == "completed", task["error"]
    assert len(running.model_calls()) == calls
    assert task["warnings"][0].startswith("The file (1,001 pages) was split into 2 parts")


def test_a_kill_while_the_first_answer_is_stored_costs_one_call_more_at_most(running: Running) -> None:
    running.control("DELETE", "/faults")
    running.control("DELETE", "/requests")
    running.fault("storage", "POST /upload/storage/v1/b/dropsight-results/o", skip=0, kill="after", times=1)
    task = running.end_of(running.drop("stored.pdf", PDF, "application/pdf"), seconds=60)
    assert running.control("GET", "/faults") == [], "the kill was never reached"
    assert task["status"] == "completed", task["error"]
    assert len(running.model_calls()) == 3


def ordered_calls(running: Running) -> list[str]:
    """Return what the functions asked of storage and of Gemini, in order."""
    calls: list[Json] = [*running.calls("storage"), *running.calls("gemini")]
    return [f"{call['method']} {call['path']}" for call in sorted(calls, key=lambda call: float(call["at"]))]


def reads_before(calls: list[str], step: str, after: str = "") -> list[int]:
    """Return which reads of the source, counted from 0, come right before the first `step` that follows `after`."""
    start = next(number for number, call in enumerate(calls) if after in call)
    end = next(number for number, call in enumerate(calls) if step in call and number > start)
    reads = [number for number, call in enumerate(calls) if call.startswith(_READ) and number < end]
    return [place for place, number in enumerate(reads) if number > start][-2:]


@pytest.fixture(scope="module")
def quiet(running: Running) -> dict[str, list[str]]:
    """Return the calls for each file when nothing goes wrong."""
    calls = {}
    for name, data in (("quiet.wav", RECORDING), ("quiet.pdf", PDF)):
        running.control("DELETE", "/requests")
        assert running.end_of(running.drop(name, data), seconds=60)["status"] == "completed"
        calls[name] = ordered_calls(running)
    return calls


def end_with_a_kill(running: Running, name: str, data: bytes, service: str, match: str, **effects: object) -> Json:
    running.control("DELETE", "/faults")
    running.control("DELETE", "/requests")
    running.fault(service, match, times=1, **effects)
    task = running.end_of(running.drop(name, data), seconds=60)
    assert running.control("GET", "/faults") == [], "the kill was never reached"
    assert task["status"] == "completed", task["error"]
    return task


@pytest.mark.parametrize("place", [0, 1])
def test_a_kill_while_a_recording_is_converted_costs_no_call(
    running: Running, quiet: dict[str, list[str]], place: int
) -> None:
    """The worker dies while its child waits for the next piece of the source."""
    skip = reads_before(quiet["quiet.wav"], _UPLOAD)[place]
    task = end_with_a_kill(running, f"converted-{place}.wav", RECORDING, "storage", _READ, skip=skip, kill="before")
    assert len(running.model_calls()) == 1
    assert "it was converted to Opus in Ogg" in " ".join(task["warnings"])
    assert_nothing_is_left_at_gemini(running)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_while_the_converted_recording_is_uploaded_costs_no_call(running: Running, moment: str) -> None:
    end_with_a_kill(running, f"uploaded-{moment}.wav", RECORDING, "gemini", "upload_id=", kill=moment)
    assert len(running.model_calls()) == 1
    assert_nothing_is_left_at_gemini(running)


@pytest.mark.parametrize("place", [0, 1])
def test_a_kill_while_the_second_part_is_cut_costs_no_call(
    running: Running, quiet: dict[str, list[str]], place: int
) -> None:
    """The first part has its answer by then, which is not asked for again."""
    skip = reads_before(quiet["quiet.pdf"], _UPLOAD, after=_ASK)[place]
    task = end_with_a_kill(running, f"cut-{place}.pdf", PDF, "storage", _READ, skip=skip, kill="before")
    assert len(running.model_calls()) == 3
    assert task["warnings"][0].startswith("The file (1,001 pages) was split into 2 parts")
    assert_nothing_is_left_at_gemini(running)
