"""notify: deliver one callback and record the result.

Answers 500 if another attempt may help; the queue then retries with backoff for a day. Does not answer 429 or 503,
which would slow down the whole queue.
"""

from __future__ import annotations

from shared import collector  # isort: split

import json
from datetime import timedelta

import functions_framework.aio
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from shared import wiring
from shared.cloud.callbacks import Attempt
from shared.cloud.telemetry import Severity, log, log_failure
from shared.cloud.tracing import annotate, span
from shared.dependencies import NotifyDeps
from shared.domain.tasks import claims
from shared.domain.tasks.task import Callback
from shared.domain.tasks.view import public
from shared.domain.tasks.webhook import signed_headers
from shared.results import load_results
from shared.settings import NotifySettings, refuse_misconfiguration

_GIVE_UP_AFTER = timedelta(hours=23)
"""After this time since the task's end, an attempt counts as the last. The queue gives up after 24 h."""

collector.resume()
refuse_misconfiguration(NotifySettings)


class Notice(BaseModel):
    task: str
    trace: str = ""
    """The W3C `traceparent` of the span that enqueued it."""


@functions_framework.aio.http
async def notify(request: Request) -> Response:
    try:
        notice = Notice.model_validate_json(await request.body())
    except ValidationError as error:
        log("ERROR", "notice_malformed", f"not a notice: {error.error_count()} errors")
        return PlainTextResponse("malformed notice: dropped")
    try:
        deps = wiring.notify()
        with span("notify", parent=notice.trace, kind="consumer", task=notice.task):
            settled = await deliver_callback(deps, notice.task)
    except Exception as error:
        log_failure("notify_failed", error, task=notice.task)
        settled = False
    return PlainTextResponse("settled" if settled else "to be tried again", status_code=200 if settled else 500)


async def deliver_callback(deps: NotifyDeps, task_id: str) -> bool:
    """Deliver the callback. Return True if no other attempt is needed."""
    stored = await deps.tasks.get(task_id)
    if stored is None or stored.task.callback is None or not stored.task.terminal:
        return True
    task, callback = stored.task, stored.task.callback
    if callback.state != "pending":
        return True
    results = await load_results(deps.storage, deps.settings.results_bucket, task)
    body = json.dumps(public(task, results), ensure_ascii=False).encode()
    now = deps.clock.now()
    headers = signed_headers(
        deps.settings.callback_secret.get_secret_value(),
        message_id=f"msg_{task.key}",
        timestamp=int(now.timestamp()),
        body=body,
    )
    attempt = await deps.callbacks.deliver(callback.url, headers, body, auth=callback.auth)
    is_last = task.completed_at is not None and now - task.completed_at >= _GIVE_UP_AFTER
    after = callback_after(callback, attempt, last=is_last)
    if after != callback:
        await deps.tasks.change(stored, lambda current: claims.record_callback(current, after))
    annotate(callback=after.state, status=attempt.status)
    severity: Severity = "INFO" if after.state == "delivered" else "WARNING"
    log(severity, "callback_attempted", f"the callback is {after.state}: {attempt.error or 'accepted'}", task=task.id)
    return after.state != "pending"


def callback_after(callback: Callback, attempt: Attempt, *, last: bool) -> Callback:
    """Return the callback's state after an attempt; `last` if no other will follow."""
    if attempt.kind == "put_off":
        given_up = {"state": "unreachable", "last_error": attempt.error}
        return callback.model_copy(update=given_up) if last else callback
    attempted = {"attempts": callback.attempts + 1, "last_status": attempt.status, "last_error": attempt.error}
    match attempt.kind:
        case "delivered" | "refused" | "disabled":
            return callback.model_copy(update={**attempted, "state": attempt.kind})
        case "later":
            return callback.model_copy(update={**attempted, "state": "refused" if last else "pending"})
        case "unreachable":
            return callback.model_copy(update={**attempted, "state": "unreachable" if last else "pending"})
