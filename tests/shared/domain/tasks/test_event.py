"""The event of an ended task: what filters see, and what the data holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.event import TaskEvent, event_of
from shared.domain.tasks.task import Pointer, Source, Task, TaskError, new_task
from shared.domain.tasks.view import TaskShown

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def ended(kind: Literal["object", "request", "manifest"] = "object", name: str = "a.mp3", **outcome: Any) -> Task:
    source = Source(kind=kind, bucket="inbox", name=name, generation=1, size=3, created_at=NOW)
    task = new_task(source, owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))
    leased = claims.claim(task, now=NOW, lease=timedelta(seconds=60))
    whole = outcome or {"results": ({"id": "x"},)}
    return claims.finish(leased, 1, Outcome(**whole), now=NOW + timedelta(seconds=5), event=True)


def event(task: Task) -> TaskEvent:
    return event_of(task, project="acme", environment="prod", results_bucket="results")


def test_attributes_are_those_of_a_cloudevent_and_of_filters() -> None:
    task = ended()
    assert event(task).attributes == {
        "ce-specversion": "1.0",
        "ce-type": "dropsight.task.completed",
        "ce-source": "//storage.googleapis.com/projects/_/buckets/inbox",
        "ce-subject": "objects/a.mp3",
        "ce-id": task.id,
        "ce-time": "2026-05-01T12:00:05.000000Z",
        "content-type": "application/json",
        "status": "completed",
        "owner": "inbox:inbox",
        "inbox": "inbox",
    }


def test_no_field_is_null_as_bigquery_takes_none_for_a_repeated_one() -> None:
    assert None not in json.loads(event(ended(error=TaskError(code="empty_file", message="x"))).data).values()


def test_every_column_of_the_table_is_a_field_of_an_event_or_pubsubs_own() -> None:
    columns = json.loads((ROOT / "terraform" / "events.columns.json").read_text())
    of_pubsub = {"subscription_name", "message_id", "publish_time", "attributes"}
    fields = {*TaskShown.__annotations__, "owner", "inbox"}
    assert {column["name"] for column in columns} - of_pubsub <= fields


def test_a_failed_task_says_so() -> None:
    failed = event(ended(error=TaskError(code="empty_file", message="It is empty.")))
    assert failed.attributes["ce-type"] == "dropsight.task.failed"
    assert json.loads(failed.data)["error"]["code"] == "empty_file"


def test_a_request_is_of_the_api() -> None:
    task = ended("request", "api/x.json")
    attributes = event(task).attributes
    assert attributes["ce-source"] == "//run.googleapis.com/projects/acme/services/dropsight-prod-api"
    assert attributes["ce-subject"] == f"tasks/{task.id}"
    assert "inbox" not in attributes


def test_the_data_is_the_task() -> None:
    task = ended()
    data = json.loads(event(task).data)
    assert (data["id"], data["status"], data["results"], data["owner"]) == (
        task.id,
        "completed",
        [{"id": "x"}],
        "inbox:inbox",
    )


@pytest.mark.parametrize(
    "outcome",
    [
        {"results": ({"text": "é" * 60_000},)},
        {"results_pointer": Pointer(name="tasks/x/results.json", size=9, sha256="0")},
    ],
)
def test_long_results_are_named_not_sent(outcome: dict[str, Any]) -> None:
    task = ended(**outcome)
    data = json.loads(event(task).data)
    assert "results" not in data
    assert data["results_reference"]["task"] == f"/v1/tasks/{task.id}"
    named = "gs://results/tasks/x/results.json" if "results_pointer" in outcome else None
    assert data["results_reference"].get("object") == named
    assert len(event(task).data) < 100 << 10


def test_no_attribute_is_longer_than_pubsub_takes() -> None:
    attributes = event(ended(name="ö" * 512)).attributes
    assert all(len(value.encode()) <= 1024 for value in attributes.values())


def test_only_a_task_whose_end_is_told_has_the_step() -> None:
    assert ended().after == ("publish", "event")
    cancelled = claims.cancel(new_task(ended().source, owner="o", model="m", now=NOW, keep=timedelta(1)), now=NOW)
    assert "event" not in cancelled.after
