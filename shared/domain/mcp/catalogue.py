"""Build the MCP results that describe this server, its tools, its resources and its tasks."""

from __future__ import annotations

import re

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.mcp.protocol import HANDSHAKE_VERSIONS, TASKS_EXTENSION, VERSIONS
from shared.domain.recipe.book import BUILT_IN
from shared.domain.tasks.task import ID_PATTERN, Task
from shared.domain.tasks.view import public

_ID = ID_PATTERN.strip("^$")
TASK_URI = re.compile(rf"dropsight://tasks/(?P<id>{_ID})")
OUTPUT_URI = re.compile(rf"dropsight://tasks/(?P<id>{_ID})/outputs/(?P<name>[^/]+)")
INSTRUCTIONS = (
    "Dropsight sends files to Gemini as durable tasks. Call understand with a file's address and a question or a "
    "recipe. What takes longer than the call goes on as a task: get_task has its answer later."
)
_SERVER: Json = {"name": "dropsight", "title": "Dropsight", "version": "1.0.0"}
_POLL_MILLISECONDS = 2000
_HOUR_MILLISECONDS = 3_600_000
_TASK_ID: Json = {"type": "string", "description": "The task's id, such as task-llm-1776874565-yq3szvcu."}
_WAIT: Json = {"type": "integer", "minimum": 0, "maximum": 50, "description": "Seconds to wait for the answer."}

_IDEMPOTENCY_KEY: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "Names this call: sent again with it and the same arguments within 24 hours, it makes no new task.",
}


def tools(*, has_task_support: bool) -> list[Json]:
    """Return the descriptions of the tools. `has_task_support`: include `execution`, which only 2025-11-25 has."""
    return [
        _understand(has_task_support=has_task_support),
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


def _understand(*, has_task_support: bool) -> Json:
    recipes = ", ".join(recipe.name for recipe in BUILT_IN)
    return {
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
                "idempotency_key": _IDEMPOTENCY_KEY,
            },
        },
        "annotations": {"readOnlyHint": False, "destructiveHint": False, "openWorldHint": True},
        **({"execution": {"taskSupport": "optional"}} if has_task_support else {}),
    }


def resource_templates() -> list[Json]:
    """Return the URI templates of a task and of its published files."""
    return [
        {"uriTemplate": "dropsight://tasks/{id}", "name": "task", "mimeType": "application/json"},
        {"uriTemplate": "dropsight://tasks/{id}/outputs/{name}", "name": "output"},
    ]


def resource_of(task: Task) -> list[Json]:
    """Return the resources of a completed task: the task itself and its published files."""
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
    """Return the task as a tool shows it: without its results."""
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


def extension_task(task: Task) -> Json:
    """Return the task in the format of the Tasks extension (2026-07-28), without its result.

    That format reserves `failed` for protocol errors. A failed task is therefore shown as completed, and its result has
    `isError`.
    """
    shown, lifetime = _protocol_task(task)
    if shown["status"] == "failed":
        shown["status"] = "completed"
    return {**shown, "ttlMs": lifetime, "pollIntervalMs": _POLL_MILLISECONDS}


def handshake_task(task: Task) -> Json:
    """Return the task in the format of 2025-11-25."""
    shown, lifetime = _protocol_task(task)
    return {**shown, "ttl": lifetime, "pollInterval": _POLL_MILLISECONDS}


def _protocol_task(task: Task) -> tuple[Json, int]:
    """Return the fields that both formats share, and the milliseconds from the task's creation to its deletion."""
    status = (
        "cancelled" if task.is_cancelled else {"completed": "completed", "failed": "failed"}.get(task.status, "working")
    )
    updated = task.completed_at or task.started_at or task.accepted_at
    shown: Json = {
        "taskId": task.id,
        "status": status,
        "createdAt": task.created_at.isoformat(),
        "lastUpdatedAt": updated.isoformat(),
    }
    if task.error is not None:
        shown["statusMessage"] = task.error.message
    elif task.waiting is not None:
        shown["statusMessage"] = f"waiting: {task.waiting.reason}"
    return shown, max(0, int((task.expires_at - task.created_at).total_seconds() * 1000))


def initialized(wanted: JsonValue) -> Json:
    """Return the result of `initialize`, for the wanted version if it has a handshake, else for the newest that has."""
    tasks: Json = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
    return {
        "protocolVersion": wanted if wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[0],
        "capabilities": {"tools": {}, "resources": {}, "tasks": tasks},
        "serverInfo": _SERVER,
        "instructions": INSTRUCTIONS,
    }


def discovered() -> Json:
    """Return the result of `server/discover`."""
    return {
        "supportedVersions": list(VERSIONS),
        "capabilities": {"tools": {}, "resources": {}, "extensions": {TASKS_EXTENSION: {}}},
        "instructions": INSTRUCTIONS,
    }


def stateless_result(method: str, result: Json) -> Json:
    """Return a result with the fields that 2026-07-28 requires: its type, the server, and how long it may be cached."""
    kept: Json = {}
    if method in ("server/discover", "tools/list", "resources/templates/list"):
        kept = {"ttlMs": _HOUR_MILLISECONDS, "cacheScope": "public"}
    elif method in ("resources/list", "resources/read"):
        kept = {"ttlMs": 0, "cacheScope": "private"}
    return {"resultType": "complete", **result, **kept, "_meta": {"io.modelcontextprotocol/serverInfo": _SERVER}}
