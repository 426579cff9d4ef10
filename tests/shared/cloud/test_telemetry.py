"""One entry is one line, whether or not the platform labels entries with their execution."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest
from functions_framework.execution_id import ExecutionContext, LoggingHandlerAddExecutionId, execution_context_var

from shared.cloud.telemetry import log, log_bug


def test_an_entry_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    log("INFO", "tested", "it holds", task="t", nothing=None)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"severity": "INFO", "action": "tested", "message": "it holds", "task": "t"}


@pytest.mark.parametrize("execution", [None, "abc"], ids=["outside", "within"])
def test_the_platforms_labels_add_no_blank_entry(execution: str | None) -> None:
    current: Any = execution_context_var
    context: Any = ExecutionContext
    written = io.StringIO()
    token = current.set(context(execution_id=execution) if execution else None)
    try:
        with redirect_stdout(LoggingHandlerAddExecutionId(written)):  # type: ignore[no-untyped-call]
            log("INFO", "tested", "first")
            log("INFO", "tested", "second")
    finally:
        current.reset(token)
    lines = written.getvalue().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["first", "second"]
    labels = [json.loads(line).get("logging.googleapis.com/labels") for line in lines]
    assert labels == [{"execution_id": "abc"} if execution else None] * 2


def test_a_bug_is_logged_with_its_type_and_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        log_bug("ingest_failed", error, task="t")
    record = json.loads(capsys.readouterr().out)
    assert (record["severity"], record["message"]) == ("ERROR", "ValueError: no such thing")
    assert "test_telemetry.py" in record["stack_trace"]
