"""Make submissions idempotent: the same content and options within 24 hours give the same task."""

from __future__ import annotations

from functions.api.daily_budgets import budgets
from shared.dependencies import ApiDeps
from shared.domain.request.schema import Submission
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Task
from shared.request_intake import Submitted

_MAX_FAILURES = 50
_FAILS_AGAIN = frozenset({
    "content_policy_violation", "context_length_exceeded", "empty_file", "invalid_param", "media_too_long",
    "model_not_found", "model_not_support_capability", "payload_too_large", "schema_not_satisfied",
    "source_not_allowed", "unsupported_content_type",
})  # fmt: skip
"""Failures that the content causes. The same content would fail again, so no second task is created."""


async def submit_once(
    deps: ApiDeps, key: Key, submission: Submission, digest: str, idempotency_key: str | None = None
) -> Submitted:
    """Create and dispatch the task, or return the existing task of this content.

    `digest` identifies content and options. If the existing task has failed for a reason outside its content, a new
    task replaces it.
    """
    await budgets().spend(key)
    # NUL cannot occur in a header, so no Idempotency-Key of a caller equals this.
    record = idempotency_key or f"\0content:{digest}"
    for _ in range(_MAX_FAILURES):
        submitted = await deps.requests.submit(submission, digest, key_id=key.id, idempotency_key=record)
        if not submitted.replayed or idempotency_key is not None or not _is_worth_another(submitted.task):
            break
        record = f"\0content:{digest}:{submitted.task.id}"
    if submitted.replayed:
        budgets().give_back(key)
    return submitted


def _is_worth_another(task: Task) -> bool:
    return task.status == "failed" and (task.error is None or task.error.code not in _FAILS_AGAIN)
