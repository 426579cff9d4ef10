"""Choosing the system that the commands talk to, and the script `dropsight`."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import pytest

from local import endpoints, target
from local.client import Client
from local.commands.drop import main as drop
from local.commands.keys import main as keys
from local.commands.sweep import main as sweep

ROOT = Path(__file__).parents[2]
DEPLOYED = "https://api.example.com"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API", "API_KEY", "INBOX", "READY_FILE"):
        monkeypatch.delenv(f"DROPSIGHT_{name}", raising=False)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def choose(*words: str) -> target.Target:
    parser = argparse.ArgumentParser()
    target.add_arguments(parser)
    return target.choose_target(parser.parse_args(words))


def announce_local_system(port_base: int) -> str:
    """Write the endpoints of a local system, as `up` does, and return its API's URL."""
    names = endpoints.Endpoints.model_fields
    system = endpoints.Endpoints(**{**dict.fromkeys(names, "x"), "api": f"http://127.0.0.1:{port_base}"})
    endpoints.write_endpoints(endpoints.default_file(port_base), system)
    return system.api


def test_without_options_and_variables_the_local_system_is_chosen() -> None:
    first, second = announce_local_system(8080), announce_local_system(9000)
    assert choose() == (first, "x", "x", "x", False)
    assert choose("--port-base", "9000").api == second


def test_an_option_or_a_variable_chooses_a_deployed_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPSIGHT_API_KEY", "sk-1")
    assert choose("--api", f"{DEPLOYED}/") == (DEPLOYED, "sk-1", None, None, True)
    monkeypatch.setenv("DROPSIGHT_API", "https://other.example.com")
    monkeypatch.setenv("DROPSIGHT_INBOX", "acme-inbox")
    assert choose() == ("https://other.example.com", "sk-1", "acme-inbox", None, True)
    assert choose("--api", DEPLOYED).api == DEPLOYED
    other = announce_local_system(9000)
    assert choose("--port-base", "9000").api == other


def test_the_variables_that_env_prints_choose_the_local_system_with_its_storage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DROPSIGHT_API", "http://127.0.0.1:8080")
    monkeypatch.setenv("DROPSIGHT_API_KEY", "sk-1")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:8081")
    assert choose() == ("http://127.0.0.1:8080", "sk-1", None, "http://127.0.0.1:8081", False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--api", DEPLOYED), "set DROPSIGHT_API_KEY"),
        (("--api", "http://api.example.com"), "https only"),
        (("--api", "api.example.com"), "no address"),
        (("--api", DEPLOYED, "--port-base", "1"), "two systems"),
        ((), "dropsight up"),
    ],
)
def test_an_unusable_choice_ends_with_a_message(
    words: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "DROPSIGHT_API_KEY" not in says:
        monkeypatch.setenv("DROPSIGHT_API_KEY", "sk-1")
    with pytest.raises(SystemExit, match=says):
        choose(*words)


def test_local_commands_refuse_to_run_while_a_deployed_system_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    announce_local_system(8080)
    monkeypatch.setenv("DROPSIGHT_API", DEPLOYED)
    with pytest.raises(SystemExit, match="runs by schedule"):
        sweep([])
    with pytest.raises(SystemExit, match="--project and --database"):
        keys(["list"])


def test_dropping_a_file_into_a_deployed_system_needs_an_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPSIGHT_API_KEY", "sk-1")
    with pytest.raises(SystemExit, match="DROPSIGHT_INBOX"):
        drop(["--api", DEPLOYED, __file__])
    with pytest.raises(SystemExit, match="gs://INBOX/PATH"):
        drop(["--api", DEPLOYED, "--to", "gs://", __file__])


def test_an_unreachable_api_ends_with_a_message_and_no_traceback() -> None:
    nowhere = target.Target("http://127.0.0.1:9", "sk-1", None, None, remote=True)
    with Client(nowhere) as client, pytest.raises(SystemExit, match="does not answer"):
        client.get_task("task-llm-1")


def test_the_script_runs_the_tree_of_its_environment_from_any_folder(tmp_path: Path) -> None:
    folder = tmp_path / "tree" / ".venv" / "bin"
    folder.mkdir(parents=True)
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$PYTHONPATH $*"\n')
    python.chmod(0o755)
    made = ["make", "--silent", "--old-file=.venv/ready", f"BIN={folder}", f"{folder}/dropsight"]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True)
    ran = subprocess.run(
        [str(folder / "dropsight"), "drop", "a b.wav"], cwd="/", capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"{tmp_path}/tree -P -m local drop a b.wav\n"
