"""How responses leave an HTTP stand-in."""

from __future__ import annotations

import asyncio
import socket

from starlette.types import Message, Receive, Scope, Send

from local.standins.serve import HttpServer

BODY = b"hello"
LARGE = bytes(1 << 20)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = BODY if scope["path"] == "/short" else LARGE
    start: Message = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", b"%d" % len(body))],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})


def pieces_of_responses(port: int) -> list[bytes]:
    """Return what the first read of each response gives to a caller that waits for it."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        pieces = []
        for _ in range(50):
            connection.sendall(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n")
            pieces.append(connection.recv(1 << 16))
            while not pieces[-1].endswith(BODY) and not connection.recv(1 << 16).endswith(BODY):
                pass
        return pieces


async def test_a_short_response_arrives_in_one_piece() -> None:
    server = HttpServer(app)
    try:
        pieces = await asyncio.to_thread(pieces_of_responses, await server.start())
    finally:
        await server.stop()
    assert all(piece.endswith(b"\r\n\r\n" + BODY) for piece in pieces)


async def test_a_long_response_follows_its_head() -> None:
    server = HttpServer(app)
    reader, writer = await asyncio.open_connection("127.0.0.1", await server.start())
    try:
        writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert body == LARGE
    finally:
        writer.close()
        await server.stop()
