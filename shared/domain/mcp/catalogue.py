"""Describe the tools, resources and tasks that an MCP client lists."""

from __future__ import annotations

import re
from datetime import datetime
from typing import cast

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.recipe import BUILT_IN
from shared.domain.tasks.task import ID_PATTERN, Task
from shared.domain.tasks.view import public

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Of the protocol, newest first."""
_ID = ID_PATTERN.strip("^$")
TASK_URI = re.compile(rf"dropsight://tasks/(?P<id>{_ID})")
OUTPUT_URI = re.compile(rf"dropsight://tasks/(?P<id>{_ID})/outputs/(?P<name>[^/]+)")
INSTRUCTIONS = (
    "Dropsight sends files to Gemini as durable tasks. Call understand with a file's address and a question or a "
    "recipe. What takes longer than the call goes on as a task: get_task has its answer later."
)
_POLL_MILLISECONDS = 2000
_TASK_ID: Json = {"type": "string", "description": "The task's id, such as task-llm-1776874565-yq3szvcu."}
_WAIT: Json = {"type": "integer", "minimum": 0, "maximum": 50, "description": "Seconds to wait for the answer."}


def tools() -> list[Json]:
    recipes = ", ".join(recipe.name for recipe in BUILT_IN)
    return [
        {
            "name": "understand",
            "title": "Understand a file",
            "description": (
                "Ask Gemini about a recording, film, picture, PDF or text, or run a recipe on it (transcripts with "
                "times, tables, boxes). Returns the answer, or a task that goes on."
            ),
            "inputSchema": {
                "type": "object",
                "properties": {
                    "uri": {
                        "type": "string",
                        "description": "gs://bucket/object, https://…, data:…;base64,…, or a task's id for its file.",
                    },
                    "question": {"type": "string", "description": "What to ask about the file."},
                    "recipe": {"type": "string", "description": f"Instead of a question: one of {recipes}."},
                    "model": {"type": "string", "description": "A Gemini model; left out: the default."},
                    "wait_seconds": _WAIT,
                },
            },
            "annotations": {"readOnlyHint": False, "destructiveHint": False, "openWorldHint": True},
            "execution": {"taskSupport": "optional"},
        },
        {
            "name": "get_task",
            "title": "Get a task",
            "description": "Return how a task stands, and its answer once it has one.",
            "inputSchema": {
                "type": "object",
                "properties": {"task_id": _TASK_ID, "wait_seconds": _WAIT},
                "required": ["task_id"],
            },
            "annotations": {"readOnlyHint": True},
        },
        {
            "name": "list_tasks",
            "title": "List tasks",
            "description": "List your tasks and those of dropped files that you may see, newest first.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "status": {"type": "string", "enum": ["pending", "processing", "completed", "failed"]},
                    "prefix": {"type": "string", "description": "Only files below gs://bucket/…"},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
                    "after": {"type": "string", "description": "`next` of the page before."},
                },
            },
            "annotations": {"readOnlyHint": True},
        },
        {
            "name": "cancel_task",
            "title": "Cancel a task",
            "description": "End a task that has not ended. One that has ended is returned as it is.",
            "inputSchema": {"type": "object", "properties": {"task_id": _TASK_ID}, "required": ["task_id"]},
            "annotations": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True},
        },
    ]


def resource_templates() -> list[Json]:
    return [
        {"uriTemplate": "dropsight://tasks/{id}", "name": "task", "mimeType": "application/json"},
        {"uriTemplate": "dropsight://tasks/{id}/outputs/{name}", "name": "output"},
    ]


def resource_of(task: Task) -> list[Json]:
    """Return the resources of a completed task: itself, and its published files."""
    about = task.source.name if task.source.kind == "object" else task.id
    own: Json = {
        "uri": f"dropsight://tasks/{task.id}",
        "name": task.id,
        "title": about[-200:],
        "mimeType": "application/json",
    }
    names = [output.rpartition("/")[2] for output in task.outputs]
    files: list[Json] = [{"uri": f"{own['uri']}/outputs/{name}", "name": name} for name in names]
    return [own, *files]


def task_summary(task: Task) -> Json:
    """Return a task without its results."""
    shown = public(task.model_copy(update={"results": None, "results_pointer": None}))
    kept = (
        "id",
        "status",
        "progress",
        "model",
        "created",
        "source",
        "recipe",
        "outputs",
        "waiting",
        "error",
        "warnings",
    )
    return {name: shown[name] for name in kept if shown.get(name) is not None}


def protocol_task(task: Task, now: datetime) -> Json:
    """Return the task in the words of the protocol (2025-11-25, "Tasks")."""
    cancelled = task.error is not None and task.error.code == "request_cancelled"
    status = "cancelled" if cancelled else {"completed": "completed", "failed": "failed"}.get(task.status, "working")
    updated = task.completed_at or task.started_at or task.accepted_at
    shown: Json = {
        "taskId": task.id,
        "status": status,
        "createdAt": task.created_at.isoformat(),
        "lastUpdatedAt": updated.isoformat(),
        "ttl": max(0, int((task.expires_at - now).total_seconds() * 1000)),
        "pollInterval": _POLL_MILLISECONDS,
    }
    if task.error is not None:
        shown["statusMessage"] = task.error.message
    elif task.waiting is not None:
        shown["statusMessage"] = f"waiting: {task.waiting.reason}"
    return shown


def capabilities() -> Json:
    tasks: Json = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
    return {"tools": {}, "resources": {}, "tasks": cast(JsonValue, tasks)}
