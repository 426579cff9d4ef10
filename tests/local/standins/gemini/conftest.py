"""The stand-in in a thread and an event loop of its own, and the real clients.

With GOOGLE_GEMINI_BASE_URL (and GEMINI_API_KEY) set, `client` and `wire` talk to that service instead; the tests that
set the model's behaviour or move the clock always start a stand-in.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from google import genai
from google.genai import types

from local.standins.gemini import Behaviour, GeminiStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock

T = TypeVar("T")
KEY = os.environ.get("GEMINI_API_KEY", "a-key")
CHOSEN = os.environ.get("GOOGLE_GEMINI_BASE_URL")
"""As it is before the tests of other packages point Google's clients at stand-ins of their own."""


def connect(url: str) -> genai.Client:
    """A real client. Over plain HTTP it need not load certificates, which takes longer than most tests."""
    unsecured: dict[str, Any] = {"verify": False}
    certificates = {} if url.startswith("https") else {"client_args": unsecured, "async_client_args": unsecured}
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url, **certificates))


def together(*pieces: types.PartUnionDict) -> list[types.PartUnionDict]:
    """The parts of one turn."""
    return list(pieces)


class LoopThread:
    """An event loop that runs in a thread until `stop`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(60)

    def stop(self) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Running:
    """A stand-in that a test may set and look into."""

    stand_in: GeminiStandIn
    clock: MovableClock
    tap: Tap
    url: str
    client: genai.Client
    wire: httpx2.Client
    stop: Callable[[], None]

    def set_model(self, **changes: Any) -> None:
        self.stand_in.set_model(changes)


@pytest.fixture(scope="session")
def loop_thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


def begin(loop_thread: LoopThread, clock: MovableClock, data: Path | None, **options: Any) -> Running:
    tap = Tap()
    stand_in = GeminiStandIn(clock=clock, data=data, tap=tap, **options)
    url = f"http://127.0.0.1:{loop_thread.run(stand_in.start())}"
    client = connect(url)
    wire = httpx2.Client(base_url=url, headers={"x-goog-api-key": KEY}, timeout=30, verify=False)

    def stop() -> None:
        client.close()
        wire.close()
        loop_thread.run(stand_in.stop())

    return Running(stand_in, clock, tap, url, client, wire, stop)


@pytest.fixture
def start(loop_thread: LoopThread, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts stand-ins: `start(data=…)`. They end with the test."""
    started: list[Running] = []
    clock = MovableClock(tmp_path / "clock")

    def begin_one(data: Path | None = None, **options: Any) -> Running:
        started.append(begin(loop_thread, clock, data, **options))
        return started[-1]

    yield begin_one
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def shared(loop_thread: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One stand-in for all tests that leave its behaviour and its clock alone."""
    running = begin(loop_thread, MovableClock(tmp_path_factory.mktemp("gemini") / "clock"), None)
    yield running
    left = running.stand_in.behaviour, running.tap.faults.listing()
    running.stop()
    assert left == (Behaviour(), [])


@pytest.fixture
def own(start: Callable[..., Running], tmp_path: Path) -> Running:
    return start(tmp_path / "data")


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return CHOSEN.rstrip("/") if CHOSEN else str(request.getfixturevalue("shared").url)


@pytest.fixture
def client(url: str) -> Iterator[genai.Client]:
    client = connect(url)
    yield client
    client.close()


@pytest.fixture
async def aio(url: str) -> AsyncIterator[genai.client.AsyncClient]:
    client = connect(url)
    yield client.aio
    await client.aio.aclose()
    client.close()


@pytest.fixture
def wire(url: str) -> Iterator[httpx2.Client]:
    verify = url.startswith("https")
    with httpx2.Client(base_url=url, headers={"x-goog-api-key": KEY}, timeout=30, verify=verify) as client:
        yield client
