"""A queue service, a target that it calls, and a real client, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.cloud.tasks_v2 import CloudTasksAsyncClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.standins.cloud_tasks import QueueSpec, QueueStandIn
from local.standins.oidc import Issuer
from local.standins.serve import HttpServer
from local.standins.wire_tap import Tap
from shared.clock import MovableClock

LOCATION = "projects/local/locations/here"
QUEUE = f"{LOCATION}/queues/work"


@dataclass(frozen=True)
class Delivery:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Target:
    """What dispatches are sent to; `answers` maps a path to the statuses of its answers, the last one for ever."""

    clock: MovableClock
    url: str = ""
    answers: dict[str, list[int]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        path = request.url.path
        self.deliveries.append(
            Delivery(request.method, path, request.url.query, dict(request.headers), body, self.clock.time())
        )
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        async with self._changed:
            self._changed.notify_all()
        try:
            await self.gate.wait()
        finally:
            self.open -= 1
        statuses = self.answers.get(path, [200])
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        await Response(b"answered", status, headers=self.headers)(scope, receive, send)

    async def received(self, count: int) -> list[Delivery]:
        """The deliveries so far, once there are `count` of them."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.deliveries) >= count)
        return self.deliveries


Client = Any
"""A real CloudTasksAsyncClient; it takes dicts for messages, which its annotations leave out."""


@dataclass(frozen=True)
class Bench:
    """The service under test and how to reach it."""

    standin: QueueStandIn
    client: Client
    address: str


Make = Callable[..., Awaitable[Bench]]


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


@pytest.fixture
def tap() -> Tap:
    return Tap()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all tests: making one takes longer than a test."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def issuer(clock: MovableClock, keys: Path) -> Issuer:
    return Issuer(clock, keys)


@pytest.fixture
async def target(clock: MovableClock) -> AsyncIterator[Target]:
    target = Target(clock)
    target.gate.set()
    server = HttpServer(target.app)
    target.url = f"http://127.0.0.1:{await server.start()}"
    yield target
    target.gate.set()
    await server.stop()


@pytest.fixture
async def make(clock: MovableClock, tap: Tap, issuer: Issuer) -> AsyncIterator[Make]:
    """Start a queue service with one queue; keyword arguments are QueueSpec's and QueueStandIn's."""
    benches: list[Bench] = []

    async def start(data: Path | None = None, duplicates: int = 0, held: bool = False, **spec: float) -> Bench:
        queue = QueueSpec(QUEUE, **spec)  # type: ignore[arg-type]
        standin = QueueStandIn(
            clock=clock, data=data, tap=tap, sign=issuer.token, queues=[queue], duplicates=duplicates, held=held
        )
        address = f"127.0.0.1:{await standin.start()}"
        bench = Bench(standin, client_of(address), address)
        benches.append(bench)
        return bench

    yield start
    for bench in benches:
        await bench.client.transport.close()
        await bench.standin.stop()


def task(url: str, name: str = "", **request: object) -> dict[str, object]:
    """A task's fields: a call of that URL, under that id if one is given."""
    return {"name": f"{QUEUE}/tasks/{name}" if name else "", "http_request": {"url": url, **request}}


def client_of(address: str) -> Client:
    return CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(address)))


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; for what no event tells."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
