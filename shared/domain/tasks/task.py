"""The task's document: its source, id, state and results."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

from shared.domain.errors import FailureCode, WaitingReason
from shared.domain.models.prices import Tier
from shared.domain.money.ledger import Ledger

Status = Literal["pending", "processing", "completed", "failed"]
AfterStep = Literal["publish", "callback", "event", "delete_file", "index"]
SourceKind = Literal["object", "request", "manifest"]

ID_PATTERN = r"^task-llm-\d{10}-[a-z0-9]{8}$"
_ID = re.compile(ID_PATTERN, re.ASCII)
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_FOLDERS_INDEXED = 16
"""Folder levels that are indexed for listing; deeper ones are filtered after the query."""


class Frozen(BaseModel):
    # Errors of documents reach the log, and documents hold answers.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Source(Frozen):
    """The generation of an object that a task is about. Two sources never share a task."""

    kind: SourceKind
    bucket: str
    name: str
    generation: int
    created_at: datetime
    size: int = Field(ge=0)
    content_type: str | None = None

    @property
    def uri(self) -> str:
        return f"gs://{self.bucket}/{self.name}"

    def same_as(self, other: Source) -> bool:
        """Return whether both are the same generation of the same object."""
        return (self.bucket, self.name, self.generation) == (other.bucket, other.name, other.generation)


class Waiting(Frozen):
    reason: WaitingReason
    until: datetime
    detail: str = ""


class TaskError(Frozen):
    code: FailureCode
    message: str
    type: Literal["task_error"] = "task_error"


class Pointer(Frozen):
    """An object in the results bucket, for what is too large for a document."""

    name: str
    size: int
    sha256: str


class GeminiFile(Frozen):
    """A file of the Files API that this task uploaded and may use until it expires."""

    name: str
    uri: str
    mime_type: str
    expires_at: datetime
    input: int = 0
    source: str = ""
    """`gs://bucket/name#generation` of the uploaded object; empty for other inputs."""
    active: bool = True
    """Whether the service has processed it."""


class GeminiCache(Frozen):
    """A context cache that this task may use until it expires."""

    name: str
    expires_at: datetime
    holds: str
    """A hash of its model and contents."""
    model: str = ""
    """The model that it was made for; empty if an earlier version made it."""
    tokens: int = 0
    paid_from: datetime | None = None
    """Since when this task pays for its storage; None if another task does."""
    left: bool = False
    """Not deleted with the task's end: reruns may find it until it expires."""


class Callback(Frozen):
    """The callback of a task and its state."""

    url: str
    auth: Literal["google"] | None = None
    """Whether it carries a token of notify's account, which only Google's own end points get."""
    state: Literal["pending", "delivered", "refused", "unreachable", "disabled"] = "pending"
    attempts: int = 0
    last_status: int | None = None
    last_error: str | None = None

    @model_serializer(mode="wrap")
    def _leave_out_absent_auth(self, serialize: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        """Write callbacks without a token as earlier versions did, which run beside this one during a deployment."""
        fields: dict[str, JsonValue] = serialize(self)
        return fields if self.auth else {name: value for name, value in fields.items() if name != "auth"}


class Ran(Frozen):
    """The recipe that was used: its snapshot and hash."""

    recipe: str
    sha256: str
    snapshot: dict[str, JsonValue]
    origin: str = "built in"
    """Where the recipe came from: `built in`, or the object and generation of the operator's file."""


class Task(Frozen):
    """A task's document. The state machine that changes it is `shared.domain.tasks.claims`."""

    id: str = Field(pattern=ID_PATTERN)
    source: Source
    owner: str
    """`inbox:{bucket}`, `key:{key id}` or `manifests:{bucket}`."""
    visible_to: tuple[str, ...]
    inbox_day: str
    """`{bucket}/{date}`, by which the daily cap counts."""
    model: str
    status: Status = "pending"
    progress: int = Field(default=0, ge=0, le=100)
    created_at: datetime
    accepted_at: datetime
    """When the task was created, or the day that the daily cap assigned; its age counts from here."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime
    """When Firestore may delete the document (TTL). Set again when the task ends."""

    service_tier: Tier | None = None
    """The tier to ask in if its recipe names none, as for files of a backfill."""
    stream: bool = False
    asked_lately: bool = False
    """Whether this is a rerun of a task that ended within the last hour."""
    metadata: dict[str, str] = Field(default_factory=dict)
    waiting: Waiting | None = None
    waited: Waiting | None = None
    """What it waited for last."""
    waiting_since: datetime | None = None
    """Since when it has waited for that reason, including the tries in between."""
    results: tuple[dict[str, JsonValue], ...] | None = None
    results_pointer: Pointer | None = None
    usage: dict[str, JsonValue] | None = None
    ledger: Ledger = Ledger()
    error: TaskError | None = None
    warnings: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    """Ids of the tasks of the documents that were cut out of its bundle."""
    callback: Callback | None = None
    ran: Ran | None = None
    request: Pointer | None = None
    trace: str = ""
    """The W3C `traceparent` of what created it; empty if that was not traced."""

    token: int = 0
    """The fencing token; only rises."""
    lease_until: datetime | None = None
    epoch: int = 0
    """Part of the next dispatch's name; rises at each put-off, since a name is blocked for an hour after use."""
    dispatch_at: datetime | None = None
    """When the enqueued dispatch is due."""
    attempts: int = 0
    """Failures that the task itself may have caused; put-offs, outages and takeovers do not count."""
    outages: int = 0
    """How often a service was unavailable."""
    takeovers: int = 0
    """How often a claim ended because its holder died or was cut off, by a cancellation too."""
    files: tuple[GeminiFile, ...] = ()
    cache: GeminiCache | None = None
    stored_chunks: int = 0
    after: tuple[AfterStep, ...] = ()
    open: bool = True
    """Whether anything is left to do: not terminal, after-work, or a pending callback. Sweep reads these tasks."""
    change: str = ""
    """A nonce of the last write: a writer whose commit was answered ambiguously recognises it."""

    @property
    def key(self) -> str:
        return key_of(self.id)

    @property
    def terminal(self) -> bool:
        return self.status in ("completed", "failed")

    @property
    def is_cancelled(self) -> bool:
        return self.error is not None and self.error.code == "request_cancelled"


def key_of(task_id: str) -> str:
    """The Firestore key: the 8 characters first, since ids in time order would make one hot range."""
    _, _, seconds, suffix = task_id.split("-")
    return f"{suffix}{seconds}"


def is_task_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def place_of(task_id: str) -> tuple[datetime, str]:
    """Return the position of a task id in lists by age: `created_at` and key."""
    return datetime.fromtimestamp(int(task_id.split("-")[2]), UTC), key_of(task_id)


def derive_id(bucket: str, name: str, generation: int, created_at: datetime, salt: int = 0) -> str:
    """Return the id that every delivery of an object's event derives. A higher `salt` avoids an id that is taken."""
    tag = f"{bucket}\0{name}\0{generation}" + (f"\0{salt}" if salt else "")
    return make_id(int(created_at.timestamp()), hashlib.sha256(tag.encode()).digest())


def make_id(seconds: int, digest: bytes) -> str:
    # Cloud Run keeps some paths that end in z for itself; GET /v1/tasks/{id} must not be one of them.
    number, last = divmod(int.from_bytes(digest, "big"), 35)
    suffix = _BASE36[last]
    for _ in range(7):
        number, digit = divmod(number, 36)
        suffix = _BASE36[digit] + suffix
    return f"task-llm-{seconds:010d}-{suffix}"


def visibility(owner: str, source: Source) -> tuple[str, ...]:
    """Return the values by which a task is listed: its owner, and the folders of a dropped object."""
    if source.kind != "object":
        return (owner,)
    folders = source.name.split("/")[:-1][:_FOLDERS_INDEXED]
    prefixes = [
        f"gs://{source.bucket}/" + "".join(f"{part}/" for part in folders[:depth]) for depth in range(len(folders) + 1)
    ]
    return (owner, *prefixes)


def folder_of(place: str) -> str:
    """Return the value of `visible_to` that covers all objects below `place`: its nearest indexed folder."""
    bucket, _, path = place.removeprefix("gs://").partition("/")
    folders = path.split("/")[:-1][:_FOLDERS_INDEXED]
    return f"gs://{bucket}/" + "".join(f"{part}/" for part in folders)


def new_task(
    source: Source, *, owner: str, model: str, now: datetime, keep: timedelta, salt: int = 0, task_id: str | None = None
) -> Task:
    """Return a pending task for `source`, due at once."""
    return Task(
        id=task_id or derive_id(source.bucket, source.name, source.generation, source.created_at, salt),
        source=source,
        owner=owner,
        visible_to=visibility(owner, source),
        inbox_day=f"{source.bucket}/{now.astimezone(UTC).date().isoformat()}",
        model=model,
        created_at=datetime.fromtimestamp(int(source.created_at.timestamp()), UTC),
        accepted_at=now,
        expires_at=now + keep,
        dispatch_at=now,
    )
