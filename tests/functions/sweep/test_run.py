"""One run: each part has its share of the time, and one part's trouble is its own."""

from __future__ import annotations

import json
from collections import Counter
from types import ModuleType
from typing import Any
from unittest.mock import AsyncMock

import pytest
from starlette.requests import Request

from shared.clock import MovableClock
from shared.cloud import tracing
from shared.dependencies import SweepDeps
from shared.orphan_files import Deleted
from shared.settings import Inbox


@pytest.fixture
def sweeping(monkeypatch: pytest.MonkeyPatch, system: SweepDeps) -> ModuleType:
    """The function's module, which refuses to be loaded without its settings."""
    settings = system.settings
    for name in ("project", "requests_bucket", "results_bucket", "dispatch_queue", "generate_url", "invoker"):
        monkeypatch.setenv(f"DROPSIGHT_{name.upper()}", getattr(settings, name))
    monkeypatch.setenv("DROPSIGHT_INBOXES", '{"inbox": {}}')
    monkeypatch.setenv("DROPSIGHT_INSTALLED_AT", settings.installed_at.isoformat())
    monkeypatch.setenv("GEMINI_API_KEY", "not a key")
    from functions.sweep import main

    return main


class Slow:
    """Parts that take all the time they are given."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock, self.shares = clock, list[float]()

    async def part(self, *args: Any, stop_at: float, **options: Any) -> None:
        self.shares.append(stop_at - self.clock.time())
        self.clock.advance(max(0.0, stop_at - self.clock.time()))

    async def delete(self, *, until: float) -> Deleted:
        await self.part(stop_at=until)
        return Deleted(count=2, deleted=1, refused=1)


async def test_no_part_uses_up_the_time_of_the_others(
    sweeping: ModuleType, system: SweepDeps, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(clock)
    for name in ("redrive_all", "take_lost_requests", "take_lost_objects", "remove_deleted_objects"):
        monkeypatch.setattr(sweeping, name, slow.part)
    system = sweeping.SweepDeps(
        **{
            **vars(system),
            "settings": system.settings.model_copy(
                update={"inboxes": {"inbox": Inbox(), "other": Inbox()}, "time_limit_seconds": 1800}
            ),
            "orphan_files": slow,
        }
    )
    report = await sweeping.run(system)
    assert slow.shares == [pytest.approx(300, abs=5)] * 6
    assert (report["files_seen"], report["files_deleted"], report["errors"]) == (2, 1, 1)


async def test_each_part_is_a_step_of_the_runs_trace(
    sweeping: ModuleType, system: SweepDeps, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nothing(*args: Any, **options: Any) -> None:
        """Find nothing to do."""

    for name in ("redrive_all", "take_lost_requests", "take_lost_objects", "delete_orphan_files"):
        monkeypatch.setattr(sweeping, name, nothing)
    monkeypatch.setattr(sweeping.wiring, "sweep", lambda: system)
    tracing.start_tracing("sweep", system.settings.model_copy(update={"traces": "console"}))
    try:
        scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
        request = Request(scope, AsyncMock(return_value={"type": "http.request", "body": b"", "more_body": False}))
        assert (await sweeping.sweep(request)).status_code == 200
    finally:
        tracing.stop_tracing()
    spans = [span for span in map(json.loads, capsys.readouterr().out.splitlines()) if "span" in span]
    assert {span["part"] for span in spans[:-1]} == {"open tasks", "files", "requests", "indexes", "objects of inbox"}
    assert {span["parent_id"] for span in spans[:-1]} == {spans[-1]["span_id"]}
    assert (spans[-1]["span"], spans[-1]["errors"]) == ("sweep", 0)


async def test_a_part_that_fails_is_counted_and_the_others_run(
    sweeping: ModuleType, system: SweepDeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = list[str]()

    async def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("on purpose")

    async def take(system: SweepDeps, bucket: str, tally: Counter[str], **options: Any) -> None:
        ran.append(bucket)

    for name in ("redrive_all", "take_lost_requests", "delete_orphan_files"):
        monkeypatch.setattr(sweeping, name, fail)
    monkeypatch.setattr(sweeping, "take_lost_objects", take)
    assert (await sweeping.run(system))["errors"] == 3
    assert ran == ["inbox"]
