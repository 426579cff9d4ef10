from collections.abc import Iterator
from pathlib import Path

import pytest

from local.layout import TOPIC
from tests.running import Running

_SECONDS = 900
"""Time limit of each test; the longest takes one or two minutes on a quiet machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.fixture(scope="package", autouse=True)
def _events() -> Iterator[None]:
    """Let all of these systems send events, which are a part of the work that must not get lost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPSIGHT_EVENTS_TOPIC", TOPIC)
        yield


@pytest.fixture
def system() -> Iterator[Running]:
    """Return a new system for each test. No scheduled sweep runs in it."""
    with Running() as running:
        yield running
