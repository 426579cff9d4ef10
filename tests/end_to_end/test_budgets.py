"""A budget for ten files stops the rest before they are asked about; raised, it lets them go on as they are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running, until

FILES, WITHIN, IN_FLIGHT = 100, 10, 8
SUBMISSIONS = 200


def drop(system: Running, name: str) -> None:
    system.drop(name, b"the same few words", "text/plain", dropsight_max_tokens="32")


def step(system: Running) -> None:
    """Let time pass once nothing is in flight."""
    if not system.control("GET", "/dispatches")["in_flight"]:
        system.advance("20s")


@pytest.mark.timeout(900)
def test_dropped_files_over_the_budget_wait_and_go_on_once_it_is_raised(tmp_path: Path) -> None:
    with Running(data=tmp_path / "state") as system:
        drop(system, "first.txt")
        system.wait_for_all(1, 30)
        cost = Decimal(system.tasks()[0]["usage"]["cost"])
    with Running(data=tmp_path / "state", DROPSIGHT_DAILY_BUDGET=f"{cost * (WITHIN + 1):f}") as system:
        for number in range(FILES):
            drop(system, f"file-{number}.txt")

        def all_wait_or_have_ended() -> bool:
            step(system)
            waiting = [_detail(document) for document in system.documents() if document["status"] != "completed"]
            return len(system.documents()) == FILES + 1 and all("is spent" in detail for detail in waiting)

        until(
            all_wait_or_have_ended, 240, lambda: f"{[_detail(document) for document in system.documents()]}", pause=0.3
        )
        asked = len(system.model_calls())
        assert WITHIN <= asked <= WITHIN + IN_FLIGHT
        assert {task["waiting"]["reason"] for task in system.tasks() if "waiting" in task} == {"budget"}
        refused = system.http.post(
            "/v1/llm/generations",
            json={"model": "gemini-3.5-flash-lite", "messages": [{"role": "user", "content": "Say something."}]},
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (402, "budget_exceeded")
        assert len(system.logged("task_put_off")) > 0
    budgets = {"DROPSIGHT_DAILY_BUDGET": "100", "DROPSIGHT_KEY_DAILY_BUDGET": f"{cost * WITHIN:f}"}
    with Running(data=tmp_path / "state", **budgets) as system:
        assert system.sweep()["woken"] == FILES - asked
        system.wait_for_all(FILES + 1, 240)
        assert len(system.model_calls()) == FILES - asked
        total = system.http.get("/v1/usage").json()["total"]
        assert total["tasks"] == FILES + 1
        assert Decimal(total["cost"]) == sum(Decimal(task["usage"]["cost"]) for task in system.tasks())
        submit_more_than_a_keys_budget_allows(system)


def submit_more_than_a_keys_budget_allows(system: Running) -> None:
    """Send 200 requests at once: no more are answered than the key's budget pays for, and those in flight."""
    system.control("DELETE", "/requests")
    message = {"role": "user", "content": "the same few words"}
    body = {"model": "gemini-3.5-flash-lite", "messages": [message], "max_tokens": 32}
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(lambda _: system.http.post("/v1/llm/generations", json=body), range(SUBMISSIONS)))
    taken = [answer.json()["id"] for answer in answers if answer.status_code == 200]
    refused = [answer.json()["error"]["code"] for answer in answers if answer.status_code != 200]
    assert len(taken) >= WITHIN
    assert set(refused) <= {"budget_exceeded"}

    def all_wait_or_have_ended() -> bool:
        step(system)
        mine = [document for document in system.documents() if document["id"] in taken]
        waiting = [_detail(document) for document in mine if document["status"] != "completed"]
        return len(mine) == len(taken) and all("is spent" in detail for detail in waiting)

    until(all_wait_or_have_ended, 240, lambda: f"{[_detail(document) for document in system.documents()]}", pause=0.3)
    assert len(system.model_calls()) <= WITHIN + IN_FLIGHT


def _detail(document: Any) -> str:
    waiting = document["waiting"]
    return str(waiting["detail"]) if waiting else str(document["status"])
