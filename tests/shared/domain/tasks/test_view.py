"""What the public sees of a task, at each stage of its life."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import Callback, Pointer, Ran, Source, SourceKind, Task, TaskError, new_task
from shared.domain.tasks.view import TaskShown, public

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ALWAYS = {"id", "object", "type", "model", "status", "progress", "created", "stream", "results", "error", "usage"}
DONE = Outcome(results=({"id": "chatcmpl-1"},), usage={"total_tokens": 3}, warnings=("short",))


def new(kind: SourceKind = "object", **fields: object) -> Task:
    source = Source(kind=kind, bucket="inbox", name="a.txt", generation=1, size=3, created_at=NOW)
    task = new_task(source, owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))
    return task.model_copy(update=fields)


def rendered(task: Task, **options: Any) -> dict[str, Any]:
    view = cast(dict[str, Any], public(task, **options))
    json.dumps(view)
    TypeAdapter(TaskShown).validate_python(view)
    assert set(view) <= set(TaskShown.__annotations__), "each key is documented"
    return view


def claimed() -> Task:
    return claims.claim(new(), now=NOW, lease=timedelta(seconds=60))


def stages() -> list[Task]:
    failed = Outcome(error=TaskError(code="upstream_error", message="no"))
    return [
        new(),
        new("request", stream=True, metadata={"a": "b"}),
        claimed(),
        claims.put_off(claimed(), 1, now=NOW, until=NOW, reason="blocked", detail="no key"),
        claims.finish(claimed(), 1, DONE, now=NOW),
        claims.finish(claimed(), 1, failed, now=NOW),
        claims.cancel(claimed(), now=NOW),
    ]


@pytest.mark.parametrize("task", stages(), ids=lambda task: task.status)
def test_the_contracts_keys_are_there_at_every_stage(task: Task) -> None:
    view = rendered(task)
    assert set(view) >= ALWAYS
    assert (view["object"], view["type"], view["created"]) == ("llm.generation.task", "llm", SECONDS)
    assert (view["results"] is None) == (view["status"] != "completed")
    assert (view["error"] is None) == (view["status"] != "failed")


@pytest.mark.parametrize("task", stages(), ids=lambda task: task.status)
def test_what_only_the_functions_need_is_not_shown(task: Task) -> None:
    inside = {"token", "lease_until", "epoch", "dispatch_at", "attempts", "files", "after", "open", "change", "owner"}
    assert not set(rendered(task)) & inside


def test_keys_that_would_say_nothing_are_left_out() -> None:
    assert set(rendered(new())) == ALWAYS | {"expires_at", "source", "urls"}


def test_a_failed_task_says_why_in_the_contracts_form() -> None:
    view = rendered(claims.cancel(claimed(), now=NOW))
    assert view["error"]["code"] == "request_cancelled"
    assert set(view["error"]) == {"code", "message", "type"}
    assert view["error"]["type"] == "task_error"
    assert view["completed_at"] == SECONDS


def test_a_waiting_task_says_for_what_and_until_when() -> None:
    until = NOW + timedelta(seconds=90.5)
    waiting = claims.put_off(claimed(), 1, now=NOW, until=until, reason="rate_limited")
    assert rendered(waiting)["waiting"] == {"reason": "rate_limited", "until": SECONDS + 90}
    blocked = claims.put_off(claimed(), 1, now=NOW, until=NOW, reason="blocked", detail="no key")
    assert rendered(blocked)["waiting"]["detail"] == "no key"
    assert "waiting" not in rendered(claims.claim(blocked, now=NOW, lease=timedelta(seconds=1)))


def test_results_that_lie_elsewhere_are_shown_in_their_place() -> None:
    pointer = Pointer(name="tasks/x/results.json", size=300_000, sha256="0")
    task = claims.finish(claimed(), 1, Outcome(results_pointer=pointer), now=NOW)
    assert rendered(task, results=({"id": "chatcmpl-1"},))["results"] == [{"id": "chatcmpl-1"}]
    assert "results_pointer" not in rendered(task)


def test_a_streamed_task_names_its_stream() -> None:
    task = new("request", stream=True)
    where = f"/v1/llm/generations/{task.id}/stream"
    assert (rendered(task)["stream"], rendered(task)["urls"]["stream"]) == ({"url": where}, where)
    assert rendered(new())["stream"] is None
    assert "stream" not in rendered(new())["urls"]


def test_a_requests_own_object_is_not_shown_but_a_dropped_file_is() -> None:
    assert rendered(new())["source"] == "gs://inbox/a.txt"
    assert "source" not in rendered(new("request"))


def test_what_there_is_to_tell_is_told() -> None:
    task = claims.finish(claimed(), 1, DONE, now=NOW).model_copy(
        update={
            "metadata": {"a": "b"},
            "outputs": ("gs://results/a.md",),
            "callback": Callback(url="https://example.org/"),
            "ran": Ran(recipe="transcript", sha256="0", snapshot={}),
        }
    )
    view = rendered(task)
    assert (view["metadata"], view["outputs"], view["warnings"]) == ({"a": "b"}, ["gs://results/a.md"], ["short"])
    assert (view["recipe"], view["usage"], view["started_at"]) == ("transcript", {"total_tokens": 3}, SECONDS)
    assert (view["callback"]["url"], view["callback"]["state"]) == ("https://example.org/", "pending")
