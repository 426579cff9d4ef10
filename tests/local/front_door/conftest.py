"""A function behind the front door: a small ASGI worker that the test looks into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route as AppRoute

from local.front_door import FrontDoor, Route
from local.standins.oidc import Issuer
from local.standins.serve import HttpServer
from shared.clock import MovableClock

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass
class Worker:
    """The function's side. `/echo` tells what arrived, `/stream` sends what the test puts, `/hold` waits."""

    url: str = ""
    chunks: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    streams: int = 0
    held: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)
    finished: int = 0
    received: int = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                AppRoute("/stream", self._stream),
                AppRoute("/hold", self._hold, methods=METHODS),
                AppRoute("/swallow", self._swallow, methods=METHODS),
                AppRoute("/{path:path}", self._echo, methods=METHODS),
            ]
        )

    async def _echo(self, request: Request) -> Response:
        body = await request.body()
        told = {
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.url.query,
            "headers": [[key.decode(), value.decode()] for key, value in request.scope["headers"]],
            "body": body.decode("latin-1"),
        }
        return JSONResponse(told, headers={"x-worker": "yes"})

    async def _stream(self, request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            self.streams += 1
            try:
                while (chunk := await self.chunks.get()) is not None:
                    yield chunk
            finally:
                self.streams -= 1

        return StreamingResponse(body(), media_type="text/event-stream")

    async def _hold(self, request: Request) -> Response:
        self.held += 1
        try:
            await self.release.wait()
        finally:
            self.held -= 1
        self.finished += 1
        return Response("released")

    async def _swallow(self, request: Request) -> Response:
        async for chunk in request.stream():
            self.received += len(chunk)
        return Response(str(self.received))


@dataclass(frozen=True)
class Door:
    url: str
    door: FrontDoor
    http: httpx2.AsyncClient


Serve = Callable[..., Awaitable[Door]]


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all tests: making one takes longer than a test."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def issuer(clock: MovableClock, keys: Path) -> Issuer:
    return Issuer(clock, keys)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
async def serve(clock: MovableClock, issuer: Issuer, worker: Worker) -> AsyncIterator[Serve]:
    """Serve the worker's function behind the door; keyword arguments are Route's."""
    servers = [HttpServer(worker.app())]
    worker.url = f"http://127.0.0.1:{await servers[0].start()}"
    clients: list[httpx2.AsyncClient] = []

    async def start(restart_patience: float = 10.0, **route: object) -> Door:
        async def backend() -> str:
            return worker.url

        door = FrontDoor(clock=clock, issuer=issuer, restart_patience=restart_patience)
        settings: dict[str, object] = {"function": "api", "backend": backend, "concurrency": 80} | route
        server = HttpServer(door.app(Route(**settings)))  # type: ignore[arg-type]
        url = f"http://127.0.0.1:{await server.start()}"
        client = httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False)
        servers.append(server)
        clients.append(client)
        return Door(url, door, client)

    yield start
    for client in clients:
        await client.aclose()
    worker.release.set()
    worker.chunks.put_nowait(None)
    await asyncio.gather(*(server.stop() for server in servers))


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; for what no event tells."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
