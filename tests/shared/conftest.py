"""The real clients, and stand-ins in the same loop whose calls a test can disturb."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from local.standins.firestore import FirestoreStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.firestore import Tasks
from tests.environment import move_to_morning

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return move_to_morning(MovableClock(tmp_path / "clock"))


@pytest.fixture
def tap() -> Tap:
    return Tap()


@pytest.fixture
def indexes() -> Path:
    """The indexes that are deployed: the stand-in refuses a query that they do not cover."""
    return ROOT / "terraform" / "firestore.indexes.json"


@pytest.fixture
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture
async def tasks(clock: MovableClock, tap: Tap, indexes: Path, environment: pytest.MonkeyPatch) -> AsyncIterator[Tasks]:
    stand_in = FirestoreStandIn(clock=clock, data=None, tap=tap, indexes=indexes)
    environment.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{await stand_in.start()}")
    tasks = Tasks("test", "(default)")
    yield tasks
    await tasks.client._firestore_api.transport.close()
    await stand_in.stop()
