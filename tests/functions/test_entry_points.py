"""Each function's main.py: it starts with its settings, and without them names every one that is missing."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.types import Message

from shared import wiring
from tests.environment import function_environment

FUNCTIONS = ("api", "generate", "ingest", "notify", "sweep")


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The modules are imported anew, and afterwards as they were."""
    names = [f"functions.{name}.main" for name in FUNCTIONS]
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts_with_its_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in function_environment().items():
        monkeypatch.setenv(variable, value)
    assert callable(getattr(importlib.import_module(f"functions.{name}.main"), name))


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_without_settings_ends_at_its_start_and_names_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in function_environment():
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SystemExit, match="DROPSIGHT_PROJECT"):
        importlib.import_module(f"functions.{name}.main")


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(("body", "named"), [({"task": "task-1", "epoch": 2}, "task"), ({"entry": "key-1"}, "entry")])
async def test_a_dispatch_that_failed_is_logged_with_what_it_is_about(
    body: dict[str, str | int], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, value in function_environment().items():
        monkeypatch.setenv(variable, value)
    module = importlib.import_module("functions.generate.main")

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps({**body, "trace": ""}).encode()}

    def broken() -> None:
        raise RuntimeError

    monkeypatch.setattr(wiring, "generate", broken)
    response = await module.generate(Request({"type": "http", "method": "POST", "headers": []}, receive))
    assert response.status_code == 500
    [logged] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (logged["action"], logged[named]) == ("dispatch_failed", body[named])
