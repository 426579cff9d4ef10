"""What a caller of `sync: true` gets for each way in which a task can end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from starlette.requests import Request

from functions.api.waiting import completion_of
from shared.dependencies import ApiDeps
from shared.domain.errors import FailureCode, RequestRefused
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import Source, TaskError, new_task

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SOURCE = Source(kind="request", bucket="requests", name="a", generation=1, size=3, created_at=NOW)
REQUEST = Request({"type": "http", "method": "POST", "path": "/", "headers": []})
DEPS = cast(ApiDeps, SimpleNamespace(settings=SimpleNamespace(sync_seconds=1.0)))


@pytest.mark.parametrize(
    ("code", "status", "type_"),
    [
        ("upstream_error", 500, "server_error"),
        ("empty_answer", 500, "server_error"),
        ("deadline_exceeded", 503, "service_unavailable_error"),
        ("quota_unavailable", 503, "service_unavailable_error"),
        ("unsupported_content_type", 422, "invalid_request_error"),
        ("source_gone", 422, "invalid_request_error"),
    ],
)
async def test_a_failed_task_is_answered_with_the_status_of_its_code(
    code: FailureCode, status: int, type_: str
) -> None:
    task = new_task(SOURCE, owner="key:k", model="m", now=NOW, keep=timedelta(days=1))
    claimed = claims.claim(task, now=NOW, lease=timedelta(seconds=60))
    failed = claims.finish(claimed, 1, Outcome(error=TaskError(code=code, message="It failed.")), now=NOW)
    with pytest.raises(RequestRefused, match="It failed") as refused:
        await completion_of(DEPS, REQUEST, failed, {"Location": "/v1/tasks/x"})
    error = refused.value
    assert (error.status, error.type, error.code) == (status, type_, code)
    assert error.headers == {"Location": "/v1/tasks/x"}
