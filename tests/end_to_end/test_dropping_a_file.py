"""Files dropped with google-cloud-storage become tasks that are completed, or fail with a code."""

from __future__ import annotations

from pathlib import Path

import pytest
from openai.types.chat import ChatCompletion

from tests.bench.transfer import write_recording
from tests.running import SAMPLES, Running, until

pytestmark = pytest.mark.long

SAMPLE_FILES = ("speech.wav", "speech.flac", "report.pdf", "picture.png", "photo.jpg", "clip.mp4", "notes.txt")


@pytest.mark.parametrize("name", SAMPLE_FILES)
def test_a_sample_is_answered_without_a_wait(system: Running, name: str) -> None:
    """One dispatch and one attempt, and nobody moves the clock: it is ready as soon as the work is done."""
    task = system.end_of(system.drop(f"sample/{name}", SAMPLES / name))
    assert task["status"] == "completed", task["error"]
    assert len([call for call in system.calls("queue") if call["method"] == "DISPATCH"]) == 1
    assert len(system.model_calls(answered=False)) == 1
    completion = ChatCompletion.model_validate(task["results"][0])
    assert "stand-in" in (completion.choices[0].message.content or "")
    assert task["progress"] == 100
    assert task["error"] is None


def test_the_answer_describes_the_file_that_was_sent(system: Running) -> None:
    uri = system.drop("two-pages.pdf", SAMPLES / "report.pdf")
    content = system.end_of(uri)["results"][0]["choices"][0]["message"]["content"]
    assert "PDF" in content
    assert "2 page" in content


def test_results_are_published_under_the_objects_name(system: Running) -> None:
    uri = system.drop("folder/talk.wav", SAMPLES / "speech.wav")
    task = system.end_of(uri)
    until(lambda: not system.open_documents(), 20, lambda: "the files are not published")
    text = system.results.blob(f"{system.endpoints.inbox}/folder/talk.wav.txt")
    published = system.results.blob(f"{system.endpoints.inbox}/folder/talk.wav.task.json")
    content = task["results"][0]["choices"][0]["message"]["content"]
    assert text.download_as_text() == content
    assert task["id"] in published.download_as_text()


def test_files_at_gemini_are_deleted_after_the_answer(system: Running) -> None:
    uri = system.drop("leaves-nothing.png", SAMPLES / "picture.png")
    system.end_of(uri)
    system.wait_for_all(1, 20)
    assert system.gemini_files() == []


@pytest.mark.parametrize(
    "name",
    [
        "with spaces.txt",
        "100%.txt",
        "100%25.txt",
        "what?.txt",
        "a#b.txt",
        "a+b&c=d.txt",
        "📎 emoji/ünïcödé 田中.txt",
        "trailing.dots..txt",
        "quote'\"`.txt",
        "a/../b.txt",
        "a//b.txt",
        "x" * 900 + ".txt",
    ],
)
def test_a_file_with_an_odd_name_is_completed_like_any_other(system: Running, name: str) -> None:
    uri = system.drop(name, f"the file of {name}".encode(), "text/plain")
    task = system.end_of(uri)
    assert task["status"] == "completed", task["error"]
    assert task["source"] == uri


@pytest.mark.parametrize(
    ("name", "data", "content_type", "code", "says"),
    [
        ("empty.wav", b"", "audio/wav", "empty_file", "empty"),
        ("setup.exe", b"MZ" + bytes(300), "application/octet-stream", "unsupported_content_type", "setup.exe"),
        ("archive.pdf", b"PK\x03\x04" + bytes(300), "application/pdf", "unsupported_content_type", "archive.pdf"),
        ("cut.pdf", (SAMPLES / "report.pdf").read_bytes()[:2000], "application/pdf", "file_processing_failed", "PDF"),
        ("cut.wav", (SAMPLES / "speech.wav").read_bytes()[:30], "audio/wav", "file_processing_failed", ""),
    ],
)
def test_an_unusable_file_fails_with_a_code_and_without_a_call_to_gemini(
    system: Running, name: str, data: bytes, content_type: str, code: str, says: str
) -> None:
    uri = system.drop(name, data, content_type)
    task = system.end_of(uri)
    assert task["status"] == "failed"
    assert task["error"]["code"] == code, task["error"]
    assert task["error"]["type"] == "task_error"
    assert says in task["error"]["message"]
    assert len(task["error"]["message"]) > 20
    assert task["results"] is None
    assert system.calls("gemini") == []

    def lines() -> list[dict[str, object]]:
        return [line for line in system.logged("task_failed") if line["task"] == task["id"]]

    until(lines, 20, lambda: "the failure is not in the log")
    assert [line["code"] for line in lines()] == [code]


def test_a_picture_named_mp3_is_treated_as_a_picture(system: Running) -> None:
    uri = system.drop("song.mp3", SAMPLES / "picture.png", "audio/mpeg")
    task = system.end_of(uri)
    assert task["status"] == "completed", task["error"]
    assert task["recipe"] == "describe-image"


def test_an_object_deleted_before_it_is_read_fails_as_source_gone(system: Running) -> None:
    system.control("PUT", "/events", {"hold": True})
    uri = system.drop("fleeting.txt", b"now you see me", "text/plain")
    system.inbox.blob("fleeting.txt").delete()
    system.control("PUT", "/events", {"hold": False})
    task = system.end_of(uri)
    assert task["error"]["code"] == "source_gone"
    assert system.model_calls() == []


def test_only_the_newest_generation_of_an_overwritten_object_reaches_the_model(system: Running) -> None:
    system.control("PUT", "/events", {"hold": True})
    for number in range(8):
        uri = system.drop("again-and-again.txt", f"version {number}".encode(), "text/plain")
    system.control("PUT", "/events", {"hold": False})
    until(lambda: len(system.tasks(object=uri)) == 8, 30, lambda: f"{system.states()}")
    system.advance("30s")
    system.wait_for_all(8, 30)
    tasks = system.tasks(object=uri)
    assert len(tasks) == 8
    completed = [task for task in tasks if task["status"] == "completed"]
    assert len(completed) == 1
    assert "version 7" in completed[0]["results"][0]["choices"][0]["message"]["content"]
    others = [task["error"]["code"] for task in tasks if task["status"] == "failed"]
    assert others == ["source_superseded"] * 7
    assert len(system.model_calls()) == 1
    published = system.results.blob(f"{system.endpoints.inbox}/again-and-again.txt.md").download_as_text()
    assert "version 7" in published


def test_the_placeholder_of_a_folder_makes_no_task(system: Running) -> None:
    uri = system.drop("just-a-folder/", b"", "text/plain")
    later = system.drop("after-the-folder.txt", b"hello", "text/plain")
    system.end_of(later)
    assert system.tasks(object=uri) == []


def test_a_blocked_prompt_fails_as_content_policy_violation(system: Running) -> None:
    system.model(block_reason="SAFETY")
    task = system.end_of(system.drop("blocked.txt", b"some text", "text/plain"))
    assert task["error"]["code"] == "content_policy_violation"


def test_an_answer_cut_at_the_token_limit_carries_a_warning(system: Running) -> None:
    system.model(finish_reason="MAX_TOKENS")
    task = system.end_of(system.drop("long.txt", b"some long text", "text/plain"))
    assert task["status"] == "completed"
    assert task["results"][0]["choices"][0]["finish_reason"] == "length"
    assert task["warnings"]


def test_a_dropped_object_costs_five_writes_and_at_most_three_reads(system: Running) -> None:
    system.wait_for_all(0, 20)
    before = system.control("GET", "/stats")["firestore"]
    uri = system.drop("what-it-costs.txt", b"count me", "text/plain")
    blob = system.results.blob(f"{system.endpoints.inbox}/what-it-costs.txt.task.json")
    until(blob.exists, 10, lambda: "nothing was published")
    until(lambda: not system.under_way(), 10, lambda: f"{system.under_way()}")
    after = system.control("GET", "/stats")["firestore"]
    assert after["writes"] - before["writes"] <= 5
    assert after["reads"] - before["reads"] <= 3
    read = [call["path"] for call in system.calls("storage") if "dropsight-inbox/o/what-it-costs.txt" in call["path"]]
    assert len(read) == 2, "its metadata once, and its content once"
    assert system.end_of(uri)["status"] == "completed"


def test_a_large_recording_is_processed_in_constant_memory(system: Running, tmp_path: Path) -> None:
    recording = tmp_path / "large.wav"
    write_recording(recording, mebibytes=256)
    task = system.end_of(system.drop("large.wav", recording, "audio/wav"), seconds=60)
    assert task["status"] == "completed", task["error"]
    peaks = {name: worker["memory_peak"] for name, worker in system.control("GET", "/workers").items()}
    # The peak of generate is the sum of its worker's and the examiner's.
    assert peaks["generate"] < 300 << 20, peaks
    assert max(peak for name, peak in peaks.items() if name != "generate") < 200 << 20, peaks
