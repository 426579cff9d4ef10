"""One HTTP/1.1 request and its answer, streamed both ways, on a connection of its own.

The front door, the queue, events and Pub/Sub call functions with it. No pool: a worker may be killed at any moment, and
a connection that is kept alive across its death would turn the next request into an error that the platform does not
have.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

import h11

Headers = Sequence[tuple[bytes, bytes]]
"""Names and values. `Content-Length` belongs to them if there is a body."""

_Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]

_READ_BYTES = 64 << 10
_LONGEST_HEAD_BYTES = 128 << 10


class ConnectionLost(Exception):
    """The connection ended before the answer was whole."""


class MalformedAnswer(Exception):
    """What the other end sent is not HTTP."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    """Names in lower case."""
    body_bytes: int = 0
    """How long the body was, if it was read to its end."""


async def exchange(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Send a request and read its answer to the end. Raises OSError, ConnectionLost, MalformedAnswer."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    all_headers = {"Host": parts.netloc.rpartition("@")[-1], **headers}
    connection = await HttpConnection.to(url)
    try:
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in all_headers.items()]
        await connection.send_head(method, target, encoded)
        if body:
            await connection.send_body(body)
        await connection.end_body()
        answer, length = await connection.answer(), 0
        async for chunk in connection.chunks():
            length += len(chunk)
        return replace(answer, body_bytes=length)
    finally:
        connection.close()


class HttpConnection:
    """`await HttpConnection.to(url)`, then head, body and end of the request; the answer may be awaited at any time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD_BYTES)

    @classmethod
    async def to(cls, url: str) -> Self:
        """Connect. Raises OSError if nothing listens there."""
        parts = urlsplit(url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        return cls(*await asyncio.open_connection(parts.hostname, port, ssl=tls))

    async def send_head(self, method: str | bytes, target: str | bytes, headers: Headers) -> None:
        try:
            # Space around a value is no part of it; h11 refuses to send it.
            stripped = [(name, value.strip(b" \t")) for name, value in headers]
            head = h11.Request(method=method, target=target, headers=stripped)
        except h11.LocalProtocolError as error:
            raise ConnectionLost(f"the request cannot be sent: {error}") from error
        await self._send(head)

    async def send_body(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end_body(self) -> None:
        await self._send(h11.EndOfMessage())

    async def answer(self) -> Answer:
        """Return the answer's head. Raises ConnectionLost, MalformedAnswer."""
        while isinstance(event := await self._event(), h11.InformationalResponse):
            pass
        if not isinstance(event, h11.Response):
            raise MalformedAnswer(f"expected the head of an answer, got {event!r}")
        return Answer(event.status_code, list(event.headers))

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the answer's body as it arrives. Raises ConnectionLost, MalformedAnswer."""
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    def close(self) -> None:
        """Close the connection at once; a pending read of the answer raises ConnectionLost."""
        self._writer.transport.abort()

    async def _send(self, event: h11.Event) -> None:
        try:
            if data := self._wire.send(event):
                self._writer.write(data)
                await self._writer.drain()
        except (OSError, h11.LocalProtocolError) as error:
            raise ConnectionLost(str(error)) from error

    async def _event(self) -> _Event:
        ended = False
        try:
            while True:
                event = self._wire.next_event()
                if isinstance(event, h11.ConnectionClosed):
                    raise ConnectionLost("the connection was closed before the answer")
                if event is not h11.NEED_DATA:
                    return event
                data = await self._reader.read(_READ_BYTES)
                ended = not data
                self._wire.receive_data(data)
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        except h11.RemoteProtocolError as error:
            if ended:
                raise ConnectionLost("the connection was closed before the answer was whole") from error
            raise MalformedAnswer(str(error)) from error
