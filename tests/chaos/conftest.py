from collections.abc import Iterator

import pytest

from tests.running import Running


@pytest.fixture
def system() -> Iterator[Running]:
    """A fresh system for each test: what one breaks, no other sees. No scheduled sweep helps."""
    with Running() as running:
        yield running
