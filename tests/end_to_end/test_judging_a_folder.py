"""A folder of files with expected answers is judged on a running system, and two runs are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.commands.judge import main
from tests.running import SAMPLES, Running

pytestmark = pytest.mark.long


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "talk.wav").write_bytes((SAMPLES / "speech.wav").read_bytes())
    (tmp_path / "talk.wav.expected.txt").write_text("Good morning.")
    return tmp_path


def test_two_runs_over_a_running_system_are_compared(
    folder: Path, system: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPSIGHT_API_KEY", system.endpoints.api_key)
    monkeypatch.setenv("DROPSIGHT_INBOX", system.endpoints.inbox)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", system.endpoints.storage)
    judge, saved = [str(folder), "--api", system.endpoints.api], folder / "run.json"
    assert main([*judge, "--save", str(saved), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["judged"][0]["status"] == "completed"
    assert run["judged"][0]["tokens"] > 0
    task = system.http.get(f"/v1/tasks/{run['judged'][0]['task']}").json()
    (folder / "talk.wav.expected.txt").write_text(task["results"][0]["choices"][0]["message"]["content"])
    assert main([*judge, "--against", str(saved), "--least", "0.6"]) == 0
    shown = capsys.readouterr().out
    # The stand-in's answer names the object, and each run drops into a folder of its own.
    assert "points against 0.0%" in shown
    (folder / "talk.wav.expected.txt").write_text("something else altogether")
    assert main([*judge, "--least", "0.5"]) == 1
