"""The CloudEvent of an ended task, as a Pub/Sub message in binary mode.

Context attributes are message attributes with the prefix `ce-`
(https://github.com/google/knative-gcp/blob/main/docs/spec/pubsub-protocol-binding.md); the task is the data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC

from shared.domain.answer.response import Json
from shared.domain.tasks.task import Task
from shared.domain.tasks.view import public

LARGEST_RESULTS = 100 << 10
"""Bytes of the data with results; longer results are named, not sent."""
_LONGEST_ATTRIBUTE = 1024
"""Bytes of an attribute's value (https://cloud.google.com/pubsub/quotas#resource_limits)."""


@dataclass(frozen=True)
class TaskEvent:
    attributes: dict[str, str]
    data: bytes


def event_of(task: Task, *, project: str, environment: str, results_bucket: str) -> TaskEvent:
    """Return the event of a terminal task. Its id is the task's, so that receivers recognise duplicates."""
    assert task.terminal
    assert task.completed_at is not None
    recipe = task.ran.recipe if task.ran else ""
    inbox = task.source.bucket if task.source.kind == "object" else ""
    source, subject = _source(task, project, environment)
    attributes = {
        "ce-specversion": "1.0",
        "ce-type": f"dropsight.task.{task.status}",
        "ce-source": source,
        "ce-subject": subject,
        "ce-id": task.id,
        "ce-time": task.completed_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "content-type": "application/json",
        "recipe": recipe,
        "status": task.status,
        "owner": task.owner,
        "inbox": inbox,
    }
    shown = {**public(task), "recipe": recipe or None, "owner": task.owner, "inbox": inbox or None}
    kept = {name: _cut(value) for name, value in attributes.items() if value}
    return TaskEvent(kept, _encoded(shown, task, results_bucket))


def _source(task: Task, project: str, environment: str) -> tuple[str, str]:
    """Return what happened and to what: the object, or for a request of the API the task there."""
    if task.source.kind == "request":
        return f"//run.googleapis.com/projects/{project}/services/dropsight-{environment}-api", f"tasks/{task.id}"
    return f"//storage.googleapis.com/projects/_/buckets/{task.source.bucket}", f"objects/{task.source.name}"


def _encoded(task_shown: Json, task: Task, results_bucket: str) -> bytes:
    # Null is left out: BigQuery takes none for a repeated field.
    shown = {name: value for name, value in task_shown.items() if value is not None}
    data = json.dumps(shown, ensure_ascii=False).encode()
    if task.results_pointer is None and len(data) <= LARGEST_RESULTS:
        return data
    reference: dict[str, str] = {"task": f"/v1/tasks/{task.id}"}
    if task.results_pointer is not None:
        reference["object"] = f"gs://{results_bucket}/{task.results_pointer.name}"
    shown.pop("results", None)
    return json.dumps({**shown, "results_reference": reference}, ensure_ascii=False).encode()


def _cut(value: str) -> str:
    return value.encode()[:_LONGEST_ATTRIBUTE].decode(errors="ignore")
