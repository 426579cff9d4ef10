"""The statuses by which OpenAI's clients choose their exceptions, and whether they try again."""

from __future__ import annotations

import pytest

from functions.api.openai_errors import as_openai
from shared.domain.errors import FieldRefused, RequestRefused


@pytest.mark.parametrize(
    ("refused", "status", "retried"),
    [
        (FieldRefused("model", "no"), 400, False),
        (FieldRefused("file", "no", "payload_too_large"), 413, False),
        (FieldRefused("model", "no", "no_available_model"), 404, True),
        (FieldRefused("model", "no", "model_not_found"), 404, False),
        (RequestRefused(402, "budget_exceeded", "no"), 429, False),
        (RequestRefused(408, "still_processing", "no"), 504, True),
        (RequestRefused(401, "invalid_api_key", "no"), 401, True),
    ],
    ids=lambda value: value.code if isinstance(value, RequestRefused) else "",
)
def test_a_refusal_has_the_status_of_openai(refused: RequestRefused, status: int, retried: bool) -> None:
    shown = as_openai(refused)
    assert (shown.status, shown.headers.get("x-should-retry")) == (status, None if retried else "false")
    assert (shown.type, shown.code, shown.message, shown.param) == (
        refused.type, refused.code, refused.message, refused.param,
    )  # fmt: skip


def test_headers_of_the_refusal_stay() -> None:
    refused = RequestRefused(429, "rate_limit_exceeded", "no", headers={"Retry-After": "3"})
    assert as_openai(refused).headers == {"Retry-After": "3"}
