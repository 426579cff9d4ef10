"""What holds for all tests: their order, their time limit, and what a failed one shows."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from local.event_loop import loop_factory
from tests.environment import NO_AUTHORITY

# The tests start processes while gRPC's threads run: its fork handlers would stop them and may never start them again.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
# gRPC's own log of connections that a test ends on purpose.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# Which shared/cloud/storage.py sets when it is first imported, in the middle of whatever test that is.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
# Every client loads the certificates of all authorities, which takes longer than most tests, though only calls to the
# real services use TLS. A machine with authorities of its own names them in the same variable.
if not any(
    os.environ.get(name, "").startswith("https") for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_GEMINI_BASE_URL")
):
    os.environ["SSL_CERT_FILE"] = NO_AUTHORITY
# Otherwise each worker and each process of a local system compiles all modules anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples in every run. On a busy machine an example is slow, and so is its making: neither is a fault.
settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

pytest_plugins = ["tests.function_logs", "tests.time_limit"]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests on the event loop that the functions run on."""
    return {"the functions' loop": loop_factory() or asyncio.new_event_loop}


_LONG_FIRST = (
    "chaos/test_throttling.py",
    "end_to_end/",
    "functions/api/",
    "functions/generate/",
    "local/",
    "functions/",
)
"""Files, and folders whose files, take long. Workers take a file at a time: a long one begun last would keep one of
them alone."""


@pytest.fixture(scope="module", autouse=True)
def _environment_is_left_as_it_was() -> Iterator[None]:
    """A worker runs one file's tests after another's: what wires the functions of one must not reach the next."""
    before = _environment()
    yield
    assert _environment() == before


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without the garbage collector: all that is made stays, and it would look through it for 2 s."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.pluginmanager.hasplugin("randomly"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    for rank, path in enumerate(_LONG_FIRST):
        if item.nodeid.startswith(f"tests/{path}"):
            return rank
    return len(_LONG_FIRST)
