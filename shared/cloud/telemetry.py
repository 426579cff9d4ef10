"""Write structured logs: one JSON object per line on standard output, as Cloud Logging reads them."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from typing import Literal

from shared.cloud.tracing import fields_for_log

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_writing = threading.Lock()


def log(severity: Severity, action: str, message: str, **fields: str | int | float | bool | None) -> None:
    """Log `action`, a name for programs, and `message`, a sentence for people. Never pass secrets or inline data."""
    record = {"severity": severity, "action": action, "message": message}
    present = {name: value for name, value in fields.items() if value is not None}
    line = json.dumps({**record, **present, **fields_for_log()}, ensure_ascii=False)
    with _writing:
        # In two writes: where the platform sets LOG_EXECUTION_ID, functions-framework ends what is written with a line
        # break of its own and drops this one; one that came with the text would make a blank entry.
        sys.stdout.write(line)
        sys.stdout.write("\n")
        sys.stdout.flush()


def log_bug(action: str, error: BaseException, **fields: str | int | float | bool | None) -> None:
    """Log an unexpected error with its stack trace."""
    trace = "".join(traceback.format_exception(error))
    log("ERROR", action, f"{type(error).__name__}: {error}", stack_trace=trace, **fields)
