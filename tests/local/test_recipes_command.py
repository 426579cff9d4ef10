"""`recipes`: what an operator sees of a recipe file before it is put to use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from functions.local.recipes_command import main

GOOD = '[[recipe]]\nname = "shelf"\nuse = "detect"\nfor = { prefix = "shelf/" }\n'


def test_problems_are_told_as_links_that_editors_follow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(GOOD)
    bad.write_text(GOOD + "colour = 1\n")
    assert main(["check", str(good)]) == 0
    assert "good" in capsys.readouterr().out
    assert main(["check", str(good), str(bad)]) == 1
    assert f"{bad}:5: recipe[0].colour: unknown field" in capsys.readouterr().out


def test_the_choice_for_an_object_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "recipes.toml"
    file.write_text(GOOD)
    told = ["explain", "gs://inbox/shelf/a.png", "--recipes", str(file), "--type", "image/png", "--meta", "find=cups"]
    assert main(told) == 0
    out = capsys.readouterr().out
    assert "→ shelf" in out
    assert "begins with shelf/" in out
    assert "Detect cups in the image" in out
    assert main([*told, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["recipe"]["name"] == "shelf"
    assert answer["origin"] == str(file)


def test_what_would_fail_the_task_is_told_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", "gs://inbox/a.mp3", "--type", "audio", "--meta", "dropsight-recipe=detect"]
    assert main(words) == 1
    assert "detect takes image" in capsys.readouterr().err
    words = ["explain", "gs://inbox/a.mp3", "--type", "audio", "--meta", "dropsight-model=gemini-1.5-pro"]
    assert main(words) == 1
    assert "does not answer any more" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["check", "/nowhere.toml"],
        ["explain", "a.mp3"],
        ["explain", "gs://inbox/a", "--type", "smell"],
        ["explain", "gs://inbox/a", "--type", "audio", "--meta", "x"],
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, str)


def test_the_shipped_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "transcribe-timed" in capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "transcribe"
