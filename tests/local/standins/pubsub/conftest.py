from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.standins.pubsub import PubSubStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from tests.local.standins.pubsub.bench import TOPIC, Bench


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


@pytest.fixture
def tap() -> Tap:
    return Tap()


@pytest.fixture
async def bench(clock: MovableClock, tap: Tap) -> AsyncIterator[Bench]:
    stand_in = PubSubStandIn(clock=clock, tap=tap, sign=lambda email, audience: f"{email} {audience}", topics=[TOPIC])
    made = Bench(f"127.0.0.1:{await stand_in.start()}", clock)
    yield made
    await made.publisher.transport.close()
    await made.subscriber.transport.close()
    await stand_in.stop()
