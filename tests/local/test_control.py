"""The control server's requests that change the model's behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from local.control import Control
from local.standins.gemini import Behaviour, GeminiStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock

DEFAULTS = Behaviour().model_dump(mode="json")


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    gemini = GeminiStandIn(clock=MovableClock(tmp_path / "clock"), data=None, tap=Tap())
    app = Control(cast(Any, SimpleNamespace(gemini=gemini)), cast(Any, None)).app
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        yield client
    await gemini.stop()


async def test_changes_of_the_model_last_until_they_are_reset(control: httpx2.AsyncClient) -> None:
    await control.put("/model", json={"text": "Old.", "latency": "5s"})
    assert (await control.put("/model", json={"chunks": 2})).json() == {
        **DEFAULTS,
        "text": "Old.",
        "latency": 5.0,
        "chunks": 2,
    }
    assert (await control.put("/model", json={"reset": True, "text": "New."})).json() == {**DEFAULTS, "text": "New."}
    assert (await control.delete("/model")).json() == DEFAULTS
    assert (await control.get("/model")).json() == DEFAULTS


async def test_an_unknown_field_is_refused_and_changes_nothing(control: httpx2.AsyncClient) -> None:
    answer = await control.put("/model", json={"reset": True, "colour": "red"})
    assert answer.status_code == 422
    assert "colour" in answer.json()["error"]["message"]
    assert (await control.get("/model")).json() == DEFAULTS
