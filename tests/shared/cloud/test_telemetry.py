"""A log record is one line of JSON, whatever its message holds."""

from __future__ import annotations

import json

import pytest

from shared.cloud.telemetry import log, log_bug


def test_a_record_is_one_line_with_its_fields_and_without_those_that_are_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log("INFO", "task_created", "two\nlines “quoted”", task="t", object=None, size=3, last=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0]) == {
        "severity": "INFO",
        "action": "task_created",
        "message": "two\nlines “quoted”",
        "task": "t",
        "size": 3,
        "last": False,
    }


def test_a_bug_is_logged_with_its_type_and_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        log_bug("ingest_failed", error, task="t")
    record = json.loads(capsys.readouterr().out)
    assert (record["severity"], record["message"]) == ("ERROR", "ValueError: no such thing")
    assert "test_telemetry.py" in record["stack_trace"]
