"""`judge`: which files are judged, what stands in a saved run, and what the exit status says."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.commands.judge import Case, find_cases, judge_task

SPEECH = Path(__file__).parents[2] / "samples" / "speech.wav"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "talk.wav").write_bytes(SPEECH.read_bytes())
    (tmp_path / "talk.wav.expected.txt").write_text("Good morning.")
    return tmp_path


def test_a_file_is_judged_by_each_expected_answer_beside_it(folder: Path) -> None:
    (folder / "talk.wav.expected.json").write_text("{}")
    (folder / "notes.txt").write_text("not judged")
    assert [(case.file.name, case.kind) for case in find_cases(folder)] == [("talk.wav", "json"), ("talk.wav", "txt")]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("other.wav.expected.txt", "no file other.wav"),
        ("talk.wav.expected.docx", "ends in"),
        ("talk.wav.expected.json", "cannot be compared"),
    ],
)
def test_a_folder_that_cannot_be_judged_is_refused_before_anything_is_dropped(
    folder: Path, name: str, says: str
) -> None:
    (folder / name).write_text("{")
    with pytest.raises(SystemExit, match=says):
        find_cases(folder)


def test_a_folder_without_expected_answers_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"talk\.wav\.expected\.txt"):
        find_cases(tmp_path)


def test_the_seconds_of_a_task_are_from_its_creation_to_its_end(folder: Path) -> None:
    case = Case(folder / "talk.wav", folder / "talk.wav.expected.txt", "txt")
    judged = judge_task(case, {"id": "t", "status": "failed", "created": 100, "completed_at": 107})
    assert judged.seconds == 7.0


def test_a_failed_task_scores_nothing_and_keeps_its_error(folder: Path) -> None:
    case = Case(folder / "talk.wav", folder / "talk.wav.expected.txt", "txt")
    error = {"code": "empty_file", "message": "It is empty."}
    judged = judge_task(case, {"id": "t", "status": "failed", "error": error, "results": None, "usage": None})
    assert (judged.score, judged.error) == (0.0, "empty_file: It is empty.")
