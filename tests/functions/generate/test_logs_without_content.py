"""Whatever Gemini says of a request when it refuses it may quote the request; no log and no shared document has it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from shared import wiring
from shared.domain.tasks import claims
from tests.functions.generate.conftest import System

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLANTED = "PLANTED-IN-A-MESSAGE"
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 429, 500, 503, 504)
REFUSALS: list[dict[str, Any]] = [
    *(
        {"status": status, "message": PLANTED}
        for status in (400, 401, 402, 403, 404, 408, 409, 413, 429, 500, 503, 504)
    ),
    *({"status": 400, "message": f"{words} {PLANTED}"} for words in ("mime type", "API key not valid", "token")),
    *({"status": 429, "message": f"{words} {PLANTED}"} for words in ("spending cap", "file storage", "limit: 0")),
    *({"error_after": 1, "error_status": status, "error_message": PLANTED} for status in (400, 403, 429, 500, 503)),
]


async def shared_documents() -> str:
    """What tasks of all owners are told by: throttle notes, pauses and open breakers."""
    snapshots = [snapshot async for snapshot in wiring.generate().tasks.client.collection("throttle").stream()]
    return json.dumps([snapshot.to_dict() for snapshot in snapshots], default=str)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: "-".join(map(str, refusal.values())))
async def test_a_refusal_that_quotes_the_request_is_logged_by_its_names(
    system: System, capsys: pytest.CaptureFixture[str], refusal: dict[str, Any]
) -> None:
    system.clock.advance(timedelta(hours=2).total_seconds())
    system.model.script.append(refusal)
    uri = await system.drop(f"quoting/{REFUSALS.index(refusal)}.txt", PLANTED.encode())
    task = await system.until(uri, lambda task: task.waiting is not None or (task.terminal and not task.after))
    # A task waits before the log says so.
    assert await system.traffic.ended(30)
    logged = capsys.readouterr().out
    assert task.id in logged
    assert PLANTED not in logged
    assert PLANTED not in await shared_documents()
    if not task.terminal:
        assert str(refusal.get("status") or refusal["error_status"]) in logged
        assert task.waiting is not None
        assert PLANTED in task.waiting.detail, "the task's own owner is told"
        stored = await system.tasks.get(task.id)
        assert stored is not None
        await system.tasks.change(stored, lambda current: claims.cancel(current, now=system.clock.now()))


async def test_many_failures_that_open_the_breaker_quote_nothing(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    system.clock.advance(timedelta(hours=2).total_seconds())
    system.model.script.extend([{"status": 500, "message": PLANTED}] * 20)
    uris = [await system.drop(f"quoting/many-{number}.txt", PLANTED.encode()) for number in range(20)]
    for uri in uris:
        await system.until(uri, lambda task: task.waiting is not None)
    assert await system.traffic.ended(30)
    logged = capsys.readouterr().out
    assert "breaker_opened" in logged
    assert PLANTED not in logged
    assert PLANTED not in await shared_documents()
