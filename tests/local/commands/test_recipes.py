"""`recipes`: what an operator learns about a recipe file before it is used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from local.commands.recipes import main
from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock

GOOD = '[[recipe]]\nname = "shelf"\nuse = "detect"\nfor = { prefix = "shelf/" }\n'


def test_problems_are_printed_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    words = ["explain", "gs://inbox/shelf/a.png", "--recipes", str(file), "--type", "image/png", "--meta", "find=cups"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "→ shelf" in out
    assert "begins with shelf/" in out
    assert "Detect cups in the image" in out
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["recipe"]["name"] == "shelf"
    assert answer["origin"] == str(file)


def test_explain_names_what_would_fail_the_task(capsys: pytest.CaptureFixture[str]) -> None:
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
def test_wrong_arguments_end_with_a_message(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, str)


def test_the_built_in_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "transcribe-timed" in capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "transcribe"


@pytest_asyncio.fixture
async def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Return a bucket that holds `recipes.toml` and `bad.toml`, in a stand-in for Cloud Storage."""
    standin = StorageStandIn(clock=MovableClock(tmp_path / "clock"), data=None, tap=Tap(), buckets=("settings",))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{await standin.start()}")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")

    def write() -> None:
        client = Client(project="test", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        client.bucket("settings").blob("recipes.toml").upload_from_string(GOOD)
        client.bucket("settings").blob("bad.toml").upload_from_string(GOOD + "colour = 1\n")

    await asyncio.to_thread(write)
    yield "gs://settings"
    await standin.stop()


WORDS = ["explain", "gs://inbox/shelf/a.png", "--type", "image", "--cloud"]


async def test_explain_reads_a_recipe_file_in_a_bucket(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"{bucket}/recipes.toml"
    assert await asyncio.to_thread(main, [*WORDS, "--recipes", place, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["recipe"]["name"], answer["origin"]) == ("shelf", place)


async def test_an_object_is_explained_by_the_recipes_of_its_inbox(
    bucket: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inboxes = {"inbox": {"recipes": f"{bucket}/recipes.toml"}, "other": {}}
    monkeypatch.setenv("DROPSIGHT_INBOXES", json.dumps(inboxes))
    assert await asyncio.to_thread(main, WORDS) == 0
    assert "→ shelf" in capsys.readouterr().out
    assert await asyncio.to_thread(main, [WORDS[0], "gs://other/shelf/a.png", *WORDS[2:]]) == 0
    output = capsys.readouterr()
    assert "→ describe-image" in output.out
    assert "the shipped recipes are taken" in output.err


@pytest.mark.parametrize(("name", "says"), [("none.toml", "is not there"), ("bad.toml", "5: recipe[0].colour")])
async def test_an_unusable_recipe_file_in_a_bucket_ends_with_a_message(bucket: str, name: str, says: str) -> None:
    with pytest.raises(SystemExit, match=says.replace("[", r"\[")):
        await asyncio.to_thread(main, [*WORDS, "--recipes", f"{bucket}/{name}"])
