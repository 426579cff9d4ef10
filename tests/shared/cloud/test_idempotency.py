"""A task and the record of its Idempotency-Key are committed together or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.cloud.firestore import Tasks
from shared.cloud.idempotency import RECORD_LIFETIME, Submissions
from shared.domain.tasks.task import Source, Task, new_task

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def submissions(tasks: Tasks) -> Submissions:
    return Submissions(tasks.client)


def a_task(number: int) -> Task:
    source = Source(kind="request", bucket="requests", name=f"r{number}", generation=number, size=1, created_at=NOW)
    return new_task(source, owner="key:k", model="m", now=NOW, keep=timedelta(days=1))


async def test_the_second_of_two_submits_with_one_key_creates_nothing(submissions: Submissions, tasks: Tasks) -> None:
    first, second = a_task(1), a_task(2)
    assert await submissions.commit(first, record="k-1", payload="same")
    assert not await submissions.commit(second, record="k-1", payload="same")
    assert await tasks.get(second.id) is None
    stored = await submissions.find("k-1")
    assert stored is not None
    assert (stored.record.task, stored.record.payload) == (first.id, "same")
    assert stored.record.expires_at == first.accepted_at + RECORD_LIFETIME


async def test_an_expired_record_is_replaced_by_one_of_those_who_saw_it(submissions: Submissions) -> None:
    await submissions.commit(a_task(1), record="k-1")
    expired = await submissions.find("k-1")
    assert await submissions.commit(a_task(2), record="k-1", expired=expired)
    assert not await submissions.commit(a_task(3), record="k-1", expired=expired)
    replaced = await submissions.find("k-1")
    assert replaced is not None
    assert replaced.record.task == a_task(2).id


async def test_a_submit_without_a_key_leaves_no_record(submissions: Submissions, tasks: Tasks) -> None:
    assert await submissions.commit(a_task(1))
    assert await tasks.get(a_task(1).id) is not None
    assert await submissions.find("k-1") is None


async def test_a_task_that_exists_is_not_created_again(submissions: Submissions) -> None:
    assert await submissions.commit(a_task(1))
    assert not await submissions.commit(a_task(1), record="k-1")
    assert await submissions.find("k-1") is None
