"""Create tasks of requests: api submits them; ingest and sweep take request objects and manifests.

The api writes the request object, then makes the task. Where it dies in between, the object's event does the rest; so
whoever comes second finds the task that the first one made.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from shared.clock import Clock
from shared.cloud.firestore import Tasks
from shared.cloud.idempotency import RECORD_LIFETIME, StoredRecord, Submissions
from shared.cloud.queue import Dispatches
from shared.cloud.storage import Storage
from shared.cloud.telemetry import log, log_failure
from shared.daily_limits import DailyLimits, start_of
from shared.domain.errors import PermanentFailure, RequestRefused
from shared.domain.request.schema import LARGEST_BODY, Submission, as_stored, read, refuse_on_error
from shared.domain.request.tasks import (
    Marks,
    id_of_object,
    manifest_owner,
    manifest_task,
    object_name,
    request_task,
    rerun_task,
)
from shared.domain.tasks.task import Ran, Source, Task, make_id
from shared.intake import enqueue_first_dispatch, waiting_for_day, with_waiting
from shared.settings import Settings

_JSON = "application/json"


@dataclass(frozen=True)
class Submitted:
    task: Task
    replayed: bool = False


def _read_or_none(text: bytes) -> Submission | None:
    """Return the request, or None if it cannot be read: its task then fails in generate with the reason."""
    try:
        with refuse_on_error():
            return read(text)
    except RequestRefused:
        return None


class RequestIntake:
    def __init__(
        self, settings: Settings, clock: Clock, tasks: Tasks, dispatches: Dispatches, storage: Storage
    ) -> None:
        self._settings, self._clock, self._tasks = settings, clock, tasks
        self._dispatches, self._storage = dispatches, storage
        self._submissions, self._limits = Submissions(tasks.client), DailyLimits(tasks, clock)
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    async def submit(
        self,
        submission: Submission,
        payload: str,
        *,
        key_id: str,
        idempotency_key: str | None = None,
        asked_lately: bool = False,
    ) -> Submitted:
        """Create and dispatch a task for the request. `payload` is the digest of the body as it was sent."""
        marks = Marks.made(key_id, idempotency_key, payload)
        stored = await asyncio.to_thread(as_stored, submission)

        async def make_task() -> Task | None:
            now = self._clock.now()
            task_id = make_id(int(now.timestamp()), secrets.token_bytes(16))
            name, bucket = object_name(task_id), self._settings.requests_bucket
            generation = await self._storage.write(
                bucket, name, stored, _JSON, only_if_absent=True, metadata=marks.metadata()
            )
            if generation is None:
                return None
            return self._task(submission, stored, task_id, generation, key_id, asked_lately)

        return await self._commit_and_dispatch(make_task, marks)

    async def submit_again(
        self,
        before: Task,
        ran: Ran | None,
        submission: Submission,
        payload: str,
        *,
        key_id: str,
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Create and dispatch a new task about the object of an earlier one."""

        async def make_task() -> Task | None:
            now = self._clock.now()
            task_id = make_id(int(now.timestamp()), secrets.token_bytes(16))
            keep = timedelta(days=self._settings.task_days)
            return rerun_task(before, ran, submission, task_id=task_id, key_id=key_id, now=now, keep=keep)

        return await self._commit_and_dispatch(make_task, Marks.made(key_id, idempotency_key, payload))

    async def _commit_and_dispatch(self, make_task: Callable[[], Awaitable[Task | None]], marks: Marks) -> Submitted:
        """Commit the task that `make` builds, unless its Idempotency-Key has one already, and dispatch it."""
        async with self._one_at_a_time(marks.idempotency):
            submitted = await self._committed(make_task, marks)
        if not submitted.replayed:
            try:
                await self._dispatches.enqueue(submitted.task, epoch=0)
            except Exception as error:  # The request object's event puts it too, or sweep: nothing is lost but time.
                log_failure("dispatch_left_to_others", error, task=submitted.task.id)
        return submitted

    async def take(self, source: Source) -> Task | None:
        """Return the task of an object in the requests bucket; None if it gets none."""
        if (owner := manifest_owner(source.name)) is not None:
            task: Task | None = await self._take_manifest(source, owner)
        elif (task_id := id_of_object(source.name)) is not None:
            stored = await self._tasks.get(task_id)
            task = stored.task if stored is not None else await self._take_orphan(source, task_id)
        else:
            log("INFO", "object_ignored", "neither a request nor a manifest", object=source.uri)
            return None
        if task is not None and not task.terminal:
            await enqueue_first_dispatch(self._dispatches, task)
        return task

    async def _committed(self, make_task: Callable[[], Awaitable[Task | None]], marks: Marks) -> Submitted:
        record = marks.idempotency
        for _ in range(5):
            record_ = await self._submissions.find(record) if record is not None else None
            if (earlier := await self._replay(record_, marks.payload)) is not None:
                return Submitted(earlier, replayed=True)
            task = await make_task()
            if task is None:
                continue
            if await self._commit(task, marks, record_):
                return Submitted(task)
            if task.source.kind == "request":
                with contextlib.suppress(Exception):
                    # Left behind it would do no harm: the record names another task.
                    await self._storage.delete(task.source.bucket, task.source.name)
        raise RequestRefused(503, "service_unavailable", "The task could not be made. Send the request again.")

    def _task(
        self,
        submission: Submission,
        stored: bytes,
        task_id: str,
        generation: int,
        key_id: str,
        asked_lately: bool = False,
    ) -> Task:
        return request_task(
            submission,
            stored,
            task_id=task_id,
            bucket=self._settings.requests_bucket,
            generation=generation,
            key_id=key_id,
            now=self._clock.now(),
            keep=timedelta(days=self._settings.task_days),
            asked_lately=asked_lately,
        )

    async def _commit(self, task: Task, marks: Marks, earlier: StoredRecord | None) -> bool:
        """Create the task; return whether it exists now, no matter who created it."""
        if await self._submissions.commit(task, record=marks.idempotency, payload=marks.payload, expired=earlier):
            log("INFO", "task_created", f"{task.owner} submitted {task.id}", task=task.id)
            return True
        made = await self._tasks.get(task.id)
        return made is not None and made.task.source.same_as(task.source)

    async def _replay(self, earlier: StoredRecord | None, payload: str) -> Task | None:
        if earlier is None or earlier.record.expires_at <= self._clock.now():
            return None
        if earlier.record.payload != payload:
            raise RequestRefused(
                422,
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request within 24 hours. Use a new one.",
                param="Idempotency-Key",
            )
        stored = await self._tasks.get(earlier.record.task)
        return stored.task if stored is not None else None

    async def _take_orphan(self, source: Source, task_id: str) -> Task | None:
        """Take a request object whose task does not exist: the api died, or another submit won its Idempotency-Key."""
        stored = await self._storage.stat(source.bucket, source.name)
        marks = Marks.of(stored.metadata) if stored is not None and stored.generation == source.generation else None
        text = await self._storage.read(source.bucket, source.name, generation=source.generation) if marks else None
        if marks is None or text is None:
            log(
                "INFO",
                "object_ignored",
                "a request object that is gone or was not written by the api",
                object=source.uri,
            )
            return None
        if marks.idempotency and self._clock.now() - source.created_at >= RECORD_LIFETIME:
            # Whether it lost against another submit cannot be told any more, so it has lost.
            return None
        record = await self._submissions.find(marks.idempotency) if marks.idempotency else None
        expired = record is not None and record.record.expires_at <= self._clock.now()
        if record is not None and not expired and record.record.task != task_id:
            log("INFO", "object_ignored", "another submit won this Idempotency-Key", object=source.uri)
            return None
        submission = await asyncio.to_thread(_read_or_none, text)
        if submission is None:
            log("WARNING", "object_ignored", "a request object that cannot be read", object=source.uri)
            return None
        task = self._task(submission, text, task_id, source.generation, marks.key_id)
        if not await self._commit(task, marks, record if expired else None):
            return None
        made = await self._tasks.get(task_id)
        return made.task if made is not None else None

    async def _take_manifest(self, source: Source, owner: str) -> Task:
        text, submission = b"", None
        if source.size <= LARGEST_BODY:
            # What cannot be read becomes a task all the same, which says why.
            with contextlib.suppress(PermanentFailure):
                text = await self._storage.read(source.bucket, source.name, generation=source.generation) or b""
                submission = await asyncio.to_thread(_read_or_none, text)
        document = source.model_copy(update={"kind": "manifest"})
        now, keep = self._clock.now(), timedelta(days=self._settings.task_days)
        day = await self._limits.reserve(owner, self._settings.manifests_daily_cap)
        for salt in range(100):
            admitted = max(now, start_of(day))
            pending = manifest_task(document, submission, text, owner=owner, now=admitted, keep=keep, salt=salt)
            task = with_waiting(pending, waiting_for_day(day, now, "the folder of manifests"), now)
            if await self._tasks.create(task):
                log("INFO", "task_created", f"{source.uri} is {task.id}", task=task.id, object=source.uri)
                return task
            stored = await self._tasks.get(task.id)
            if stored is not None and stored.task.source.same_as(source):
                self._limits.give_back(owner, day)
                return stored.task
        raise RuntimeError(f"no free task id for {source.uri} in 100 tries")

    @asynccontextmanager
    async def _one_at_a_time(self, record: str | None) -> AsyncIterator[None]:
        """Serialise submits with the same Idempotency-Key in this instance: the first creates, the others find."""
        if record is None:
            yield
            return
        lock, users = self._locks.get(record, (asyncio.Lock(), 0))
        self._locks[record] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(record)
            if users > 1:
                self._locks[record] = (lock, users - 1)
