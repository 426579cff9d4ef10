from collections.abc import Iterator

import pytest

from tests.running import Running


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet(system: Running) -> Iterator[None]:
    """Each test begins with a model at its defaults, no faults, and an empty record of calls."""
    system.control("DELETE", "/faults")
    system.control("DELETE", "/requests")
    system.control("PUT", "/events", {"copies": 1, "delay": "0s", "hold": False})
    system.model(latency=None, processing=None, text=None, finish_reason=None, block_reason=None, key="ok")
    yield
    system.control("DELETE", "/faults")
