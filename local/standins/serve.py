"""Serving an ASGI app or a gRPC server on 127.0.0.1 inside the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_GATHERED_BYTES = 64 << 10
"""Pieces of a response that are larger are sent at once."""


class HttpServer:
    """One ASGI app on 127.0.0.1:`port` (0: any free one); `start` returns the port once it listens."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, port: int = 0) -> int:
        # asyncio turns Nagle's algorithm off only where the protocol is named; with it on, every answer waits 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
        config = uvicorn.Config(
            self._app,
            http=_Protocol,
            interface="asgi3",
            lifespan="off",
            log_level="error",
            access_log=False,
            proxy_headers=False,  # the peer's own address counts: its port tells which worker called
            timeout_graceful_shutdown=1,
            ws="none",
        )
        self._server = _Uvicorn(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task


class _GatheringTransport:
    """Send what is written in one turn of the event loop in one piece.

    uvicorn writes the head and the body of a response one after the other; a caller would wake up for each.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._loop = transport, asyncio.get_running_loop()
        self._pieces: list[bytes] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if len(data) > _GATHERED_BYTES:
            self._flush()
            self._transport.write(data)
            return
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._flush()
        self._transport.abort()

    def _flush(self) -> None:
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._transport.write(data)


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(_GatheringTransport(transport))


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the local system's runner."""
        yield
