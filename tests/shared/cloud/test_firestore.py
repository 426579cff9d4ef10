"""Task documents through the real client: conditional changes by several writers, and every query of the product."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from google.api_core import exceptions as api_errors

from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.cloud.firestore import Stored, Tasks, from_document, to_document
from shared.cloud.notes import Notes
from shared.domain.errors import LeaseLost
from shared.domain.tasks import claims
from shared.domain.tasks.task import (
    Task,
)
from tests.shared.cloud.stored_tasks import DONE, NOW, claimed, full_task, make, stored

LOST = Fault(service="firestore", match="Commit", times=1, drop="after")
"""A commit that took effect and whose answer never arrives: the client repeats it."""


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
    winners = [answer for answer in answers if isinstance(answer, Stored)]
    assert [winner.task.token for winner in winners] == [1]
    assert sum(isinstance(answer, LeaseLost) for answer in answers) == 7


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
    assert sum(isinstance(answer, Stored) for answer in answers) <= 1, "never two that believe they hold it"


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
