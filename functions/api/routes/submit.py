"""POST /v1/llm/generations: check a request, create its task, and respond at once, at its end, or with its stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import date
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import Submitter, require_scope
from functions.api.daily_budgets import budgets
from functions.api.follower import followers
from functions.api.json_body import encode_json
from functions.api.openapi_shapes import SUBMITTED, errors, submission_body
from functions.api.request_bodies import bodies
from functions.api.routes.stream import event_stream
from functions.api.waiting import completion_of
from shared import wiring
from shared.cloud.outbound import refusal_of, refuse_callback
from shared.dependencies import ApiDeps
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.request.inputs import Input, Remote, StoredInput, inputs_of
from shared.domain.request.overrides import CACHED_CONTENT
from shared.domain.request.rerun import resolve_rerun
from shared.domain.request.schema import Submission, digest_of, payload_digest, refuse_on_error
from shared.domain.request.tasks import asked_lately
from shared.domain.request.uploads import is_own_upload
from shared.domain.request.validation import read_and_check
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Ran, Task
from shared.domain.tasks.view import public
from shared.request_intake import Submitted

router = APIRouter()


IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="The same key and body within 24 hours: the same task."),
]

_IN_THREAD_BYTES = 16 << 10
"""Larger bodies are parsed in a thread: megabytes of base64 and JSON would block the event loop."""


class Checked(NamedTuple):
    submission: Submission
    inputs: Sequence[Input]
    payload: str
    """The digest of the request, which is stored with an Idempotency-Key."""
    ran: Ran | None = None
    """The recipe to run, if this is a rerun of a dropped object."""


@router.post(
    "/v1/llm/generations",
    operation_id="submit",
    responses={200: SUBMITTED, **errors(400, 401, 402, 403, 408, 410, 415, 422, 429)},
    openapi_extra=submission_body(),
)
async def submit(
    request: Request,
    key: Submitter,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a task of a request: checked at once, answered at once unless `sync` is true."""
    deps = wiring.api()
    async with bodies().body_of(request, key) as body:
        checked = await check(deps, key, body)
    return await submit_checked(deps, request, key, checked, idempotency_key)


async def submit_checked(
    deps: ApiDeps,
    request: Request,
    key: Key,
    checked: Checked,
    idempotency_key: str | None,
    *,
    before: Task | None = None,
) -> Response:
    """Create the task, or find the task of this Idempotency-Key, and respond as the request's `sync` and `stream` say.

    `before`: the task that is rerun.
    """
    if checked.submission.sync:
        # Its answer is the result.
        require_scope(key, "read")
    await budgets().spend(key)
    if before is not None and before.source.kind == "object":
        submitted = await deps.requests.submit_again(
            before, checked.ran, checked.submission, checked.payload, key_id=key.id, idempotency_key=idempotency_key
        )
    else:
        submitted = await deps.requests.submit(
            checked.submission,
            checked.payload,
            key_id=key.id,
            idempotency_key=idempotency_key,
            asked_lately=before is not None and asked_lately(before, deps.clock.now()),
        )
    task = submitted.task
    headers = {"Location": f"/v1/tasks/{task.id}"}
    if submitted.replayed:
        budgets().give_back(key)
        headers["Idempotent-Replayed"] = "true"
    if checked.submission.sync and checked.submission.stream:
        return await event_stream(deps, followers().follow(task), offset=0, headers=headers)
    if checked.submission.sync:
        return await completion_of(deps, request, task, headers)
    return Response(as_submitted(task), headers={**headers, "Retry-After": "2"}, media_type="application/json")


async def submit_within_budget(deps: ApiDeps, key: Key, checked: Checked, idempotency_key: str | None) -> Submitted:
    """Create the task of a checked request, or find the task of this Idempotency-Key, which costs no budget."""
    await budgets().spend(key)
    submitted = await deps.requests.submit(
        checked.submission, checked.payload, key_id=key.id, idempotency_key=idempotency_key
    )
    if submitted.replayed:
        budgets().give_back(key)
    return submitted


def as_submitted(task: Task) -> bytes:
    """Return the task as it was when created, so that a replay gets the same response as the first request."""
    lifetime = task.expires_at - (task.completed_at or task.accepted_at)
    fresh = {
        "status": "pending",
        "progress": 0,
        "results": None,
        "results_pointer": None,
        "error": None,
        "usage": None,
        "warnings": (),
        "outputs": (),
        "waiting": None,
        "started_at": None,
        "completed_at": None,
        # The end of a task postpones its expiry.
        "expires_at": task.accepted_at + lifetime,
        "ran": None,
    }
    view = public(task.model_copy(update=fresh))
    view.pop("usage", None)
    return encode_json(view)


async def check(deps: ApiDeps, key: Key, text: bytes) -> Checked:
    """Read and check a request. Raises `RequestRefused`."""
    today = deps.clock.now().date()
    small = len(text) <= _IN_THREAD_BYTES
    checked = _read(text, today) if small else await asyncio.to_thread(_read, text, today)
    _refuse_forbidden(deps, key, checked)
    index = checked.submission.index
    if index is not None and await deps.index_entries.store(index) is None:
        raise FieldRefused("index", f"index: there is no index {index!r}: no file was ever added to it.")
    return checked


async def check_rerun(deps: ApiDeps, key: Key, before: Task, changes: bytes) -> Checked:
    """Read and check a rerun of a dropped object's task. Raises `RequestRefused`."""
    checked = await asyncio.to_thread(_read_rerun, before, changes, deps.clock.now().date())
    _refuse_forbidden(deps, key, checked)
    return checked


def _cache_refusal(key: Key) -> RequestRefused:
    """Return the refusal of a context cache: the service does not tell whose files it holds."""
    message = (
        f"{CACHED_CONTENT}: a cache may hold anyone's files, so only keys with the scope operate may name one. This "
        f"key has the scopes {', '.join(key.scopes)}. Send the files: Dropsight makes caches itself where they pay."
    )
    return RequestRefused(403, "scope_missing", message, param=CACHED_CONTENT)


def _read(text: bytes, today: date) -> Checked:
    request = read_and_check(text, today)
    return Checked(request.submission, request.inputs, digest_of(request.submission))


def _read_rerun(before: Task, changes: bytes, today: date) -> Checked:
    with refuse_on_error():
        ran, submission = resolve_rerun(before.ran, before.source.uri, changes, today)
        whole = {"rerun": before.id, "changes": json.loads(changes or b"{}")}
        return Checked(submission, inputs_of(submission), payload_digest(json.dumps(whole).encode()), ran)


def _refuse_forbidden(deps: ApiDeps, key: Key, checked: Checked) -> None:
    """Raise for files and caches that the key may not name, internal addresses, and callbacks that cannot be sent."""
    settings = deps.settings
    if checked.submission.google.cached_content is not None and "operate" not in key.scopes:
        raise _cache_refusal(key)
    for file in checked.inputs:
        if isinstance(file, Remote):
            if why := refusal_of(file.url, allow_loopback=settings.allow_loopback):
                raise FieldRefused(file.param, f"{file.param}: {why}.", "url_not_fetchable")
        elif isinstance(file, StoredInput):
            own = (settings.requests_bucket, settings.results_bucket, settings.source_bucket)
            if is_own_upload(file.bucket, file.name, requests_bucket=settings.requests_bucket, owner=key.owner):
                continue
            if file.bucket in own or not key.covers(file.uri):
                sources = ", ".join(key.sources) or "none"
                message = f"{file.param}: this key may not name {file.uri}. Its sources: {sources}."
                raise RequestRefused(403, "source_not_allowed", message, param=file.param)
    url = checked.submission.callback_url
    if url is None:
        return
    if settings.callback_queue is None:
        raise FieldRefused("callback_url", "callback_url: this deployment sends no callbacks.")
    refuse_callback(url, checked.submission.callback_auth, allow_loopback=settings.allow_loopback)
