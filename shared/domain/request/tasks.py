"""Build the task of a request object. api commits it; ingest does if api died before.

Both derive the same task from the same object. The object's metadata is trusted, because only the account of api may
write under `api/` of the requests bucket.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from shared.domain.recipe.definition import DEFAULT_MODEL
from shared.domain.request.schema import Submission
from shared.domain.tasks.task import ID_PATTERN, Callback, Pointer, Ran, Source, Task, new_task

API_FOLDER = "api/"
MANIFEST_FOLDER = "manifests/"
_API_NAME = re.compile(rf"^api/(?P<id>{ID_PATTERN.strip('^$')})\.json$")
_MANIFEST_NAME = re.compile(r"^manifests/(?:(?P<folder>[^/]+)/)?.+\.json$", re.DOTALL)

_LATELY = timedelta(hours=1)
"""A rerun this soon after its task's end makes caching the file's context worthwhile."""

OWNER_MARK, IDEMPOTENCY_MARK, PAYLOAD_MARK = "dropsight-key", "dropsight-idempotency", "dropsight-payload"


class Marks(NamedTuple):
    """Metadata that the api writes on a request object."""

    key_id: str
    idempotency: str | None = None
    """The id of the idempotency record, if a key was given."""
    payload: str = ""
    """The SHA-256 of the canonical body."""

    def metadata(self) -> dict[str, str]:
        noted = {OWNER_MARK: self.key_id, PAYLOAD_MARK: self.payload}
        return {**noted, IDEMPOTENCY_MARK: self.idempotency} if self.idempotency else noted

    @classmethod
    def made(cls, key_id: str, idempotency_key: str | None, payload: str) -> Marks:
        return cls(key_id, None if idempotency_key is None else record_id(key_id, idempotency_key), payload)

    @classmethod
    def of(cls, metadata: dict[str, str]) -> Marks | None:
        key_id = metadata.get(OWNER_MARK)
        if key_id is None:
            return None
        return cls(key_id, metadata.get(IDEMPOTENCY_MARK), metadata.get(PAYLOAD_MARK, ""))


def record_id(key_id: str, idempotency_key: str) -> str:
    """Return the id of the idempotency record: scoped to the API key, and without the caller's text."""
    return hashlib.sha256(f"{key_id}\0{idempotency_key}".encode("utf-8", "surrogatepass")).hexdigest()


def object_name(task_id: str) -> str:
    return f"{API_FOLDER}{task_id}.json"


def id_of_object(name: str) -> str | None:
    """Return the task id in the name of a request object, or None."""
    match = _API_NAME.match(name)
    return match["id"] if match else None


def manifest_owner(name: str) -> str | None:
    """Return the owner of a manifest's task, its first folder; None if the name is not a manifest's."""
    match = _MANIFEST_NAME.match(name)
    return f"manifests:{match['folder'] or ''}" if match else None


def request_task(
    submission: Submission,
    text: bytes,
    *,
    task_id: str,
    bucket: str,
    generation: int,
    key_id: str,
    now: datetime,
    keep: timedelta,
    asked_lately: bool = False,
) -> Task:
    source = Source(
        kind="request",
        bucket=bucket,
        name=object_name(task_id),
        generation=generation,
        created_at=_time_of(task_id),
        size=len(text),
        content_type="application/json",
    )
    task = new_task(source, owner=f"key:{key_id}", model=submission.model, now=now, keep=keep, task_id=task_id)
    return _with_request_fields(task, submission, now, text).model_copy(update={"asked_lately": asked_lately})


def rerun_task(
    before: Task, ran: Ran | None, submission: Submission, *, task_id: str, key_id: str, now: datetime, keep: timedelta
) -> Task:
    """Return a new task about the object of `before`, which is to run `ran` (None: the inbox's recipe)."""
    task = new_task(before.source, owner=f"key:{key_id}", model=submission.model, now=now, keep=keep, task_id=task_id)
    return _with_request_fields(task, submission, now).model_copy(
        update={"created_at": _time_of(task_id), "ran": ran, "asked_lately": asked_lately(before, now)}
    )


def asked_lately(before: Task, now: datetime) -> bool:
    """Return whether a rerun of `before` comes within the hour."""
    return before.completed_at is not None and now - before.completed_at < _LATELY


def manifest_task(
    source: Source,
    submission: Submission | None,
    text: bytes,
    *,
    owner: str,
    now: datetime,
    keep: timedelta,
    salt: int = 0,
) -> Task:
    """Return a manifest's task. `submission` is None if the manifest cannot be read; generate reports it then."""
    model = submission.model if submission is not None else DEFAULT_MODEL
    return _with_request_fields(
        new_task(source, owner=owner, model=model, now=now, keep=keep, salt=salt), submission, now, text
    )


def _time_of(task_id: str) -> datetime:
    """Return the time in a task's id, by which lists are ordered."""
    return datetime.fromtimestamp(int(task_id.split("-")[2]), UTC)


def _with_request_fields(task: Task, submission: Submission | None, now: datetime, text: bytes | None = None) -> Task:
    """Return the task with the fields that are copied from the request: no prompts and no inline data."""
    day: dict[str, object] = {"inbox_day": f"{task.owner}/{now.astimezone(UTC).date().isoformat()}"}
    if submission is None:
        return task.model_copy(update=day)
    pointer = None
    if text is not None:
        pointer = Pointer(name=task.source.name, size=len(text), sha256=hashlib.sha256(text).hexdigest())
    callback = None
    if submission.callback_url:
        callback = Callback(url=submission.callback_url, auth=submission.callback_auth)
    metadata = dict(submission.metadata or {})
    changes = {"stream": submission.stream, "metadata": metadata, "callback": callback, "request": pointer}
    return task.model_copy(update=day | changes)
