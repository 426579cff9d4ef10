"""The Gemini key reaches Terraform in its environment only, and the secret's version rises."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from local.commands.secrets import main

KEY = "AQ.an-auth-key-that-nobody-may-see-0123456789"
TERRAFORM = """#!/bin/sh
case "$*" in
*output*) printf '%s' '{"secret_versions": {"value": {"gemini_api_key": 2, "callback_secret": 4}}}' ;;
*) printf '%s\\n' "$*" > "$RECORD"; printf '%s' "$TF_VAR_gemini_api_key" > "$RECORD.key"; exit "${STATUS:-0}" ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "terraform").write_text(TERRAFORM)
    (tmp_path / "bin" / "terraform").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    (tmp_path / "terraform").mkdir()
    return tmp_path


def set_key(folder: Path, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{key}\n"))
    return main(["set-gemini-key", "--terraform", str(folder / "terraform"), "--auto-approve"])


def versions(folder: Path) -> object:
    file = folder / "terraform" / "secret_versions.auto.tfvars.json"
    return json.loads(file.read_text())["secret_versions"] if file.exists() else None


def test_the_key_is_in_terraforms_environment_and_nowhere_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert set_key(folder, monkeypatch) == 0
    assert (folder / "record.key").read_text() == KEY
    (folder / "record.key").unlink()
    assert (folder / "record").read_text().split()[1:] == ["apply", "-auto-approve"]
    assert not [path for path in folder.rglob("*") if path.is_file() and KEY in path.read_text()]
    assert KEY not in "".join(capfd.readouterr())


def test_the_version_rises_from_the_last_apply_and_then_from_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set_key(folder, monkeypatch) == 0
    assert versions(folder) == {"gemini_api_key": 3, "callback_secret": 4}
    assert set_key(folder, monkeypatch) == 0
    assert versions(folder) == {"gemini_api_key": 4, "callback_secret": 4}


def test_a_failed_apply_leaves_the_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUS", "1")
    assert set_key(folder, monkeypatch) == 1
    assert versions(folder) is None


@pytest.mark.parametrize("key", ["", "short", "with a space in it, which no key has"])
def test_what_is_no_key_is_refused_before_anything_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    assert set_key(folder, monkeypatch, key) == 1
    assert not (folder / "record").exists()


def test_a_standard_key_is_warned_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_key(folder, monkeypatch, "AIza" + "x" * 35) == 0
    assert "standard key" in capsys.readouterr().out
