"""The real client against the stand-in, or, with STORAGE_EMULATOR_HOST set, against whatever answers there."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import uuid
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from local.standins.ledger import Ledger
from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.clock import Clock

CHOSEN = os.environ.get("STORAGE_EMULATOR_HOST")
"""As it is before the tests of other packages point Google's clients at stand-ins of their own."""
PROGRAM = """
import asyncio, sys
from pathlib import Path
from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.clock import Clock

async def main():
    stand_in = StorageStandIn(clock=Clock(), data=Path(sys.argv[1]), tap=Tap(), buckets=["inbox"])
    print(await stand_in.start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Process:
    def __init__(self, data: Path) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(data)], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def peak_memory(self) -> int:
        """Bytes of resident memory at most."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Served:
    """A stand-in in a thread and an event loop of its own. `call` runs a method of it there."""

    def __init__(self, data: Path | None = None, clock: Clock | None = None, **options: Any) -> None:
        self.tap = Tap(ledger=Ledger())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.stand_in = self.call(lambda: StorageStandIn(clock=clock or Clock(), data=data, tap=self.tap, **options))
        self.port = int(asyncio.run_coroutine_threadsafe(self.stand_in.start(), self._loop).result(60))
        self.url = f"http://127.0.0.1:{self.port}"

    def call(self, work: Callable[[], Any]) -> Any:
        async def there() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(60)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.stand_in.stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def client_of(url: str) -> Iterator[Any]:
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = Client(project="dropsight", credentials=nobody, client_options={"api_endpoint": url})
    try:
        yield client
    finally:
        client.close()
        # The client leaves the connection of an answer that it refused to read for the collector to close.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a process of its own: a file that the client failed to write is sent again when it is collected, which must
    not happen on the thread that would answer."""
    if CHOSEN:
        yield CHOSEN
        return
    process = Process(tmp_path_factory.mktemp("storage"))
    yield process.url
    process.kill()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts a stand-in of the test's own, for what needs its controls, its data or its clock."""
    running: list[Served] = []

    def start(**options: Any) -> Served:
        running.append(Served(**options))
        return running[-1]

    yield start
    for served in running:
        served.stop()


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Any]:
    with client_of(url) as made:
        yield made


@pytest.fixture(scope="session")
def http(url: str) -> Iterator[httpx2.Client]:
    """For what the client would never send."""
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as made:
        yield made


@pytest.fixture
def bucket(client: Any) -> Any:
    return client.create_bucket(f"b-{uuid.uuid4().hex}")


@pytest.fixture
def versioned(client: Any) -> Any:
    made = client.bucket(f"v-{uuid.uuid4().hex}")
    made.versioning_enabled = True
    made.create()
    return made
