"""Cloud Tasks: dispatches by name, so that the same one is never on the queue twice."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import grpc.aio
from google.api_core import exceptions as api_errors
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport
from google.protobuf import duration_pb2, timestamp_pb2

from shared.domain.tasks.task import Task

_DEADLINE_SECONDS = 1800
"""The longest that Cloud Tasks waits for an HTTP target."""
_FURTHEST = timedelta(days=29)
"""Cloud Tasks takes no schedule time past 30 days (https://cloud.google.com/tasks/docs/quotas)."""


class Queue:
    """One queue whose dispatches go to one function."""

    def __init__(self, *, path: str, url: str, invoker: str, endpoint: str | None = None) -> None:
        self._path, self._url, self._invoker = path, url, invoker
        if endpoint is None:
            self._client = tasks_v2.CloudTasksAsyncClient()
        else:
            transport = CloudTasksGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(endpoint))
            self._client = tasks_v2.CloudTasksAsyncClient(transport=transport)

    async def put(self, name: str, body: dict[str, object], *, at: datetime | None = None) -> bool:
        """False where a dispatch of that name is, or lately was, on the queue. `at`: not before."""
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
            await self._client.create_task(parent=self._path, task=task)
        except api_errors.AlreadyExists:
            return False
        return True

    async def holds(self, name: str) -> bool:
        """Whether a dispatch of that name is on the queue (or lately was, where the service still tells)."""
        try:
            await self._client.get_task(name=f"{self._path}/tasks/{name}")
        except api_errors.NotFound:
            return False
        return True


class Dispatches:
    """Dispatches of tasks to generate. A name is `{task key}-{epoch}`, with a suffix where one epoch needs another."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def put(self, task: Task, *, epoch: int | None = None, suffix: str = "", at: datetime | None = None) -> bool:
        number = task.epoch if epoch is None else epoch
        name = f"{task.key}-{number}" + (f"-{suffix}" if suffix else "")
        return await self._queue.put(name, {"task": task.id, "epoch": number}, at=at)

    async def waits(self, task: Task) -> bool:
        """Whether the dispatch of the task's epoch is on the queue."""
        return await self._queue.holds(f"{task.key}-{task.epoch}")


def schedulable(at: datetime, now: datetime) -> datetime:
    """`at`, or the furthest moment that the queue takes; whoever is called then puts the next dispatch."""
    return min(at, now + _FURTHEST)


def lease_end(task: Task) -> str:
    """The suffix of the dispatch that comes back when a lease has ended."""
    assert task.lease_until is not None
    return f"{task.token}-{int(task.lease_until.timestamp())}"
