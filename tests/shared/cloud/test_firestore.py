"""Task documents through the real client: conditional changes by several writers, and every query of the product."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.api_core import exceptions as api_errors
from google.cloud.firestore_v1.base_query import FieldFilter

from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.cloud.firestore import Notes, Stored, Tasks, UnreadableTask, from_document, to_document
from shared.domain.errors import LeaseLost
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import (
    Callback,
    GeminiFile,
    Pointer,
    Ran,
    Source,
    Status,
    Task,
    TaskError,
    Waiting,
    new_task,
    place_of,
)

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
LEASE = timedelta(seconds=60)
DONE = Outcome(results=({"id": "chatcmpl-1"},))
LOST = Fault(service="firestore", match="Commit", times=1, drop="after")
"""A commit that took effect and whose answer never arrives: the client repeats it."""


def make(name: str = "a.txt", *, generation: int = 1, bucket: str = "inbox", created_at: datetime = NOW) -> Task:
    source = Source(
        kind="object", bucket=bucket, name=name, generation=generation, size=3, created_at=created_at
    )  # fmt: skip
    return new_task(source, owner=f"inbox:{bucket}", model="m", now=NOW, keep=timedelta(days=30))


async def stored(tasks: Tasks, task: Task) -> Stored:
    await tasks.create(task)
    found = await tasks.get(task.id)
    assert found is not None
    return found


def claimed(task: Task) -> Task:
    return claims.claim(task, now=NOW, lease=LEASE)


def full_task() -> Task:
    """One with something in every field."""
    nested = {"type": "object", "matrix": [[1, 2], [3]], "text": "é\u2028"}
    return make("folder/ä b.txt").model_copy(
        update={
            "status": "processing",
            "progress": 40,
            "started_at": NOW,
            "completed_at": NOW,
            "stream": True,
            "metadata": {"a.b": "1", "`": "2", "with space/slash": "", "é": "x"},
            "waiting": Waiting(reason="rate_limited", until=NOW, detail="d"),
            "waited": Waiting(reason="blocked", until=NOW),
            "waiting_since": NOW,
            "results": ({"choices": [{"message": {"content": None, "x": 1.5, "y": [True, {"z": 2**53}]}}]}, {}),
            "results_pointer": Pointer(name="n", size=1, sha256="0"),
            "usage": {"prompt_tokens": 1, "prompt_tokens_by_modality": {"audio": 3}},
            "error": TaskError(code="upstream_error", message="m"),
            "warnings": ("w",),
            "outputs": ("gs://results/x",),
            "callback": Callback(url="https://example.org/", attempts=2, last_status=500, last_error="e"),
            "ran": Ran(recipe="r", sha256="0", snapshot={"response_schema": nested}, origin="gs://b/o#1"),
            "request": Pointer(name="api/x.json", size=2, sha256="1"),
            "token": 3,
            "lease_until": NOW,
            "epoch": 2,
            "attempts": 4,
            "outages": 3,
            "takeovers": 2,
            "asked_lately": True,
            "files": (GeminiFile(name="files/x", uri="u", mime_type="t", expires_at=NOW, input=1),),
            "stored_chunks": 9,
            "after": ("publish", "callback"),
            "change": "nonce",
        }
    )


def test_every_field_survives_the_document() -> None:
    task = full_task()
    untouched = {name for name, field in Task.model_fields.items() if getattr(task, name) == field.get_default()}
    assert untouched <= {"open", "cache"}, f"the sample leaves fields at their default: {untouched}"
    assert from_document(to_document(task)) == task


async def test_every_field_survives_firestore(tasks: Tasks) -> None:
    task = full_task()
    known = await stored(tasks, task)
    assert known.task.model_copy(update={"change": "nonce"}) == task
    changed = await tasks.change(known, lambda current: current.model_copy(update={"metadata": {}, "files": ()}))
    found = await tasks.get(task.id)
    assert changed is not None
    assert found is not None
    assert found.task == changed.task
    assert (found.task.metadata, found.task.files) == ({}, ())
    assert found.version == changed.version, "the answer of the commit tells the version that a read tells"


async def test_an_id_is_made_once(tasks: Tasks) -> None:
    made = await asyncio.gather(*(tasks.create(make()) for _ in range(8)))
    assert sorted(made) == [False] * 7 + [True]


async def test_a_creation_whose_answer_was_lost_is_known_again(tasks: Tasks, tap: Tap) -> None:
    tap.faults.add([LOST])
    assert await tasks.create(make())
    assert not await tasks.create(make())


async def test_eight_changers_at_once_lose_no_change(tasks: Tasks) -> None:
    known = await stored(tasks, make())

    async def count_up() -> None:
        for _ in range(5):
            await tasks.change(known, lambda task: task.model_copy(update={"attempts": task.attempts + 1}))

    await asyncio.gather(*(count_up() for _ in range(8)))
    found = await tasks.get(known.task.id)
    assert found is not None
    assert found.task.attempts == 40


async def test_of_eight_claims_at_once_one_holds_and_the_others_know_it(tasks: Tasks) -> None:
    known = await stored(tasks, make())
    answers = await asyncio.gather(*(tasks.change(known, claimed) for _ in range(8)), return_exceptions=True)
    winners = [each for each in answers if isinstance(each, Stored)]
    assert [each.task.token for each in winners] == [1]
    assert sum(isinstance(each, LeaseLost) for each in answers) == 7


@pytest.mark.parametrize("repeats", [1, 2])
async def test_a_lost_answer_is_recognised_and_the_change_made_once(tasks: Tasks, tap: Tap, repeats: int) -> None:
    known = await stored(tasks, make())
    tap.faults.add([LOST.model_copy(update={"times": repeats})])
    held = await tasks.change(known, claimed)
    assert held is not None
    assert held.task.token == 1
    ended = await tasks.change(held, lambda task: claims.finish(task, 1, DONE, now=NOW))
    assert ended is not None
    assert ended.task.status == "completed"


async def test_lost_answers_among_eight_changers_lose_and_double_nothing(tasks: Tasks, tap: Tap) -> None:
    known = await stored(tasks, make())
    tap.faults.add([LOST.model_copy(update={"skip": skip}) for skip in (1, 3, 6)])
    answers = await asyncio.gather(*(tasks.change(known, claimed) for _ in range(8)), return_exceptions=True)
    found = await tasks.get(known.task.id)
    assert found is not None
    assert found.task.token == 1
    assert sum(isinstance(each, Stored) for each in answers) <= 1, "never two that believe they hold it"


async def test_a_change_that_another_overtook_is_decided_on_what_is_true(tasks: Tasks) -> None:
    known = await stored(tasks, make())
    held = await tasks.change(known, claimed)
    assert held is not None
    cancelled = await tasks.change(known, lambda task: claims.cancel(task, now=NOW))
    assert cancelled is not None
    assert cancelled.task.token == 2
    with pytest.raises(LeaseLost):
        await tasks.change(held, lambda task: claims.finish(task, 1, DONE, now=NOW))


async def test_where_nothing_is_to_change_nothing_is_written(tasks: Tasks, tap: Tap) -> None:
    known = await stored(tasks, make())
    written = tap.ledger.stats()["firestore"]["writes"]
    assert await tasks.change(known, lambda task: task) is known
    assert tap.ledger.stats()["firestore"]["writes"] == written


async def test_a_document_that_is_gone_is_not_brought_back(tasks: Tasks) -> None:
    known = await stored(tasks, make())
    await tasks.client.collection("tasks").document(known.task.key).delete()
    assert await tasks.change(known, claimed) is None
    assert await tasks.get(known.task.id) is None
    assert await tasks.get_many([known.task.id]) == {}


async def test_a_refusal_of_the_store_is_raised_and_changes_nothing(tasks: Tasks, tap: Tap) -> None:
    known = await stored(tasks, make())
    tap.faults.add([Fault(service="firestore", match="Commit", times=1, status=403)])
    with pytest.raises(api_errors.PermissionDenied):
        await tasks.change(known, claimed)
    assert await tasks.get(known.task.id) == known


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
    return [each.task.key if isinstance(each, Stored) else each.key async for each in tasks.open_tasks(after=after)]


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
    files = [{**each, "newer": 1} for each in to_document(task)["files"]]
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


async def test_only_a_task_with_nothing_left_to_do_expires(tasks: Tasks) -> None:
    async def expires(task: Task) -> object:
        snapshot = await tasks.client.collection("tasks").document(task.key).get()
        return snapshot.get("expires_at")

    known = await stored(tasks, claimed(make()))
    assert await expires(known.task) is None
    much_later = NOW + timedelta(days=60)
    ended = await tasks.change(known, lambda task: claims.finish(task, 1, DONE, now=much_later))
    assert ended is not None
    assert await expires(ended.task) is None, "its after-work is not done"
    closed = await tasks.change(ended, lambda task: claims.tidy(task, task.after))
    assert closed is not None
    assert await expires(closed.task) == much_later + timedelta(days=30), "it is kept for as long after its end"


async def test_many_tasks_are_found_by_id_where_they_are(tasks: Tasks) -> None:
    here, missing = make("here.txt"), make("missing.txt")
    await tasks.create(here)
    assert set(await tasks.get_many([here.id, missing.id])) == {here.id}
    assert await tasks.get_many([]) == {}


async def test_a_note_is_replaced_whole(tasks: Tasks) -> None:
    notes = Notes(tasks.client, "sweep")
    assert await notes.read("inbox") is None
    await notes.write("inbox", {"seen_until": NOW, "other": 1})
    await notes.write("inbox", {"seen_until": NOW})
    assert await notes.read("inbox") == {"seen_until": NOW}
