"""Rendered tasks are remembered once nothing about them can change, within a limit of bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from functions.api.task_body import RenderedTask, RenderedTasks
from shared.domain.tasks import claims
from shared.domain.tasks.task import Source, Task, new_task

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def pending(name: str) -> Task:
    source = Source(kind="object", bucket="inbox", name=name, generation=1, size=3, created_at=NOW)
    return new_task(source, owner="o", model="m", now=NOW, keep=timedelta(days=1))


def ended(name: str) -> Task:
    return claims.cancel(pending(name), now=NOW).model_copy(update={"after": (), "open": False})


def test_the_least_recently_used_are_dropped_first_by_the_bytes_of_their_bodies() -> None:
    cache, tasks = RenderedTasks(limit=40), [ended(name) for name in "abcdef"]
    for task in tasks[:4]:
        cache.put(RenderedTask(task, b"x" * 10))
    assert cache.get(tasks[0].id) is not None
    cache.put(RenderedTask(tasks[4], b"x" * 10))
    assert [cache.get(task.id) is not None for task in tasks] == [True, False, True, True, True, False]


def test_a_task_that_may_change_and_a_body_of_over_a_quarter_of_the_limit_are_not_remembered() -> None:
    cache = RenderedTasks(limit=40)
    for task, body in ((pending("a"), b"x"), (ended("b"), b"x" * 11)):
        cache.put(RenderedTask(task, body))
        assert cache.get(task.id) is None


def test_a_remembered_task_holds_its_results_once() -> None:
    cache, task = RenderedTasks(), ended("a").model_copy(update={"results": ({"id": "x"},)})
    cache.put(RenderedTask(task, b"{}"))
    kept = cache.get(task.id)
    assert kept is not None
    assert kept.task.results is None
