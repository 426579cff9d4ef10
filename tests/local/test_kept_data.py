"""A system that is started again on its `--data` folder continues, also on other ports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import Running, until

pytestmark = pytest.mark.long


def test_a_waiting_task_is_completed_by_a_system_on_other_ports(tmp_path: Path) -> None:
    with Running(data=tmp_path / "data") as first:
        first.fault("gemini", "enerateContent", status=429, retry_delay="1h")
        uri = first.drop("waits.txt", b"Some words.")
        until(lambda: bool(first.task_of(uri).get("waiting")), 30, lambda: f"never put off: {first.task_of(uri)}")
        before = first.endpoints
    with Running(data=tmp_path / "data") as second:
        assert second.endpoints.api != before.api
        assert second.endpoints.api_key == before.api_key
        second.advance("2h")
        assert second.end_of(uri)["status"] == "completed"
    others = [entry for entry in (tmp_path / "data").rglob("*") if entry.stat().st_mode & 0o077]
    assert others == []
