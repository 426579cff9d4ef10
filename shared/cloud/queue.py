"""Enqueue dispatches in Cloud Tasks by name, so that none is on the queue twice."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import grpc.aio
from google.api_core import exceptions as api_errors
from google.api_core.retry_async import AsyncRetry, if_exception_type
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport
from google.protobuf import duration_pb2, timestamp_pb2

from shared.cloud.tracing import current_context
from shared.domain.tasks.task import Task

_DEADLINE_SECONDS = 1800
"""The longest time that Cloud Tasks waits for an HTTP target."""
_FURTHEST = timedelta(days=29)
"""Cloud Tasks takes no schedule time past 30 days (https://cloud.google.com/tasks/docs/quotas)."""
_RETRY = AsyncRetry(
    if_exception_type(api_errors.ServiceUnavailable, api_errors.DeadlineExceeded, api_errors.InternalServerError),
    initial=0.1,
    maximum=1.0,
    timeout=5.0,
)
"""The client retries every call but this one, which a name makes safe to repeat. The timeout is in seconds."""


class Queue:
    """One queue whose dispatches go to one function."""

    def __init__(self, *, path: str, url: str, invoker: str, endpoint: str | None = None) -> None:
        self._path, self._url, self._invoker = path, url, invoker
        if endpoint is None:
            self._client = tasks_v2.CloudTasksAsyncClient()
        else:
            transport = CloudTasksGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(endpoint))
            self._client = tasks_v2.CloudTasksAsyncClient(transport=transport)

    async def enqueue(self, name: str, body: dict[str, object], *, at: datetime | None = None) -> bool:
        """Enqueue a dispatch, due `at`; return False if one of that name is, or was recently, on the queue.

        That includes one whose first answer was lost.
        """
        task = tasks_v2.Task(
            name=f"{self._path}/tasks/{name}",
            http_request=tasks_v2.HttpRequest(
                url=self._url,
                http_method=tasks_v2.HttpMethod.POST,
                headers={"Content-Type": "application/json"},
                body=json.dumps(body).encode(),
                oidc_token=tasks_v2.OidcToken(service_account_email=self._invoker, audience=self._url),
            ),
            dispatch_deadline=duration_pb2.Duration(seconds=_DEADLINE_SECONDS),
        )
        if at is not None:
            moment = timestamp_pb2.Timestamp()
            moment.FromDatetime(at)
            task.schedule_time = moment
        try:
            await self._client.create_task(parent=self._path, task=task, retry=_RETRY)
        except api_errors.AlreadyExists:
            return False
        return True

    async def has_dispatch(self, name: str) -> bool:
        """Return whether a dispatch of that name is on the queue, or was recently."""
        try:
            await self._client.get_task(name=f"{self._path}/tasks/{name}")
        except api_errors.NotFound:
            return False
        return True


class Dispatches:
    """Enqueues dispatches for generate. A task's name is `{task key}-{epoch}`, with a suffix if an epoch needs two."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def enqueue(
        self, task: Task, *, epoch: int | None = None, suffix: str = "", at: datetime | None = None
    ) -> bool:
        number = task.epoch if epoch is None else epoch
        name = f"{task.key}-{number}" + (f"-{suffix}" if suffix else "")
        body: dict[str, object] = {"task": task.id, "epoch": number}
        if trace := current_context() or task.trace:
            body["trace"] = trace
        return await self._queue.enqueue(name, body, at=at)

    async def enqueue_entry(self, key: str, generation: int) -> bool:
        """Have an index entry looked at, because this generation of its object was deleted."""
        body: dict[str, object] = {"entry": key}
        if trace := current_context():
            body["trace"] = trace
        return await self._queue.enqueue(f"entry-{key}-{generation}", body)

    async def is_enqueued(self, task: Task) -> bool:
        """Return whether the dispatch of the task's epoch is on the queue."""
        return await self._queue.has_dispatch(f"{task.key}-{task.epoch}")


def schedulable(at: datetime, now: datetime) -> datetime:
    """Return `at`, or the latest moment that the queue accepts; the dispatch then enqueues the next one."""
    return min(at, now + _FURTHEST)


def lease_end(task: Task) -> str:
    """Return the suffix of the dispatch that is due when the lease ends."""
    assert task.lease_until is not None
    return f"{task.token}-{int(task.lease_until.timestamp())}"
