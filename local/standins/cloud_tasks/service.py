"""The calls of google.cloud.tasks.v2.CloudTasks, over gRPC."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc
import grpc.aio
from google.cloud.tasks_v2 import types
from google.protobuf import empty_pb2

from local.standins.cloud_tasks.queues import QueueRegistry
from local.standins.cloud_tasks.rules import (
    Pb,
    QueuePb,
    TaskPb,
    check_location,
    check_queue_name,
    prepare_task,
    queue_of,
    task_view,
)
from local.standins.cloud_tasks.spec import with_defaults
from local.standins.database import CannotWrite
from local.standins.grpc_refusals import Refusal, invalid, refuse
from local.standins.ledger import current_call

_Method = Callable[[Pb], Awaitable[Pb]]
_NOT_SETTABLE = ("name", "state", "purge_time")
_MAX_TASKS_A_PAGE, _MAX_QUEUES_A_PAGE = 1000, 9800


class CloudTasksService:
    """The RPCs of Cloud Tasks.

    Each public method takes the request message of the RPC it is named after and returns the answer.
    """

    def __init__(self, registry: QueueRegistry) -> None:
        self._registry = registry

    def handler(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            "google.cloud.tasks.v2.CloudTasks",
            {name: _rpc(getattr(self, name), request, answer) for name, (request, answer) in _RPCS.items()},
        )

    async def CreateTask(self, request: Pb) -> Pb:  # noqa: N802 - the RPC's name
        check_queue_name(request.parent)
        queue = self._registry.queue(request.parent)
        name = request.task.name or f"{request.parent}/tasks/{secrets.randbelow(10**20):020d}"
        task = prepare_task(request.task, request.parent, name, self._registry.now())
        _note(name)
        self._registry.create_task(queue, task)
        return task_view(task, request.response_view)

    async def GetTask(self, request: Pb) -> Pb:  # noqa: N802
        _note(request.name)
        return task_view(self._registry.entry(request.name).task, request.response_view)

    async def ListTasks(self, request: Pb) -> Pb:  # noqa: N802
        check_queue_name(request.parent)
        entries = self._registry.queue(request.parent).entries
        names, token = _page(entries, request, _MAX_TASKS_A_PAGE)
        tasks = [task_view(entries[name].task, request.response_view) for name in names]
        return _ANSWERS["ListTasks"](tasks=tasks, next_page_token=token)

    async def DeleteTask(self, request: Pb) -> Pb:  # noqa: N802
        _note(request.name)
        entry = self._registry.entry(request.name)
        self._registry.queue(queue_of(request.name)).remove(entry)
        return empty_pb2.Empty()

    async def RunTask(self, request: Pb) -> Pb:  # noqa: N802
        _note(request.name)
        entry = self._registry.entry(request.name)
        self._registry.queue(queue_of(request.name)).run_now(entry)
        return task_view(entry.task, request.response_view)

    async def GetQueue(self, request: Pb) -> Pb:  # noqa: N802
        check_queue_name(request.name)
        return self._registry.queue(request.name).queue

    async def ListQueues(self, request: Pb) -> Pb:  # noqa: N802
        check_location(request.parent)
        if request.filter:
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "ListQueues: a filter is not served here")
        queues = {
            name: dispatcher.queue
            for name, dispatcher in self._registry.queues.items()
            if name.startswith(f"{request.parent}/")
        }
        names, token = _page(queues, request, _MAX_QUEUES_A_PAGE)
        return _ANSWERS["ListQueues"](queues=[queues[name] for name in names], next_page_token=token)

    async def CreateQueue(self, request: Pb) -> Pb:  # noqa: N802
        check_location(request.parent)
        if not request.queue.name.startswith(f"{request.parent}/queues/"):
            raise invalid(f"Queue.name {request.queue.name!r} must lie under {request.parent!r}")
        if request.queue.name in self._registry.queues:
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS, "Queue already exists")
        return self._registry.put_queue(with_defaults(_settable(request.queue)))

    async def UpdateQueue(self, request: Pb) -> Pb:  # noqa: N802
        check_queue_name(request.queue.name)
        dispatcher = self._registry.queues.get(request.queue.name)
        if dispatcher is None:
            return self._registry.put_queue(with_defaults(_settable(request.queue)))
        queue = QueuePb()
        queue.CopyFrom(dispatcher.queue)
        if not request.update_mask.IsValidForDescriptor(QueuePb.DESCRIPTOR):
            raise invalid(f"update_mask names fields that a queue does not have: {list(request.update_mask.paths)}")
        paths = [path for path in request.update_mask.paths if path.split(".")[0] not in _NOT_SETTABLE]
        if paths:
            type(request.update_mask)(paths=paths).MergeMessage(request.queue, queue, True, True)
        else:
            queue.MergeFrom(_settable(request.queue))
        doublings = queue.retry_config.max_doublings  # 0 means none here, not "left out"
        with_defaults(queue).retry_config.max_doublings = doublings
        return self._registry.put_queue(queue)

    async def DeleteQueue(self, request: Pb) -> Pb:  # noqa: N802
        check_queue_name(request.name)
        await self._registry.delete_queue(request.name)
        return empty_pb2.Empty()

    async def PurgeQueue(self, request: Pb) -> Pb:  # noqa: N802
        check_queue_name(request.name)
        dispatcher = self._registry.queue(request.name)
        for entry in list(dispatcher.entries.values()):
            dispatcher.remove(entry)
        dispatcher.queue.purge_time.FromMicroseconds(int(self._registry.now() * 1e6))
        return self._registry.put_queue(dispatcher.queue)

    async def PauseQueue(self, request: Pb) -> Pb:  # noqa: N802
        return self._set_state(request.name, QueuePb.PAUSED)

    async def ResumeQueue(self, request: Pb) -> Pb:  # noqa: N802
        return self._set_state(request.name, QueuePb.RUNNING)

    def _set_state(self, name: str, state: int) -> Pb:
        check_queue_name(name)
        queue = QueuePb()
        queue.CopyFrom(self._registry.queue(name).queue)
        queue.state = state
        return self._registry.put_queue(queue)


def _settable(submitted: Pb) -> Pb:
    """Return the queue without its output-only fields."""
    queue = QueuePb()
    queue.CopyFrom(submitted)
    for field in ("state", "purge_time"):
        queue.ClearField(field)
    return queue


def _note(task_name: str) -> None:
    current_call.get().notes["task"] = task_name.rpartition("/")[-1]


def _page(names: Iterable[str], request: Pb, most: int) -> tuple[list[str], str]:
    """Return one page of names in order, and the token of the next page ("" at the end)."""
    if not 0 <= request.page_size <= most:
        raise invalid(f"page_size must be between 0 and {most}")
    try:
        after = base64.urlsafe_b64decode(request.page_token).decode()
    except (binascii.Error, ValueError) as error:
        raise invalid("page_token is not one that this service gave out") from error
    size = request.page_size or most
    rest = sorted(name for name in names if name > after)
    token = base64.urlsafe_b64encode(rest[size - 1].encode()).decode() if len(rest) > size else ""
    return rest[:size], token


def _rpc(method: _Method, request: Pb, answer: Pb) -> grpc.RpcMethodHandler:
    async def call(message: Pb, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await method(message)
        except Refusal as refusal:
            await refuse(context, refusal)
        except CannotWrite as error:
            await refuse(context, Refusal(grpc.StatusCode.UNAVAILABLE, f"The change could not be kept: {error}"))

    return grpc.unary_unary_rpc_method_handler(call, request.FromString, answer.SerializeToString)


_ANSWERS: dict[str, Pb] = {"ListTasks": types.ListTasksResponse.pb(), "ListQueues": types.ListQueuesResponse.pb()}
_RPCS: dict[str, tuple[Pb, Pb]] = {
    "CreateTask": (types.CreateTaskRequest.pb(), TaskPb),
    "GetTask": (types.GetTaskRequest.pb(), TaskPb),
    "ListTasks": (types.ListTasksRequest.pb(), _ANSWERS["ListTasks"]),
    "DeleteTask": (types.DeleteTaskRequest.pb(), empty_pb2.Empty),
    "RunTask": (types.RunTaskRequest.pb(), TaskPb),
    "GetQueue": (types.GetQueueRequest.pb(), QueuePb),
    "ListQueues": (types.ListQueuesRequest.pb(), _ANSWERS["ListQueues"]),
    "CreateQueue": (types.CreateQueueRequest.pb(), QueuePb),
    "UpdateQueue": (types.UpdateQueueRequest.pb(), QueuePb),
    "DeleteQueue": (types.DeleteQueueRequest.pb(), empty_pb2.Empty),
    "PurgeQueue": (types.PurgeQueueRequest.pb(), QueuePb),
    "PauseQueue": (types.PauseQueueRequest.pb(), QueuePb),
    "ResumeQueue": (types.ResumeQueueRequest.pb(), QueuePb),
}
