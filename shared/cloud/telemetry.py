"""Write structured logs: one JSON object per line on standard output, as Cloud Logging reads them."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Literal

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def log(severity: Severity, action: str, message: str, **fields: str | int | float | bool | None) -> None:
    """Log `action`, a name for programs, and `message`, a sentence for people. Never pass secrets or inline data."""
    record = {"severity": severity, "action": action, "message": message}
    present = {name: value for name, value in fields.items() if value is not None}
    sys.stdout.write(json.dumps({**record, **present}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def log_bug(action: str, error: BaseException, **fields: str | int | float | bool | None) -> None:
    """Log an unexpected error with its stack trace."""
    trace = "".join(traceback.format_exception(error))
    log("ERROR", action, f"{type(error).__name__}: {error}", stack_trace=trace, **fields)
