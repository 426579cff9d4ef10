"""Errors of the end points that OpenAI's clients call: the statuses by which those clients choose their exceptions."""

from __future__ import annotations

from typing import get_args

from shared.domain.errors import FailureCode, RequestRefused

OPENAI_PATHS = ("/v1/chat/", "/v1/audio/", "/v1/files")

_NO_RETRY = frozenset(get_args(FailureCode)) | {"budget_exceeded"}
"""A client's own retry after one of these would only fail, or be billed, again."""


def as_openai(refused: RequestRefused) -> RequestRefused:
    """Return the refusal with OpenAI's status: 400 for a field, 404 for a model, 429 for a budget, 504 for a wait.

    `x-should-retry: false` keeps clients from repeating by themselves what a task has failed with.
    """
    status, headers = refused.status, dict(refused.headers)
    if refused.code in ("no_available_model", "model_not_found"):
        status = 404
    elif status == 422:
        status = 413 if refused.code == "payload_too_large" else 400
    elif status == 402:
        status = 429
    elif refused.code == "still_processing":
        status = 504
    if refused.code in _NO_RETRY:
        headers["x-should-retry"] = "false"
    return RequestRefused(status, refused.type, refused.code, refused.message, param=refused.param, headers=headers)
