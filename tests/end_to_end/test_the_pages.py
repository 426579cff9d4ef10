"""The commands and examples of the pages run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT, SAMPLES, Running
from tests.shared.test_pages import FENCE, PAGES, text

pytestmark = pytest.mark.long

TESTED_ELSEWHERE = ("up", "demo", "storage", "firestore", "gemini", "queue", "pubsub", "metadata")
"""Commands that serve until they are stopped, and the demo."""
FILES = {
    "talk.mp3": "speech.mp3",
    "contract.pdf": "report.pdf",
    "report.pdf": "report.pdf",
    "photo.jpg": "photo.jpg",
    "tests/samples/speech.wav": "speech.wav",
    "tests/samples/speech.flac": "speech.flac",
}


def blocks(page: str, language: str) -> list[str]:
    return [block for block_language, block in FENCE.findall(text(page)) if block_language == language]


def lines(page: str) -> list[str]:
    """Return the commands of a page's shell blocks that use a local system."""
    joined = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    commands = [line.partition("  #")[0].strip() for line in joined.splitlines()]
    return [line for line in commands if line.startswith("dropsight ") and line.split()[1] not in TESTED_ELSEWHERE]


COMMANDS = [(page, line) for page in PAGES for line in lines(page) if "--api https" not in line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the pages name."""
    folder = tmp_path_factory.mktemp("pages")
    for name, sample in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLES / sample, folder / name)
    recipes, *_ = blocks("docs/recipes.md", "toml")
    (folder / "my-recipes.toml").write_text(recipes, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def recording(system: Running) -> str:
    """Return the name of a dropped recording whose task has ended."""
    uri = system.drop("speech.wav", SAMPLES / "speech.wav")
    system.end_of(uri)
    return uri


@pytest.fixture
def environment(system: Running, folder: Path, recording: str) -> dict[str, str]:
    """Return what `eval "$(dropsight env)"` sets, with a new streamed task in TASK."""
    request = {"model": "gemini-3.5-flash-lite", "audio_url": recording, "stream": True}
    streamed = system.http.post("/v1/llm/generations", json=request).raise_for_status().json()
    ready = folder / "ready.json"
    ready.write_text(system.endpoints.model_dump_json())
    return {
        **os.environ,
        **system.endpoints.environment(),
        "DROPSIGHT_READY_FILE": str(ready),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TASK": str(streamed["id"]),
    }


def run(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}"
    return done.stdout


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_runs(page: str, line: str, folder: Path, environment: dict[str, str]) -> None:
    words = shlex.split(re.sub(r"task-llm-\d+-\w+", environment["TASK"], line))
    run([sys.executable, "-m", "local", *words[1:]], folder, environment)


def test_the_pages_have_at_least_ten_commands() -> None:
    assert len(COMMANDS) >= 10


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("page", ["README.md", "docs/api.md", "docs/standins.md"])
def test_the_curl_examples_of_a_page_are_answered(page: str, folder: Path, environment: dict[str, str]) -> None:
    scripts = [block for block in blocks(page, "sh") if "curl" in block]
    assert scripts
    for script in scripts:
        lines = [line for line in script.splitlines() if not line.startswith("eval ")]
        strict = "\n".join(lines).replace("curl -s", "curl --fail-with-body -s")
        answer = run(["bash", "-euc", strict], folder, environment)
        assert '"error": {' not in answer
        assert '"error":{' not in answer


@pytest.mark.parametrize("number", range(3))
def test_the_python_examples_of_the_api_run(number: int, folder: Path, environment: dict[str, str]) -> None:
    example = blocks("docs/api.md", "python")[number]
    if "serve_forever" in example:
        compile(example, "docs/api.md", "exec")
        return
    assert run([sys.executable, "-c", example], folder, environment).strip()


def test_the_api_page_lists_every_path(system: Running) -> None:
    described = system.http.get("/openapi.json").json()
    served = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    table = [line.split("|")[1] for line in text("docs/api.md").splitlines() if line.startswith("| `")]
    listed = {tuple(entry.split(" ", 1)) for cell in table for entry in re.findall(r"`([A-Z]+ /[^`]*)`", cell)}
    listed |= {("GET", path) for cell in table for path in re.findall(r"`(/[^`]*)`", cell)}
    assert listed == {pair for pair in served if pair[0] != "HEAD" and pair[1] not in ("/openapi.json", "/docs")}
    assert json.dumps(described)
