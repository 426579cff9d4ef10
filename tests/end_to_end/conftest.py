from collections.abc import Iterator

import pytest

from tests.running import Running


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet(system: Running) -> Iterator[None]:
    """Each test begins with a model at its defaults, no faults, and an empty record of calls; it leaves no work."""
    system.control("DELETE", "/requests")
    yield
    system.leave_nothing_behind()
