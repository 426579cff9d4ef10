"""The headers that tell OpenAI's clients of the task that their request became."""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST = 1000
"""Characters: clients and proxies refuse answers whose headers are long."""


def headers_of(task_id: str, ignored: Sequence[str]) -> dict[str, str]:
    """Return the headers that name the task, and the fields that had no effect.

    Those are named as the caller has written them: what no header can hold is replaced by `?`.
    """
    headers = {"x-dropsight-task": task_id}
    if ignored:
        named = ", ".join(ignored)[:_LONGEST]
        headers["x-dropsight-ignored"] = "".join(c if " " <= c <= "~" else "?" for c in named).strip()
    return headers
