"""Which files at the Files API a task still needs."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from google.genai import types

from shared.clock import MovableClock
from shared.cloud.firestore import UnreadableTask
from shared.domain.errors import PermanentFailure
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import GeminiFile, Source, Task, new_task
from shared.orphan_files import Deleted, OrphanFiles, needed

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LEASE = timedelta(seconds=60)
SOURCE = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=NOW)
FILE = "files/dev-abcdefgh1777636800-0-1"
RECORDED = GeminiFile(name=FILE, uri="u", mime_type="t", expires_at=NOW)


def made() -> Task:
    return new_task(SOURCE, owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))


def held(times: int = 1) -> Task:
    task = made()
    for turn in range(times):
        task = claims.claim(task, now=NOW + turn * LEASE, lease=LEASE)
    return task


def test_nobody_needs_the_file_of_a_task_that_is_gone() -> None:
    assert not needed(None, FILE, 1)


def test_what_the_latest_claim_uploads_is_needed() -> None:
    assert needed(held(), FILE, 1)
    assert needed(made(), FILE, 1), "the claim's commit may be read late"


def test_what_a_claim_that_was_overtaken_uploaded_is_not_needed() -> None:
    assert not needed(held(2), FILE, 1)


def test_a_recorded_file_is_needed_by_the_claims_that_follow() -> None:
    uploaded = claims.renew(held(), 1, now=NOW, lease=LEASE, files=(RECORDED,))
    taken = claims.claim(uploaded, now=NOW + LEASE, lease=LEASE)
    waiting = claims.put_off(uploaded, 1, now=NOW, until=NOW, reason="rate_limited")
    assert needed(taken, FILE, 1)
    assert needed(waiting, FILE, 1)


@pytest.mark.parametrize(
    "ended",
    [
        claims.finish(held(), 1, Outcome(results=({"id": "x"},)), now=NOW, files=(RECORDED,)),
        claims.cancel(held(), now=NOW),
    ],
)
def test_an_ended_task_needs_no_file(ended: Task) -> None:
    assert not needed(ended, FILE, 1)


def test_a_task_that_is_to_be_indexed_needs_its_files_and_its_uploaded_answer() -> None:
    uploaded = claims.renew(held(2), 2, now=NOW, lease=LEASE, files=(RECORDED,))
    ended = claims.finish(uploaded, 2, Outcome(results=({"id": "x"},)), now=NOW)
    waiting, answer = ended.model_copy(update={"after": ("index", "delete_file")}), FILE.replace("-0-1", "-437-2")
    assert needed(waiting, FILE, 1)
    assert needed(waiting, answer, 2)
    assert not needed(waiting, FILE.replace("-0-1", "-1-1"), 1), "another file of an earlier claim"
    tidied = claims.tidy(waiting, ("index",))
    assert not needed(tidied, FILE, 1)
    assert not needed(tidied, answer, 2)


def test_the_files_of_a_task_that_cannot_be_read_are_left_to_whoever_can() -> None:
    assert needed(UnreadableTask("abcdefgh1777636800", "newer"), FILE, 1)


class Store:
    """Files of tasks that are gone, and no tasks; each listed file takes a second."""

    def __init__(self, clock: MovableClock, count: int) -> None:
        self.clock, self.refused = clock, set[str]()
        self.names = [f"files/dev-abcdefgh1777636800-{number}-1" for number in range(count)]

    async def files(self) -> AsyncIterator[types.File]:
        for name in list(self.names):
            self.clock.advance(1)
            yield types.File(name=name, create_time=NOW)

    async def delete(self, name: str) -> None:
        if name in self.refused:
            raise PermanentFailure("upstream_error", "no")
        self.names.remove(name)

    async def get_many(self, task_ids: list[str]) -> dict[str, Task]:
        return {}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(MovableClock(tmp_path / "clock"), 10)


def leftovers(store: Store) -> OrphanFiles:
    return OrphanFiles(cast(Any, store), cast(Any, store), store.clock, "dev")


async def test_a_file_that_the_service_will_not_delete_keeps_none_from_being_deleted(store: Store) -> None:
    stubborn = store.names[3]
    store.refused.add(stubborn)
    assert await leftovers(store).delete() == Deleted(count=10, deleted=9, refused=1)
    assert store.names == [stubborn]


async def test_a_long_listing_leaves_half_of_the_time_for_deleting(store: Store) -> None:
    found = await leftovers(store).delete(until=store.clock.time() + 10)
    assert found.deleted == found.count
    assert 5 <= found.count <= 7


async def test_room_is_made_once_a_minute_and_within_its_time(store: Store) -> None:
    makes = leftovers(store)
    assert (await makes.make_room(until=-math.inf)).deleted == 0
    assert await makes.make_room() == Deleted()
    store.clock.advance(60)
    assert (await makes.make_room()).deleted == 10
