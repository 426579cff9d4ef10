"""A worker is killed while an answer comes that nobody can go on with: the bill is in the ledger and the budgets."""

from __future__ import annotations

from decimal import Decimal

from tests.chaos.promises import settle
from tests.running import Running, until

TEXT = "A long answer, of which only the bill is left. " * 400


def test_the_money_of_a_killed_call_is_never_forgotten(system: Running) -> None:
    system.move_to_morning()
    system.model(text=TEXT, chunks=200, latency="30s")
    uri = system.drop("killed.txt", b"some words", "text/plain")
    until(lambda: system.calls("gemini", "enerateContent"), 60, lambda: "the model was not asked")
    system.advance("10s")
    system.control("POST", "/kill", {"function": "generate"})
    system.model(text=None, chunks=None, latency=None)
    settle(system, 1)
    usage = system.task_of(uri)["usage"]
    assert (usage["calls"], usage["lost_calls"]["calls"]) == (1, 1)
    assert [attempt["reason"] for attempt in usage["attempts"]] == ["worker_lost"]
    billed = (usage["prompt_tokens"] * Decimal("0.30") + len(TEXT) // 4 * Decimal("2.50")) / 1_000_000
    assumed = Decimal(usage["lost_calls"]["assumed_cost"])
    assert assumed > billed
    total = system.http.get("/v1/usage").json()["total"]
    assert (Decimal(total["cost"]), Decimal(total["assumed_cost"])) == (Decimal(usage["cost"]), assumed)
    spent = system.http.get("/v1/status").json()["budget"]["spent_today"]
    assert Decimal(spent) == Decimal(usage["cost"]) + assumed
