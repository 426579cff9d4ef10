"""Response headers of the OpenAI-compatible end points: the task of a request, and the ignored fields."""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST = 1000
"""Characters. Clients and proxies refuse responses with long headers."""


def headers_of(task_id: str, ignored: Sequence[str]) -> dict[str, str]:
    """Return the headers that name the task, and the fields that had no effect.

    Field names are as the caller wrote them; characters that no header can hold are replaced by `?`.
    """
    headers = {"x-dropsight-task": task_id}
    if ignored:
        named = ", ".join(ignored)[:_LONGEST]
        headers["x-dropsight-ignored"] = "".join(c if " " <= c <= "~" else "?" for c in named).strip()
    return headers
