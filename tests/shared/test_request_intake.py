"""Manifests become tasks once, no more a day from one folder than its cap; what is wrong with one is its own affair."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.standins.cloud_tasks import QueueSpec, QueueStandIn
from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.firestore import Tasks
from shared.cloud.queue import Dispatches, Queue
from shared.cloud.storage import Storage
from shared.daily_limits import inbox_day
from shared.domain.tasks.task import Source, Task
from shared.request_intake import RequestIntake
from shared.settings import Inbox, Settings

ROOT = Path(__file__).parents[2]
QUEUE = "projects/test/locations/here/queues/work"
ASKED = json.dumps({"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Hello"}]}).encode()
CAP = 5


@pytest.fixture
async def storage(clock: MovableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Storage]:
    stand_in = StorageStandIn(clock=clock, data=tmp_path / "storage", tap=Tap(), buckets=("requests",))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{await stand_in.start()}")
    storage = Storage("test", threads=4)
    yield storage
    await storage.aclose()
    await stand_in.stop()


@pytest.fixture
async def intake(clock: MovableClock, tasks: Tasks, storage: Storage) -> AsyncIterator[RequestIntake]:
    """Its dispatches are put on a queue that calls nobody: it is paused."""
    stand_in = QueueStandIn(
        clock=clock, data=None, tap=Tap(), sign=lambda email, audience: "", queues=[QueueSpec(QUEUE)]
    )  # fmt: skip
    endpoint = f"127.0.0.1:{await stand_in.start()}"
    queue = Queue(path=QUEUE, url="http://127.0.0.1:9/", invoker="i@test", endpoint=endpoint)
    client: Any = queue._client
    await client.pause_queue(name=QUEUE)
    settings = Settings(
        project="test",
        inboxes={"inbox": Inbox()},
        requests_bucket="requests",
        results_bucket="results",
        manifests_daily_cap=CAP,
    )
    yield RequestIntake(settings, clock, tasks, Dispatches(queue), storage)
    await client.transport.close()
    await stand_in.stop()


async def hand_over(storage: Storage, clock: MovableClock, name: str, text: bytes = ASKED) -> Source:
    generation = await storage.write("requests", name, text, "application/json")
    assert generation is not None
    created = clock.now()
    return Source(
        kind="object", bucket="requests", name=name, generation=generation, size=len(text), created_at=created
    )  # fmt: skip


async def taken(intake: RequestIntake, source: Source) -> Task:
    task = await intake.take(source)
    assert task is not None
    return task


async def test_no_day_has_more_manifests_of_a_folder_than_the_cap(
    intake: RequestIntake, tasks: Tasks, storage: Storage, clock: MovableClock
) -> None:
    made = [await hand_over(storage, clock, f"manifests/loop/{number}.json") for number in range(2 * CAP + 1)]
    all_taken = await asyncio.gather(*(taken(intake, source) for source in made))
    today = clock.now().astimezone(UTC).date()
    days = [inbox_day("manifests:loop", today + timedelta(days=ahead)) for ahead in range(3)]
    assert [await tasks.count_of_day(day) for day in days] == [CAP, CAP, 1]
    for task in all_taken:
        assert (task.waiting is not None) == (task.inbox_day != days[0])
        if task.waiting is not None:
            start = datetime.fromisoformat(task.inbox_day.split("/")[1]).replace(tzinfo=UTC)
            assert (task.waiting.reason, task.waiting.until) == ("inbox_cap", start)
            assert task.dispatch_at == task.accepted_at == start
    other = await hand_over(storage, clock, "manifests/other/1.json")
    assert (await taken(intake, other)).waiting is None, "another folder has its own"


async def test_duplicates_of_a_manifest_take_no_place_under_the_cap(
    intake: RequestIntake, storage: Storage, clock: MovableClock
) -> None:
    source = await hand_over(storage, clock, "manifests/folder/1.json")
    assert len({(await taken(intake, source)).id for _ in range(3 * CAP)}) == 1
    for number in range(CAP - 1):
        another = await hand_over(storage, clock, f"manifests/folder/more-{number}.json")
        assert (await taken(intake, another)).waiting is None


@pytest.mark.parametrize("text", [b'{"NaN":' + b"[" * 100_000, b'{"NaN": NaN}', b"\xff", b""])
async def test_a_manifest_that_cannot_be_read_becomes_a_task_that_will_say_so(
    text: bytes, intake: RequestIntake, storage: Storage, clock: MovableClock
) -> None:
    task = await taken(intake, await hand_over(storage, clock, "manifests/folder/bad.json", text))
    assert (task.source.kind, task.request) == ("manifest", None)
