"""Read and write task documents in Firestore; each change requires that the document is still as it was read."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from google.api_core import exceptions as api_errors
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.vector import Vector
from pydantic import ValidationError

from shared.cloud import document_wire
from shared.cloud.document_wire import Version
from shared.cloud.telemetry import log
from shared.cloud.tracing import current_context
from shared.domain.errors import DropsightError
from shared.domain.tasks.task import Status, Task, key_of

_TASKS = "tasks"
VECTOR_FIELD = "embedding"
"""The field of a task's document that a recipe for vectors sets."""
_LISTED_FIELDS = [*Task.model_fields, "kept_until"]
"""All fields except the vector: lists do not show its hundreds of numbers."""
_PAGE = 300
_BEHIND_ALL = "\U0010ffff"
"""Sorts after every character of a name."""
_MAX_TRIES = 20
"""Tries of a change, about 15 seconds in all; a task has few writers, and each writes rarely."""


@dataclass(frozen=True)
class Stored:
    """A task, and the version of the document it was read from."""

    task: Task
    version: Version


class UndecodedTask:
    """A task's document as it was received; fields are decoded when they are read."""

    def __init__(self, document: Any) -> None:
        self._document = document
        fields = document.fields
        source = fields["source"].map_value.fields if "source" in fields else {}
        self.owner = _text(fields, "owner")
        self.change = _text(fields, "change")
        self.kind = _text(source, "kind")
        self.uri = f"gs://{_text(source, 'bucket')}/{_text(source, 'name')}"

    def decode(self) -> Stored:
        """Return the task. Raises `UnreadableTask`."""
        key = self._document.name.rpartition("/")[2]
        return _stored(key, document_wire.fields_of(self._document.fields), self._document.update_time)


def _text(fields: Any, name: str) -> str:
    # Looking an absent field up in a protobuf map would put it there, without a type.
    return cast(str, fields[name].string_value) if name in fields else ""


class UnreadableTask(DropsightError):
    """A document that is no task, or was written by a newer version. Lists skip it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"the document tasks/{key} cannot be read: {why}")
        self.key = key


Decide = Callable[[Task], Task]
"""A transition of `shared.domain.tasks.claims`; it returns the same task if nothing is to change."""


Also = Callable[[firestore.AsyncWriteBatch, Task], None]
"""Adds further writes to the commit of a changed task."""


class Tasks:
    def __init__(self, project: str, database: str) -> None:
        self.client = firestore.AsyncClient(project=project, database=database)

    def _ref(self, task_id: str) -> firestore.AsyncDocumentReference:
        return self.client.collection(_TASKS).document(key_of(task_id))

    def _path(self, task_id: str) -> str:
        return f"{self.client._database_string}/documents/{_TASKS}/{key_of(task_id)}"

    async def create(self, task: Task) -> bool:
        """Create the document; return False if it exists already."""
        marked = task.model_copy(update={"change": secrets.token_hex(8), "trace": current_context() or task.trace})
        try:
            await document_wire.create(self.client, self._path(task.id), to_document(marked))
        except api_errors.Conflict:
            stored = await self.get(task.id)
            # The client repeats a commit whose response was lost, and then finds its own document.
            return stored is not None and stored.task.change == marked.change
        return True

    async def get(self, task_id: str) -> Stored | None:
        """Return the task, or None. Raises `UnreadableTask`."""
        found = await document_wire.get(self.client, self._path(task_id))
        return None if found is None else _stored(*found)

    async def get_undecoded(self, task_id: str) -> UndecodedTask | None:
        """Return the task's document, read in a single try; None if that failed or there is no document."""
        document = await document_wire.get_undecoded(self.client, self._path(task_id))
        return None if document is None else UndecodedTask(document)

    async def get_many(self, task_ids: list[str]) -> dict[str, Task | UnreadableTask]:
        """Return the tasks that exist."""
        if not task_ids:
            return {}
        ids = {key_of(task_id): task_id for task_id in task_ids}
        documents = document_wire.get_many(self.client, map(self._path, ids.values()))
        entries = {ids[key]: _read(key, document, version) async for key, document, version in documents}
        return {task_id: entry.task if isinstance(entry, Stored) else entry for task_id, entry in entries.items()}

    async def change(self, before: Stored, decide: Decide, also: Also | None = None) -> Stored | None:
        """Commit the task that `decide` returns; `decide` is called again if the document has changed meanwhile.

        `also` adds writes of other documents to the same commit.

        Return None if the document does not exist any more. Raises what `decide` raises (`LeaseLost`), and the error of
        the last try if every one of `_MAX_TRIES` met a change by another writer.
        """
        nonce = secrets.token_hex(8)
        current = before
        for tries in itertools.count(1):
            changed = decide(current.task)
            if changed is current.task:
                return current
            marked = changed.model_copy(update={"change": nonce})
            fields = to_document(marked, changed_fields(current.task, marked))
            try:
                if also is None:
                    version = await document_wire.update(self.client, self._path(marked.id), fields, current.version)
                else:
                    version = await self._update_with(also, marked, fields, current.version)
            except (api_errors.FailedPrecondition, api_errors.Aborted, api_errors.NotFound):
                stored = await self.get(marked.id)
                if stored is None:
                    return None
                if stored.task.change == nonce:
                    return stored
                if tries == _MAX_TRIES:
                    raise
                await asyncio.sleep(random.uniform(0, min(1, 0.01 * 2**tries)))  # noqa: S311
                current = stored
            else:
                return Stored(marked, version)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _update_with(self, also: Also, task: Task, fields: dict[str, Any], version: Version) -> Version:
        """Replace these fields of the task's document in one commit with the writes that `also` adds."""
        batch = self.client.batch()
        also(batch, task)
        return await document_wire.update(self.client, self._path(task.id), fields, version, batch._write_pbs)

    async def set_vector(self, task_id: str, vector: list[float]) -> None:
        """Set the field for Firestore's nearest-neighbour search. No other field changes."""
        await document_wire.set_field(self.client, self._path(task_id), VECTOR_FIELD, Vector(vector))

    async def store_answer(self, task: Task, name: str, record: str) -> None:
        """Store an answer beside its task while Cloud Storage is unavailable; it expires with the task."""
        answer = {"record": record, "expires_at": task.expires_at}
        await self._ref(task.id).collection("answers").document(name).set(answer)

    async def answer_names(self, task_id: str) -> list[str]:
        """Return the names of the answers stored beside a task, without reading them."""
        answers = self._ref(task_id).collection("answers").select([])
        return [snapshot.id async for snapshot in answers.stream()]

    async def load_answers(self, task_id: str) -> AsyncIterator[tuple[str, str]]:
        """Return names and records of the answers stored beside a task."""
        async for snapshot in self._ref(task_id).collection("answers").stream():
            yield snapshot.id, (snapshot.to_dict() or {})["record"]

    async def page(
        self,
        visible_to: list[str],
        *,
        limit: int,
        after: tuple[datetime, str] | None = None,
        status: Status | None = None,
        uri: str | None = None,
        prefix: str | None = None,
    ) -> list[Task]:
        """Return the tasks visible to `visible_to`, newest first. `after` is created_at and key of the last one read.

        With `prefix`, only those of objects whose `gs://` name begins with it. Others may come too as long as the
        database builds the index for it. Fewer than `limit` means that no more follow. Unreadable documents are logged
        and skipped.
        """
        if prefix is not None:
            with contextlib.suppress(api_errors.FailedPrecondition):
                return await self._page_of_prefix(visible_to, prefix, limit, after, status)
        query = self._listed(visible_to, status)
        if uri is not None:
            query = query.where(filter=FieldFilter("source.uri", "==", uri))
        query = query.order_by("created_at", direction="DESCENDING").order_by("__name__", direction="DESCENDING")
        if after is not None:
            query = query.start_after({"created_at": after[0], "__name__": self._document(after[1])})
        return await self._first(query, limit)

    async def _page_of_prefix(
        self, visible_to: list[str], prefix: str, limit: int, after: tuple[datetime, str] | None, status: Status | None
    ) -> list[Task]:
        """Return a page with a range of names. Its order has the name between the time and the key.

        Raises `FailedPrecondition` without the index, and where the document of `after` is gone.
        """
        query = (
            self._listed(visible_to, status)
            .where(filter=FieldFilter("source.uri", ">=", prefix))
            .where(filter=FieldFilter("source.uri", "<", prefix + _BEHIND_ALL))
        )
        for field in ("created_at", "source.uri", "__name__"):
            query = query.order_by(field, direction="DESCENDING")
        if after is not None:
            last = await self._document(after[1]).get(["source.uri"])
            if not last.exists:
                raise api_errors.FailedPrecondition("the last task is gone")  # type: ignore[no-untyped-call]
            place = {"created_at": after[0], "source.uri": last.get("source.uri"), "__name__": last.reference}
            query = query.start_after(place)
        return await self._first(query, limit)

    def _listed(self, visible_to: list[str], status: Status | None) -> firestore.AsyncQuery:
        """Return the query for tasks that are visible to `visible_to`, of one status unless it is None."""
        query = self.client.collection(_TASKS).select(_LISTED_FIELDS)
        query = query.where(filter=FieldFilter("visible_to", "array_contains_any", visible_to[:30]))
        return query if status is None else query.where(filter=FieldFilter("status", "==", status))

    def _document(self, key: str) -> firestore.AsyncDocumentReference:
        return self.client.collection(_TASKS).document(key)

    async def _first(self, query: firestore.AsyncQuery, limit: int) -> list[Task]:
        """Return the first `limit` tasks of a query that can be read."""
        tasks: list[Task] = []
        read = 0
        while missing := limit - len(tasks):
            documents = await document_wire.run_query(self.client, query.offset(read).limit(missing))
            for entry in itertools.starmap(_read, documents):
                if isinstance(entry, Stored):
                    tasks.append(entry.task)
                else:
                    log("ERROR", "task_unreadable", str(entry), key=entry.key)
            read += len(documents)
            if len(documents) < missing:
                break
        return tasks

    async def count_of_day(self, inbox_day: str) -> int:
        return await self._count("inbox_day", inbox_day)

    async def count_open(self) -> int:
        """Return how many tasks have work left."""
        return await self._count("open", True)

    async def _count(self, field: str, value: object) -> int:
        query = self.client.collection(_TASKS).where(filter=FieldFilter(field, "==", value))
        rows = await query.count().get()  # type: ignore[call-arg]
        return int(rows[0][0].value)

    async def open_tasks(self, after: str = "") -> AsyncIterator[Stored | UnreadableTask]:
        """Yield every task that has work left, ordered by key, page by page; `after` resumes past a key."""
        tasks = self.client.collection(_TASKS)
        query = tasks.where(filter=FieldFilter("open", "==", True)).order_by("__name__")
        last = after
        while True:
            page = query.start_after({"__name__": tasks.document(last)}) if last else query
            documents = await document_wire.run_query(self.client, page.limit(_PAGE))
            for document in documents:
                yield _read(*document)
            if len(documents) < _PAGE:
                return
            last = documents[-1][0]


def changed_fields(before: Task, after: Task) -> set[str]:
    """Return the names of the fields that differ."""
    return {name for name in Task.model_fields if getattr(before, name) != getattr(after, name)}


def to_document(task: Task, only: Collection[str] | None = None) -> dict[str, Any]:
    """Return the task's fields, or only the fields in `only` and the fields derived from them.

    The snapshot is JSON text: a schema in it may nest arrays, which Firestore refuses. Time to live goes by
    `expires_at`, empty while anything is left to do: no task is deleted that waits.
    """
    document = task.model_dump(include=None if only is None else set(only))
    if "source" in document:
        document["source"]["uri"] = task.source.uri
    if only is None or not {"open", "expires_at"}.isdisjoint(only):
        document["kept_until"] = task.expires_at
        document["expires_at"] = None if task.open else task.expires_at
    if document.get("ran") is not None and task.ran is not None:
        document["ran"]["snapshot"] = json.dumps(task.ran.snapshot, ensure_ascii=False)
    return document


def from_document(document: dict[str, Any]) -> Task:
    """Return the task of a document. Unknown fields are ignored: a newer version may have written them."""
    ran = document.get("ran")
    if ran is not None:
        ran = {**ran, "snapshot": json.loads(ran["snapshot"])}
    expires_at = document.get("expires_at") or document.get("kept_until")
    return Task.model_validate({**document, "expires_at": expires_at, "ran": ran}, extra="ignore")


def _stored(key: str, document: dict[str, Any], version: Version) -> Stored:
    try:
        return Stored(from_document(document), version)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnreadableTask(key, f"{where}: {first['msg']}") from error
    except (LookupError, TypeError, ValueError) as error:
        raise UnreadableTask(key, f"ran: {type(error).__name__}") from error


def _read(key: str, document: dict[str, Any], version: Version) -> Stored | UnreadableTask:
    try:
        return _stored(key, document, version)
    except UnreadableTask as unreadable:
        return unreadable
