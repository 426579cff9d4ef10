"""Lists of tasks: filtered, page by page, past documents that cannot be read."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as api_errors
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.types import document as document_types

from local.standins.wire_tap import Tap
from shared.cloud import firestore
from shared.cloud.document_wire import Version, set_fields
from shared.cloud.firestore import VECTOR_FIELD, Stored, Tasks, UndecodedTask, UnreadableTask, to_document
from shared.domain.tasks import claims
from shared.domain.tasks.task import (
    GeminiFile,
    Status,
    Task,
    place_of,
)
from tests.shared.cloud.stored_tasks import LEASE, NOW, claimed, make, stored


async def test_a_list_is_newest_first_and_pages_miss_and_repeat_nothing(tasks: Tasks) -> None:
    made = [make(f"{number}.txt", created_at=NOW + timedelta(seconds=number // 3)) for number in range(20)]
    await asyncio.gather(*(tasks.create(task) for task in made))
    expected = sorted(made, key=lambda task: (task.created_at, task.key), reverse=True)
    listed: list[Task] = []
    while page := await tasks.page(
        ["inbox:inbox"], limit=7, after=place_of(listed[-1].id) if listed else None
    ):  # fmt: skip
        assert len(page) <= 7
        listed += page
    assert [task.id for task in listed] == [task.id for task in expected]


async def listed(tasks: Tasks, visible_to: list[str], uri: str | None = None, status: Status | None = None) -> set[str]:
    return {task.id for task in await tasks.page(visible_to, limit=10, uri=uri, status=status)}


async def test_lists_are_filtered_by_visibility_status_and_object(tasks: Tasks) -> None:
    one, two, other = make("folder/one.txt"), make("folder/two.txt"), make("one.txt", bucket="other")
    for each in (two, other):
        await tasks.create(each)
    await tasks.change(await stored(tasks, one), claimed)
    assert await listed(tasks, ["inbox:inbox"]) == {one.id, two.id}
    assert await listed(tasks, ["inbox:inbox"], status="processing") == {one.id}
    assert await listed(tasks, ["gs://inbox/folder/", "inbox:other"]) == {one.id, two.id, other.id}
    assert await listed(tasks, ["inbox:inbox"], uri="gs://inbox/folder/two.txt") == {two.id}
    assert not await listed(tasks, ["inbox:inbox"], uri="gs://inbox/folder/two.txt", status="processing")
    assert not await tasks.page(["inbox:inbox"], limit=9, status="processing", after=place_of(one.id))
    assert not await listed(tasks, ["key:nobody"])


async def test_a_query_that_terraform_does_not_index_is_refused(tasks: Tasks, indexes: Path) -> None:
    """So the tests above prove that what is deployed covers every query of the product."""
    assert json.loads(indexes.read_text())["indexes"]
    query = tasks.client.collection("tasks").where(filter=FieldFilter("model", "==", "m"))
    with pytest.raises(api_errors.FailedPrecondition, match="index"):
        _ = [snapshot async for snapshot in query.stream()]


async def test_tasks_of_a_day_are_counted_by_inbox(tasks: Tasks) -> None:
    for number in range(3):
        await tasks.create(make(f"{number}.txt"))
    await tasks.create(make(bucket="other"))
    assert await tasks.count_of_day("inbox/2026-05-01") == 3
    assert await tasks.count_of_day("inbox/2026-05-02") == 0


async def open_keys(tasks: Tasks, after: str = "") -> list[str]:
    return [task.task.key if isinstance(task, Stored) else task.key async for task in tasks.open_tasks(after=after)]


async def test_open_tasks_come_in_the_order_of_keys_over_pages_and_resume(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.cloud.firestore._PAGE", 4)
    made = sorted((make(f"{number}.txt") for number in range(13)), key=lambda task: task.key)
    await asyncio.gather(*(tasks.create(task) for task in made))
    closed = await stored(tasks, made[5])
    await tasks.change(closed, lambda task: task.model_copy(update={"open": False}))
    expected = [task.key for task in made if task is not made[5]]
    assert await open_keys(tasks) == expected
    assert await open_keys(tasks, after=expected[6]) == expected[7:]
    assert await open_keys(tasks, after=expected[-1]) == []


async def test_what_open_tasks_finds_can_be_changed_at_once(tasks: Tasks, tap: Tap) -> None:
    await tasks.create(make())
    reads = tap.ledger.stats()["firestore"].get("reads", 0)
    async for found in tasks.open_tasks():
        assert isinstance(found, Stored)
        changed = await tasks.change(found, lambda task: claims.redispatch(task, at=NOW))
        assert changed is not None
    assert tap.ledger.stats()["firestore"]["reads"] == reads + 1, "the version came with the query"


async def spoil(tasks: Tasks, task: Task, **fields: object) -> None:
    """As no version writes it, or a later one does."""
    await tasks.client.collection("tasks").document(task.key).update(fields)


async def test_what_a_newer_version_wrote_beside_is_read_past_and_kept(tasks: Tasks) -> None:
    task = claims.renew(
        claimed(make()), 1, now=NOW, lease=LEASE,
        files=(GeminiFile(name="files/x", uri="u", mime_type="t", expires_at=NOW),),
    )  # fmt: skip
    known = await stored(tasks, task)
    files = [{**file, "newer": 1} for file in to_document(task)["files"]]
    await spoil(tasks, task, newer={"of": "a later version"}, files=files)
    read = await tasks.get(task.id)
    assert read is not None
    assert read.task == known.task
    changed = await tasks.change(read, lambda current: claims.cancel(current, now=NOW))
    assert changed is not None
    snapshot = await tasks.client.collection("tasks").document(task.key).get()
    assert snapshot.get("newer") == {"of": "a later version"}
    assert snapshot.get("status") == "failed"


async def test_a_document_that_cannot_be_read_keeps_nobody_from_the_others(tasks: Tasks) -> None:
    made = sorted((make(f"{number}.txt") for number in range(5)), key=lambda task: task.key)
    for task in made:
        await tasks.create(task)
    await spoil(tasks, made[1], attempts="many")
    await spoil(tasks, made[3], ran={"recipe": "r", "snapshot": "{"})
    with pytest.raises(UnreadableTask, match=f"{made[1].key}.*attempts"):
        await tasks.get(made[1].id)
    assert await open_keys(tasks) == [task.key for task in made]
    found = await tasks.get_many([task.id for task in made])
    assert [isinstance(found[task.id], UnreadableTask) for task in made] == [False, True, False, True, False]


async def test_a_page_of_the_list_is_as_full_as_without_what_cannot_be_read(tasks: Tasks) -> None:
    """A short page would tell that it is the last."""
    made = [make(f"{number}.txt", created_at=NOW + timedelta(seconds=number)) for number in range(6)]
    for task in made:
        await tasks.create(task)
    for number in (5, 3):
        await spoil(tasks, made[number], progress=101)
    page = await tasks.page(["inbox:inbox"], limit=3)
    assert [task.id for task in page] == [made[number].id for number in (4, 2, 1)]


async def test_a_page_of_a_prefix_within_a_name_is_one_query_however_many_tasks_lie_beside_it(tasks: Tasks) -> None:
    names = [f"folder/{'call' if number % 4 == 0 else 'other'}-{number:02d}.txt" for number in range(40)]
    made = [make(name, created_at=NOW + timedelta(seconds=number // 8)) for number, name in enumerate(names)]
    await asyncio.gather(*(tasks.create(task) for task in made))
    expected = sorted(
        (task for task in made if "call" in task.source.name), key=lambda task: (task.created_at, task.source.uri)
    )[::-1]
    seen: list[Task] = []
    for _ in range(4):
        last = place_of(seen[-1].id) if seen else None
        seen += await tasks.page(["gs://inbox/folder/"], limit=3, after=last, prefix="gs://inbox/folder/call-")
    assert [task.id for task in seen] == [task.id for task in expected]
    pending = await tasks.page(["gs://inbox/folder/"], limit=3, status="pending", prefix="gs://inbox/folder/call-0")
    assert [task.source.name for task in pending] == ["folder/call-08.txt", "folder/call-04.txt", "folder/call-00.txt"]
    assert not await tasks.page(["gs://inbox/folder/"], limit=3, prefix="gs://inbox/folder/calm")


async def test_no_page_reads_the_vectors_of_its_tasks(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    task, read = make("folder/call-1.txt"), list[dict[str, Any]]()
    await tasks.create(task)
    await tasks.set_vector(task.id, [0.5] * 768)
    as_read = firestore._read

    def noted(key: str, document: dict[str, Any], version: Version) -> Stored | UnreadableTask:
        read.append(document)
        return as_read(key, document, version)

    monkeypatch.setattr(firestore, "_read", noted)
    for prefix in (None, "gs://inbox/folder/call-"):
        assert [found.id for found in await tasks.page(["gs://inbox/folder/"], limit=3, prefix=prefix)] == [task.id]
    assert [VECTOR_FIELD in document for document in read] == [False, False]


async def test_a_document_without_the_fields_that_are_looked_at_is_read_all_the_same() -> None:
    document = document_types.Document.pb()(name="projects/p/databases/d/documents/tasks/key")
    set_fields(document.fields, {name: value for name, value in to_document(make("a.txt")).items() if name != "change"})
    undecoded = UndecodedTask(document)
    assert (undecoded.change, undecoded.uri, undecoded.kind) == ("", "gs://inbox/a.txt", "object")
    assert undecoded.decode().task.source.name == "a.txt"


async def test_a_page_behind_a_task_that_is_gone_comes_by_folder(tasks: Tasks) -> None:
    one, other = make("folder/call-1.txt"), make("folder/other.txt")
    for task in (one, other):
        await tasks.create(task)
    gone = make("folder/call-2.txt", created_at=NOW + timedelta(seconds=1))
    page = await tasks.page(["gs://inbox/folder/"], limit=3, after=place_of(gone.id), prefix="gs://inbox/folder/call-")
    assert {task.id for task in page} == {one.id, other.id}
