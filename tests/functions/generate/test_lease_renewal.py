"""A claim's lease is renewed by when it was written, however long the answer took."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from google.api_core import exceptions

from functions.generate.lease import Lease
from shared.clock import MovableClock
from shared.cloud.firestore import Also, Decide, Stored, Tasks
from shared.domain.tasks import claims
from shared.domain.tasks.task import Source, Task, new_task

LEASE = timedelta(seconds=60)
api_errors: Any = exceptions


class SlowDocuments:
    """One task's document; what was changed is answered when the test lets it be."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.calls: list[str] = []
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def get(self, task_id: str) -> Stored | None:
        self.calls.append("get")
        if self.error is not None:
            raise self.error
        return Stored(self.task, None)

    async def change(self, stored: Stored, decide: Decide, also: Also | None = None) -> Stored | None:
        self.calls.append("change")
        changed = decide(self.task)
        assert changed is not None
        self.task = changed
        await self.answer.wait()
        return Stored(self.task, None)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


def claimed(clock: MovableClock) -> Task:
    source = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=1, created_at=clock.now())
    task = new_task(source, owner="inbox:inbox", model="a-model", now=clock.now(), keep=timedelta(days=1))
    return claims.claim(task, now=clock.now(), lease=LEASE)


def holding(documents: SlowDocuments, clock: MovableClock) -> Lease:
    lease = Stored(documents.task, None)
    return Lease(cast(Tasks, documents), clock, lease, lease=LEASE, until=clock.time() + 1800)


async def test_a_renewal_counts_from_when_it_was_written_not_from_its_answer(clock: MovableClock) -> None:
    documents = SlowDocuments(claimed(clock))
    async with holding(documents, clock) as lease:
        clock.advance(20)
        await until(lambda: documents.calls == ["change"])
        clock.advance(15)
        documents.answer.set()
        await until(lambda: lease.task.lease_until == documents.task.lease_until)
        clock.advance(5)
        await until(lambda: len(documents.calls) > 1)
    assert documents.calls == ["change", "change"]


async def test_the_first_renewal_counts_from_the_claim_not_from_the_works_beginning(clock: MovableClock) -> None:
    documents = SlowDocuments(claimed(clock))
    documents.answer.set()
    clock.advance(15)
    async with holding(documents, clock):
        clock.advance(5)
        await until(lambda: documents.calls)
    assert documents.calls == ["change"]


@pytest.mark.long
async def test_a_lease_is_never_less_than_half_left_while_its_holder_is_alive(clock: MovableClock) -> None:
    documents = SlowDocuments(claimed(clock))
    documents.answer.set()
    async with holding(documents, clock):
        while documents.calls.count("change") < 3:
            calls = len(documents.calls)
            clock.advance(7)
            await until(lambda calls=calls: len(documents.calls) > calls)  # type: ignore[misc]
            assert documents.task.lease_until is not None
            assert documents.task.lease_until - clock.now() > LEASE / 2


@pytest.mark.parametrize(
    ("error", "severity"),
    [
        (api_errors.ServiceUnavailable("no route"), "WARNING"),
        (TimeoutError(), "WARNING"),
        (ValueError("ours"), "ERROR"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_outage_of_firestore_is_a_warning_and_ends_no_claim(
    clock: MovableClock, error: Exception, severity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = SlowDocuments(claimed(clock))
    documents.error = error
    async with holding(documents, clock):
        clock.advance(6)
        await until(lambda: "get" in documents.calls)
        clock.advance(6)
        await until(lambda: documents.calls.count("get") > 1)
    [line, *_] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["action"], line["severity"]) == ("renewal_failed", severity)
    assert line["message"].startswith("Firestore is unavailable: ") == (severity == "WARNING")
