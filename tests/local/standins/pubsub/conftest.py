from pathlib import Path

import pytest

from local.standins.wire_tap import Tap
from shared.clock import MovableClock


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


@pytest.fixture
def tap() -> Tap:
    return Tap()
