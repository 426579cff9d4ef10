"""One entry is one line, whether or not the platform labels entries with their execution."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest
from functions_framework.execution_id import ExecutionContext, LoggingHandlerAddExecutionId, execution_context_var
from google.api_core import exceptions
from google.genai import errors as genai_errors

from shared.cloud.telemetry import log, log_bug, log_failure
from shared.domain.errors import Blocked, LeaseLost, PermanentFailure, Throttled, Unavailable


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


def logged(error: BaseException, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    log_bug("ingest_failed", error, task="t")
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    return record


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Return the error with a stack trace."""
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_a_bug_is_logged_with_its_type_and_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    record = logged(raised(ValueError("no such thing")), capsys)
    assert (record["severity"], record["message"]) == ("ERROR", "ValueError")
    assert "test_telemetry.py" in record["stack_trace"]
    assert record["stack_trace"].startswith("Traceback (most recent call last):")


api_errors: Any = exceptions
PLANTED = "the words of a prompt"


@pytest.mark.parametrize(
    "error",
    [
        KeyError(PLANTED),
        TypeError(f"Cannot convert {PLANTED}"),
        genai_errors.ClientError(400, {"error": {"code": 400, "message": PLANTED, "status": "INVALID_ARGUMENT"}}),
        api_errors.InvalidArgument(PLANTED),
        Throttled(PLANTED).with_summary("Gemini's rate limit"),
        FileNotFoundError(2, "No such file", PLANTED),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_log_of_a_bug_quotes_nothing_of_the_content(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    record = logged(raised(RuntimeError(PLANTED), raised(error)), capsys)
    assert PLANTED not in json.dumps(record)
    assert type(error).__name__ in record["stack_trace"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (api_errors.PermissionDenied("Missing permissions"), "PermissionDenied: 403 Missing permissions"),
        (LeaseLost("claim 2 has ended"), "LeaseLost: claim 2 has ended"),
        (OSError(28, "No space left on device"), "OSError: No space left on device"),
        (
            genai_errors.ServerError(503, {"error": {"code": 503, "message": PLANTED, "status": "UNAVAILABLE"}}),
            "ServerError: 503",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_an_operator_needs_is_in_the_message(
    error: BaseException, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert logged(raised(error), capsys)["message"] == message


def test_errors_that_cause_each_other_end(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = ValueError("a"), TypeError("b")
    first.__cause__, second.__cause__ = second, first
    assert logged(first, capsys)["stack_trace"].count("Traceback") == 2


@pytest.mark.parametrize(
    ("error", "severity"),
    [
        (api_errors.ResourceExhausted("busy"), "WARNING"),
        (api_errors.Aborted("contention"), "WARNING"),
        (api_errors.BadGateway("no answer"), "WARNING"),
        (api_errors.RetryError("too slow", None), "WARNING"),
        (api_errors.AlreadyExists("twice"), "ERROR"),
        (api_errors.PermissionDenied("no grant"), "ERROR"),
        (TimeoutError(), "ERROR"),
        (Unavailable("Cloud Storage did not answer"), "WARNING"),
        (Throttled("Gemini's rate limit"), "WARNING"),
        (Blocked("Gemini refuses permission"), "ERROR"),
        (PermanentFailure("upstream_error", "Gemini refused the request"), "ERROR"),
        (ValueError("ours"), "ERROR"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_services_outage_is_a_warning_and_anything_else_a_bug(
    error: BaseException, severity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log_failure("ingest_failed", raised(error), task="t")
    record = json.loads(capsys.readouterr().out)
    assert (record["severity"], record["action"]) == (severity, "ingest_failed")
    names_its_service = isinstance(error, Unavailable | Throttled)
    assert ("stack_trace" in record) != names_its_service


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (api_errors.ServiceUnavailable("no route"), "Firestore is unavailable: ServiceUnavailable: 503 no route"),
        (TimeoutError(), "Firestore is unavailable: TimeoutError"),
        (Unavailable("Cloud Storage did not answer"), "Unavailable: Cloud Storage did not answer"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_warning_of_an_outage_names_the_service(
    error: BaseException, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log_failure("renewal_failed", raised(error), service="Firestore")
    record = json.loads(capsys.readouterr().out)
    assert (record["severity"], record["message"], "stack_trace" in record) == ("WARNING", message, False)
