"""Write structured logs: one JSON object per line on standard output, as Cloud Logging reads them."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Iterator
from http import HTTPStatus
from typing import Literal

from shared.cloud.tracing import fields_for_log
from shared.domain.errors import Blocked, DropsightError, Postponement, TaskFailure, TransientFailure

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_writing = threading.Lock()
_OUTAGES = {
    "Aborted", "BadGateway", "DeadlineExceeded", "GatewayTimeout", "InternalServerError", "ResourceExhausted",
    "RetryError", "ServiceUnavailable", "TooManyRequests",
}  # fmt: skip
"""What google.api_core raises when a service is away, busy or too slow; a later try may succeed."""


def log(severity: Severity, action: str, message: str, **fields: str | int | float | bool | None) -> None:
    """Log `action`, a name for programs, and `message`, a sentence for people. Never pass secrets or inline data."""
    record = {"severity": severity, "action": action, "message": message}
    present = {name: value for name, value in fields.items() if value is not None}
    line = json.dumps({**record, **present, **fields_for_log()}, ensure_ascii=False)
    with _writing:
        # In two writes: if the platform sets LOG_EXECUTION_ID, functions-framework ends each text with a line break and
        # drops this one. A line break within the text would make a blank entry.
        sys.stdout.write(line)
        sys.stdout.write("\n")
        sys.stdout.flush()


def log_bug(action: str, error: BaseException, **fields: str | int | float | bool | None) -> None:
    """Log an unexpected error with its stack trace, in which each error is described as `describe_error` does."""
    log("ERROR", action, describe_error(error), stack_trace="".join(_trace_of(error)), **fields)


def log_failure(
    action: str, error: BaseException, *, service: str | None = None, **fields: str | int | float | bool | None
) -> None:
    """Log that a service of Google failed as a warning, and any other unexpected error as `log_bug` does.

    `service`: the service whose client raised the error, since the error of a connection or a time limit does not name
    it. Without a name, the warning of such an error has a stack trace, and a `TimeoutError` is not taken for an outage.
    """
    if not is_outage(error) and (service is None or type(error) is not TimeoutError):
        log_bug(action, error, **fields)
        return
    message, trace = describe_error(error), None
    if not isinstance(error, TaskFailure):
        if service is None:
            trace = "".join(_trace_of(error))
        else:
            message = f"{service} is unavailable: {message}"
    log("WARNING", action, message, stack_trace=trace, **fields)


def is_outage(error: BaseException) -> bool:
    """Return whether a service of Google is away, busy or too slow.

    A `TimeoutError` does not tell: the time limit may be one of our own work.
    """
    if isinstance(error, TaskFailure):
        return isinstance(error, TransientFailure | Postponement) and not isinstance(error, Blocked)
    kind = type(error)
    return kind.__module__.startswith("google.api_core") and kind.__name__ in _OUTAGES


def describe_error(error: BaseException) -> str:
    """Return the error's type, and its message if that cannot quote a prompt, a file or an answer.

    For other errors, use the stack trace to find the cause.
    """
    kind = type(error).__name__
    if isinstance(error, TaskFailure):
        return f"{kind}: {error.summary}"
    module, code = type(error).__module__, getattr(error, "code", None)
    is_of_google = module.startswith(("google.api_core", "google.auth")) and code != HTTPStatus.BAD_REQUEST
    if isinstance(error, DropsightError) or is_of_google:
        return f"{kind}: {error}"
    reason = error.strerror if isinstance(error, OSError) else code if isinstance(code, int) else None
    return kind if reason is None else f"{kind}: {reason}"


def _trace_of(error: BaseException) -> Iterator[str]:
    """Yield the lines of the stack trace, causes first."""
    chain, link = [error], error
    while (earlier := link.__cause__ or (None if link.__suppress_context__ else link.__context__)) is not None:
        if earlier in chain:
            break
        chain.append(earlier)
        link = earlier
    for link in reversed(chain):
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(link.__traceback__)
        yield f"{describe_error(link)}\n"
