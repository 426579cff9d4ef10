"""A budget for ten files stops the rest before they are asked about; raised, it lets them go on as they are."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running, until

pytestmark = pytest.mark.long

FILES, WITHIN, IN_FLIGHT = 100, 10, 8


def drop(system: Running, name: str) -> None:
    system.drop(name, b"the same few words", "text/plain", dropsight_max_tokens="32")


def step(system: Running) -> None:
    """Let time pass once nothing is in flight."""
    if not system.control("GET", "/dispatches")["in_flight"]:
        system.advance("20s")


@pytest.mark.timeout(900)
def test_dropped_files_over_the_budget_wait_and_go_on_once_it_is_raised(system: Running, tmp_path: Path) -> None:
    drop(system, "first.txt")
    cost = Decimal(system.end_of(f"gs://{system.endpoints.inbox}/first.txt")["usage"]["cost"])
    with Running(data=tmp_path / "state", DROPSIGHT_DAILY_BUDGET=f"{cost * WITHIN:f}") as limited:
        limited.move_to_morning()
        asked = drop_more_than_the_budget_allows(limited)
    with Running(data=tmp_path / "state", DROPSIGHT_DAILY_BUDGET="100") as raised:
        assert raised.sweep()["woken"] == FILES - asked
        raised.wait_for_all(FILES, 240)
        assert len(raised.model_calls()) == FILES - asked
        total = raised.http.get("/v1/usage").json()["total"]
        assert total["tasks"] == FILES
        assert Decimal(total["cost"]) == sum(Decimal(task["usage"]["cost"]) for task in raised.tasks())


def drop_more_than_the_budget_allows(system: Running) -> int:
    """Drop files until none goes on; return how many the model was asked about."""
    for number in range(FILES):
        drop(system, f"file-{number}.txt")

    def all_wait_or_have_ended() -> bool:
        step(system)
        waiting = [_detail(document) for document in system.documents() if document["status"] != "completed"]
        return len(system.documents()) == FILES and all("is spent" in detail for detail in waiting)

    until(all_wait_or_have_ended, 240, lambda: f"{[_detail(document) for document in system.documents()]}", pause=0.3)
    asked = len(system.model_calls())
    assert WITHIN <= asked <= WITHIN + IN_FLIGHT
    assert {task["waiting"]["reason"] for task in system.tasks() if "waiting" in task} == {"budget"}
    refused = system.http.post(
        "/v1/llm/generations",
        json={"model": "gemini-3.5-flash-lite", "messages": [{"role": "user", "content": "Say something."}]},
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "budget_exceeded")
    assert len(system.logged("task_put_off")) > 0
    return asked


def _detail(document: Any) -> str:
    waiting = document["waiting"]
    return str(waiting["detail"]) if waiting else str(document["status"])
