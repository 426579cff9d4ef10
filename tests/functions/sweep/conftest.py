"""What sweep works with, on stand-ins whose calls a test can look at; nothing is called by the queue: it is paused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from local.standins.cloud_tasks import QueueSpec, QueueStandIn
from local.standins.firestore import FirestoreStandIn
from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.budgets import Budgets
from shared.clock import MovableClock
from shared.cloud.file_search import FileSearch
from shared.cloud.firestore import Tasks
from shared.cloud.index_entries import IndexEntries
from shared.cloud.notes import Notes
from shared.cloud.queue import Dispatches, Queue
from shared.cloud.storage import Storage
from shared.cloud.throttle import Throttle
from shared.dependencies import SweepDeps
from shared.intake import Intake
from shared.orphan_files import OrphanFiles
from shared.request_intake import RequestIntake
from shared.settings import Inbox, SweepSettings
from tests.environment import move_to_morning

ROOT = Path(__file__).parents[3]
QUEUE = "projects/test/locations/here/queues/work"
CALLBACKS = "projects/test/locations/here/queues/callbacks"
NOT_USED = object()


@pytest.fixture
def tap() -> Tap:
    return Tap()


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return move_to_morning(MovableClock(tmp_path / "clock"))


@pytest.fixture
def settings() -> SweepSettings:
    return SweepSettings(
        project="test",
        inboxes={"inbox": Inbox()},
        manifests_daily_cap=1_000,
        requests_bucket="requests",
        results_bucket="results",
        dispatch_queue=QUEUE,
        generate_url="http://127.0.0.1:9/",
        invoker="invoker@test",
        gemini_api_key=cast(Any, "not a key"),
        installed_at=datetime(2020, 1, 1, tzinfo=UTC),
        grace_seconds=120,
    )


@pytest.fixture
async def system(
    clock: MovableClock, settings: SweepSettings, tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SweepDeps]:
    indexes = ROOT / "terraform" / "firestore.indexes.json"
    firestore = FirestoreStandIn(clock=clock, data=None, tap=tap, indexes=indexes)
    queues = [QueueSpec(QUEUE), QueueSpec(CALLBACKS)]
    service = QueueStandIn(clock=clock, data=None, tap=tap, sign=lambda email, audience: "", queues=queues)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{await firestore.start()}")
    tasks = Tasks("test", "(default)")
    endpoint = f"127.0.0.1:{await service.start()}"
    queue = Queue(path=QUEUE, url="http://127.0.0.1:9/", invoker="invoker@test", endpoint=endpoint)
    callbacks = Queue(path=CALLBACKS, url="http://127.0.0.1:9/", invoker="invoker@test", endpoint=endpoint)
    client: Any = queue._client
    for path in (QUEUE, CALLBACKS):
        await client.pause_queue(name=path)
    dispatches = Dispatches(queue)
    objects = StorageStandIn(clock=clock, data=tmp_path / "storage", tap=tap, buckets=("inbox", "other", "requests"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{await objects.start()}")
    storage = Storage("test", threads=2)
    yield SweepDeps(
        settings=settings,
        clock=clock,
        tasks=tasks,
        notes=Notes(tasks.client, "sweep"),
        dispatches=dispatches,
        intake=Intake(settings, clock, tasks, dispatches),
        requests=RequestIntake(settings, clock, tasks, dispatches, storage),
        storage=storage,
        orphan_files=cast(OrphanFiles, NOT_USED),
        callbacks=callbacks,
        throttle=Throttle(Notes(tasks.client, "throttle"), clock),
        file_search=cast(FileSearch, NOT_USED),
        index_entries=IndexEntries(tasks.client),
        budgets=cast(Budgets, NOT_USED),
    )
    transport: Any = tasks.client._firestore_api.transport
    await transport.close()
    for client in (queue, callbacks):
        channel: Any = client._client.transport
        await channel.close()
    await storage.aclose()
    await objects.stop()
    await service.stop()
    await firestore.stop()
