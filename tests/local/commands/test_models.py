"""`models`: lists the catalogue, and updates it from the service's list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.__main__ import main as command
from local.commands.models import main, render_catalogue
from local.standins.faults import Fault
from local.standins.gemini import GeminiStandIn
from local.standins.gemini.models import catalogue as served
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.domain.models.catalogue import Catalogue, catalogue
from shared.domain.recipe.definition import Recipe

SHIPPED = Path(__file__).parents[3] / "shared" / "domain" / "models" / "catalogue.json"


@pytest.fixture
async def tap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tap]:
    """Return the wire tap of a Gemini stand-in that the command talks to."""
    tap = Tap()
    stand_in = GeminiStandIn(clock=MovableClock(tmp_path / "clock"), data=None, tap=tap)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{await stand_in.start()}")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    yield tap
    await stand_in.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "catalogue.json"
    copy.write_bytes(SHIPPED.read_bytes())
    return copy


async def refresh(file: Path, *words: str) -> int:
    return await asyncio.to_thread(main, ["--catalogue", str(file), "refresh", *words])


def test_the_committed_catalogue_is_formatted_as_the_command_writes_it() -> None:
    assert render_catalogue(catalogue()) == SHIPPED.read_text(encoding="utf-8")


def test_the_models_are_listed_with_what_they_take_and_their_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "audio, image, pdf, text, video → text; 1,048,576 in" in lines["gemini-2.5-flash"]
    assert "ends 2026-12-01, then gemini-3.8-flash" in lines["gemini-2.5-pro"]
    assert "use gemini-3.8-flash" in lines["gemini-1.5-pro"]
    assert "the default" in lines[catalogue().default]
    assert command(["models", "--json"]) == 0
    assert Catalogue.model_validate_json(capsys.readouterr().out) == catalogue()


async def test_refresh_rewrites_the_catalogue_and_prints_what_changed(
    tap: Tap, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = served()["gemini-2.5-flash"].model_copy(update={"id": "gemini-9-flash", "display_name": "Gemini 9 Flash"})
    monkeypatch.setitem(served(), "gemini-9-flash", newer)
    pro = served()["gemini-2.5-pro"].model_copy(update={"input_token_limit": 2_097_152})
    monkeypatch.setitem(served(), "gemini-2.5-pro", pro)
    monkeypatch.delitem(served(), "gemini-2.5-flash")
    monkeypatch.delitem(served(), "gemini-3.6-flash")
    assert await refresh(file) == 0
    output = capsys.readouterr().out
    assert "new: gemini-9-flash (Gemini 9 Flash, taken to be like gemini-3.8-flash)" in output
    assert "gone: gemini-3.6-flash, use gemini-9-flash" in output
    assert "gone: gemini-2.5-flash, use gemini-3.5-flash-lite" in output
    assert "changed: gemini-flash-latest is taken to be like gemini-9-flash" in output
    assert "changed: gemini-2.5-pro: input_tokens 1048576 → 2097152" in output
    fresh = Catalogue.model_validate_json(file.read_bytes())
    assert {model.id for model in fresh.models} >= {"gemini-9-flash", "gemini-2.5-pro"}
    assert file.read_text(encoding="utf-8") == render_catalogue(fresh)
    assert not list(file.parent.glob(".*"))

    assert await refresh(file) == 0
    assert "nothing has changed" in capsys.readouterr().out


async def test_refresh_replaces_a_default_that_is_about_to_end(
    tap: Tap, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert catalogue().default == Recipe(name="any", takes=("audio",), prompt="Hi").model
    going = catalogue().model_copy(update={"default": "gemini-2.5-flash"})
    file.write_text(render_catalogue(going), encoding="utf-8")
    assert await refresh(file) == 0
    assert "changed: the default gemini-2.5-flash → gemini-3.5-flash-lite" in capsys.readouterr().out
    assert Catalogue.model_validate_json(file.read_bytes()).default == "gemini-3.5-flash-lite"


async def test_a_dry_run_writes_nothing(
    tap: Tap, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(served(), "gemini-3.6-flash")
    assert await refresh(file, "--dry-run", "--json") == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["changes"]
    assert answer["written"] is False
    assert file.read_bytes() == SHIPPED.read_bytes()


async def test_a_list_that_cannot_be_fetched_leaves_the_catalogue_unchanged(
    tap: Tap, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tap.faults.add([Fault(service="gemini", match="GET /v1beta/models", status=503, times=1)])
    with pytest.raises(SystemExit, match="answers 503: UNAVAILABLE"):
        await refresh(file)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(SystemExit, match="does not answer"):
        await refresh(file)
    monkeypatch.delenv("GOOGLE_GEMINI_BASE_URL")
    with pytest.raises(SystemExit, match="GEMINI_API_KEY"):
        await refresh(file)
    assert file.read_bytes() == SHIPPED.read_bytes()


async def test_a_list_without_models_is_refused(
    tap: Tap, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(served()):
        monkeypatch.delitem(served(), name)
    assert await refresh(file) == 1
    assert "names no Gemini model" in capsys.readouterr().err
    assert file.read_bytes() == SHIPPED.read_bytes()
