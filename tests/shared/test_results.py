"""Results are loaded from the document, or from the object that the document points to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from shared.cloud.storage import Storage
from shared.domain.tasks.task import Pointer, Source, Task, new_task
from shared.results import load_results

NOW = datetime(2026, 5, 1, tzinfo=UTC)
POINTER = Pointer(name="large", size=13, sha256="0" * 64)


class Objects:
    """A bucket, and no service."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects

    async def read(self, bucket: str, name: str) -> bytes | None:
        return self.objects.get(name) if bucket == "results" else None


async def loaded(task: Task, **objects: bytes) -> object:
    return await load_results(cast(Storage, Objects(**objects)), "results", task)


def task_with(**fields: object) -> Task:
    source = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=NOW)
    task = new_task(source, owner="o", model="m", now=NOW, keep=timedelta(days=1))
    return task.model_copy(update=fields)


async def test_results_come_from_the_document_or_from_the_object_it_points_to() -> None:
    pointed = task_with(results_pointer=POINTER)
    assert await loaded(task_with(results=({"id": "x"},)), large=b"[]") == ({"id": "x"},)
    assert await loaded(pointed, large=b'[{"id": "y"}]') == ({"id": "y"},)


async def test_there_are_none_before_the_end_or_once_the_object_is_deleted() -> None:
    assert await loaded(task_with()) is None
    assert await loaded(task_with(results_pointer=POINTER)) is None
