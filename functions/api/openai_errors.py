"""Error statuses of the OpenAI-compatible end points: OpenAI's clients choose their exception by the status."""

from __future__ import annotations

from typing import get_args

from shared.domain.errors import FailureCode, RequestRefused

OPENAI_PATHS = ("/v1/chat/", "/v1/audio/", "/v1/files")

_NO_RETRY = frozenset(get_args(FailureCode)) | {"budget_exceeded"}
"""Codes after which an automatic retry would fail, or be billed, again."""


def as_openai(refused: RequestRefused) -> RequestRefused:
    """Return the refusal with OpenAI's status: 400 for a field, 404 for a model, 429 for a budget, 504 for a wait.

    `x-should-retry: false` stops clients from automatically retrying a request whose task failed.
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
    return RequestRefused(
        status, refused.code, refused.message, param=refused.param, headers=headers, type_=refused.type
    )
