"""Render a task for the public API: always the contract's ten keys, others only if they are set."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import Field, JsonValue
from typing_extensions import TypedDict

from shared.domain.answer.response import Json
from shared.domain.request.addresses import without_secrets
from shared.domain.tasks.bundle_documents import parent_of
from shared.domain.tasks.task import ID_PATTERN, Status, Task

EXAMPLE_ID = "task-llm-1776874565-yq3szvcu"
TaskId = Annotated[str, Field(pattern=ID_PATTERN, examples=[EXAMPLE_ID])]
Seconds = Annotated[int, Field(description="Seconds since 1970.")]


class StreamPlace(TypedDict):
    url: str


class FailedTask(TypedDict):
    code: str
    message: str
    type: Literal["task_error"]


class WaitingTask(TypedDict):
    reason: str
    until: Seconds
    detail: NotRequired[str]


class _TaskAlways(TypedDict):
    id: TaskId
    object: Literal["llm.generation.task"]
    type: Literal["llm"]
    model: str
    status: Status
    progress: Annotated[int, Field(ge=0, le=100)]
    created: Seconds
    stream: StreamPlace | None
    results: Annotated[list[dict[str, JsonValue]] | None, Field(description="ChatCompletions, once completed.")]
    error: FailedTask | None


class TaskShown(_TaskAlways, total=False):
    """A task. The first ten keys are always there."""

    usage: dict[str, JsonValue] | None
    started_at: Seconds | None
    completed_at: Seconds | None
    expires_at: Seconds | None
    metadata: dict[str, str] | None
    source: str | None
    warnings: list[str] | None
    outputs: list[str] | None
    parent: Annotated[str | None, Field(description="The task of the bundle that the file was cut out of.")]
    children: Annotated[
        list[str] | None, Field(description="The tasks of the documents that were cut out of the file.")
    ]
    waiting: WaitingTask | None
    callback: dict[str, JsonValue] | None
    recipe: str | None
    urls: dict[str, str] | None


_ALWAYS = TaskShown.__required_keys__ | {"usage"}


def public(task: Task, results: tuple[Json, ...] | None = None) -> Json:
    """Return the task's JSON. `results` replaces results that the task only points to."""
    loaded = results if results is not None else task.results
    stream = f"/v1/llm/generations/{task.id}/stream"
    urls = {"get": f"/v1/tasks/{task.id}", "cancel": f"/v1/tasks/{task.id}/cancel"}
    view: TaskShown = {
        "id": task.id,
        "object": "llm.generation.task",
        "type": "llm",
        "model": task.model,
        "status": task.status,
        "progress": task.progress,
        "created": _seconds(task.created_at),
        "stream": StreamPlace(url=stream) if task.stream else None,
        "results": list(loaded) if loaded is not None else None,
        "error": cast(FailedTask, task.error.model_dump()) if task.error else None,
        "usage": task.usage,
        "started_at": _seconds(task.started_at) if task.started_at else None,
        "completed_at": _seconds(task.completed_at) if task.completed_at else None,
        "expires_at": _seconds(task.expires_at),
        "metadata": task.metadata or None,
        "source": task.source.uri if task.source.kind != "request" else None,
        "warnings": list(task.warnings) or None,
        "outputs": list(task.outputs) or None,
        "parent": parent_of(task.source),
        "children": list(task.children) or None,
        "waiting": _waiting(task),
        "callback": _callback(task),
        "recipe": task.ran.recipe if task.ran else None,
        "urls": {**urls, "stream": stream} if task.stream else urls,
    }
    fields = cast(dict[str, Any], view).items()
    return {name: value for name, value in fields if value is not None or name in _ALWAYS}


def without_results(task: Task) -> Task:
    """Return the task without anything that the model answered, for keys without the scope `read`."""
    hidden = {"results": None, "results_pointer": None, "usage": None, "warnings": (), "outputs": (), "children": ()}
    return task.model_copy(update=hidden)


def _callback(task: Task) -> Json | None:
    """Return the callback's state. The URL's query and user name are left out: they often hold secrets."""
    if task.callback is None:
        return None
    return {**task.callback.model_dump(), "url": without_secrets(task.callback.url)}


def _waiting(task: Task) -> WaitingTask | None:
    if task.waiting is None:
        return None
    waiting: WaitingTask = {"reason": task.waiting.reason, "until": _seconds(task.waiting.until)}
    return {**waiting, "detail": task.waiting.detail} if task.waiting.detail else waiting


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
