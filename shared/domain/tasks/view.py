"""Render a task for the public API: always the contract's ten keys, others only if they are set."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.request.addresses import without_secrets
from shared.domain.tasks.task import Task


def public(task: Task, results: tuple[Json, ...] | None = None) -> Json:
    """Return the task's JSON. `results` replaces results that the task only points to."""
    shown = results if results is not None else task.results
    view: Json = {
        "id": task.id,
        "object": "llm.generation.task",
        "type": "llm",
        "model": task.model,
        "status": task.status,
        "progress": task.progress,
        "created": _seconds(task.created_at),
        "stream": {"url": f"/v1/llm/generations/{task.id}/stream"} if task.stream else None,
        "results": cast(JsonValue, list(shown)) if shown is not None else None,
        "error": cast(JsonValue, task.error.model_dump()) if task.error else None,
        "usage": task.usage,
    }
    urls: Json = {"get": f"/v1/tasks/{task.id}", "cancel": f"/v1/tasks/{task.id}/cancel"}
    if task.stream:
        urls["stream"] = f"/v1/llm/generations/{task.id}/stream"
    optional: Json = {
        "started_at": _seconds(task.started_at),
        "completed_at": _seconds(task.completed_at),
        "expires_at": _seconds(task.expires_at),
        "metadata": cast(JsonValue, task.metadata) or None,
        "source": task.source.uri if task.source.kind != "request" else None,
        "warnings": cast(JsonValue, list(task.warnings)) or None,
        "outputs": cast(JsonValue, list(task.outputs)) or None,
        "waiting": _waiting(task),
        "callback": _callback(task),
        "recipe": task.ran.recipe if task.ran else None,
        "urls": urls,
    }
    return {**view, **{name: value for name, value in optional.items() if value is not None}}


def without_results(task: Task) -> Task:
    """Return the task's JSON without anything that the model answered, for keys without the scope `read`."""
    hidden = {"results": None, "results_pointer": None, "usage": None, "warnings": (), "outputs": ()}
    return task.model_copy(update=hidden)


def _callback(task: Task) -> JsonValue:
    """Return the callback's state. The URL's query and user name are left out: they often hold secrets."""
    if task.callback is None:
        return None
    return {**task.callback.model_dump(), "url": without_secrets(task.callback.url)}


def _waiting(task: Task) -> JsonValue:
    if task.waiting is None:
        return None
    until = _seconds(task.waiting.until)
    return {
        "reason": task.waiting.reason,
        "until": until,
        **({"detail": task.waiting.detail} if task.waiting.detail else {}),
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
