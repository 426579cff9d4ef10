from collections.abc import Iterator

import pytest

from tests.running import Running


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet(system: Running) -> Iterator[None]:
    """Give each test a default model, no faults and an empty record of calls, and wait for the work it leaves."""
    system.control("DELETE", "/requests")
    yield
    system.leave_nothing_behind()
