"""Multipart bodies read as a stream of parts, each with headers and bytes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesHeaderParser

from local.standins.storage.errors import ApiError

_HEADERS_LIMIT = 64 << 10


def boundary_of(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if not message.get_content_type().startswith("multipart/") or not isinstance(boundary, str) or not boundary:
        raise ApiError(400, "Bad request: a multipart body with a boundary is expected.", "badRequest")
    return boundary.encode()


def raw_header(part: Message, name: str) -> str | None:
    """Return a part's header as the UTF-8 that it was sent in, or None if it has none."""
    values = [value for key, value in part.raw_items() if key.lower() == name]
    return values[0].encode("ascii", "surrogateescape").decode("utf-8", "replace") if values else None


class Parts:
    """`await parts.next()` gives the next part's headers, None after the last; `parts.stream()` its bytes."""

    def __init__(self, chunks: AsyncIterator[bytes], boundary: bytes) -> None:
        self._chunks = chunks
        self._delimiter = b"\n--" + boundary
        self._buffer = b"\n"  # stands for the line break before the first delimiter
        self._ended = False
        self._within = True

    async def next(self) -> Message | None:
        """Return the next part's headers, or None after the last.

        Skips the rest of the previous part, and the preamble.
        """
        if self._within:
            async for _ in self.stream():
                pass
        while b"\n" not in self._buffer and not self._buffer.startswith(b"--"):
            await self._more()
        line, _, rest = self._buffer.partition(b"\n")
        if line.startswith(b"--"):
            return None
        self._buffer = rest
        while (end := re.search(rb"^\r?\n|\n\r?\n", self._buffer)) is None:
            if len(self._buffer) > _HEADERS_LIMIT:
                raise _malformed()
            await self._more()
        self._within = True
        head, self._buffer = self._buffer[: end.end()], self._buffer[end.end() :]
        # A part may be empty: its delimiter then needs the line break that ended the headers.
        if self._buffer.startswith(self._delimiter[1:]):
            self._buffer = b"\n" + self._buffer
        return BytesHeaderParser().parsebytes(head)

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the bytes up to the next delimiter, and consume it."""
        keep = len(self._delimiter) + 1
        while (at := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > keep:
                yield self._buffer[:-keep]
                self._buffer = self._buffer[-keep:]
            await self._more()
        data, self._buffer = self._buffer[:at], self._buffer[at + len(self._delimiter) :]
        self._within = False
        if data := data.removesuffix(b"\r"):
            yield data

    async def body(self, limit: int, what: str = "Part") -> bytes:
        data = b""
        async for chunk in self.stream():
            data += chunk
            if len(data) > limit:
                raise ApiError(413, f"{what} is too large: it may have {limit} bytes.")
        return data

    async def _more(self) -> None:
        while not self._ended:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._ended = True
            elif chunk:
                self._buffer += chunk
                return
        raise _malformed()


def _malformed() -> ApiError:
    return ApiError(400, "Bad request: the multipart body is malformed.", "badRequest")
