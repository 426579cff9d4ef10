"""Files on the web that requests name: fetched with every guard, and streamed on without being held whole.

A file whose length its server tells is passed on as it comes, and looked into beforehand by requests for ranges. One
of unknown length is taken into memory, up to a bound, because the Files API wants to know the size first.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from typing_extensions import Buffer

from shared.cloud.object_stream import StreamStopped
from shared.cloud.outbound import AddressRefused, Exchange, NoAnswer, target_of
from shared.domain.errors import PermanentFailure, TaskFailure, TransientFailure
from shared.domain.media import GEMINI
from shared.domain.media.reading import OutOfReadsError

T = TypeVar("T")

UNKNOWN_LENGTH_BYTES = 32 << 20
"""The largest file that may come without a Content-Length."""
HEAD_BYTES = 256 << 10
_REDIRECTS = 5
_PIECE = 1 << 20
_AGAIN = {408, 425, 429}


class RemoteFile(io.RawIOBase):
    """A file that is being fetched: read once from start to end; seeks only to tell its size, and back to the start."""

    def __init__(
        self,
        exchange: Exchange,
        answer: http.client.HTTPResponse,
        url: str,
        size: int,
        head: bytes,
        stop: threading.Event,
    ) -> None:
        self._exchange, self._answer, self._stop = exchange, answer, stop
        self._position, self._fetched = 0, len(head)
        self.head, self.size, self.url = head, size, url
        self.version = _version(answer)
        self.content_type = answer.headers.get("Content-Type")
        self.name = unquote(urlsplit(url).path.rpartition("/")[2]) or urlsplit(url).netloc

    @property
    def whole(self) -> bytes | None:
        """All of it, where it is small or of unknown length."""
        return self.head if len(self.head) == self.size else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence] + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        wanted = self.size if size is None or size < 0 else size
        end = min(self._position + wanted, self.size)
        if end <= len(self.head):
            piece = self.head[self._position : end]
        else:
            if self._position > self._fetched or (self._position < self._fetched and self._position > len(self.head)):
                raise io.UnsupportedOperation("a file that is being fetched is read from start to end")
            piece = self.head[self._position :] + self._more(end - max(self._position, len(self.head)))
        self._position += len(piece)
        return piece

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._exchange.close()
        super().close()

    def _more(self, wanted: int) -> bytes:
        pieces: list[bytes] = []
        while wanted > 0:
            if self._stop.is_set():
                raise StreamStopped("the transfer was stopped")
            piece = _next_piece(self._exchange, self._answer, min(wanted, _PIECE))
            if not piece:
                raise TransientFailure(f"{self.name} broke off after {self._fetched:,} of {self.size:,} bytes")
            pieces.append(piece)
            self._fetched += len(piece)
            wanted -= len(piece)
        return b"".join(pieces)


class RemoteRanges:
    """Ranges of a file that is being fetched, each by a request of its own; its head is at hand.

    Raises `OutOfReadsError` where one cannot be had: by far not every server gives ranges, and some give a file once.
    """

    def __init__(self, file: RemoteFile, *, seconds: float, allow_loopback: bool) -> None:
        self._file, self._allow_loopback = file, allow_loopback
        self._until = time.monotonic() + seconds
        self.size = file.size

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        if end <= len(self._file.head):
            return self._file.head[offset:end]
        left = self._until - time.monotonic()
        if self._file.version is None or left <= 0:
            raise OutOfReadsError
        headers = {"Accept": "*/*", "Range": f"bytes={offset}-{end - 1}", "If-Range": self._file.version}
        try:
            target = target_of(self._file.url)
            with Exchange(target, seconds=left, allow_loopback=self._allow_loopback) as exchange:
                answer = exchange.request("GET", headers)
                if answer.status != 206 or not _is_range(answer, offset, end, self.size):
                    raise OutOfReadsError
                found = answer.read(end - offset)
        except (AddressRefused, NoAnswer, OSError, http.client.HTTPException, ValueError) as error:
            raise OutOfReadsError from error
        if len(found) < end - offset:
            raise OutOfReadsError
        return found


class Web:
    def __init__(self, *, threads: int, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="fetch")

    async def open(self, url: str, *, stop: threading.Event, seconds: float) -> RemoteFile:
        """The file at `url`, opened; all of it must be read within `seconds`. Redirects are followed, each checked.

        Raises `PermanentFailure` with `url_not_fetchable` or `payload_too_large`, or `TransientFailure`.
        """
        return await self._run(lambda: self._open(url, stop, seconds))

    def ranges(self, file: RemoteFile, *, seconds: float) -> RemoteRanges:
        """Ranges of a file that is being fetched, for a thread, as far as its server gives them within `seconds`."""
        return RemoteRanges(file, seconds=seconds, allow_loopback=self._allow_loopback)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run what reads with `ranges`."""
        return await self._run(call)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _open(self, url: str, stop: threading.Event, seconds: float) -> RemoteFile:
        place = url
        for _ in range(_REDIRECTS + 1):
            exchange = None
            try:
                target = target_of(place)
                exchange = Exchange(target, seconds=seconds, allow_loopback=self._allow_loopback)
                answer = exchange.request("GET", {"Accept": "*/*"})
                if answer.status in (301, 302, 303, 307, 308):
                    exchange.close()
                    place = _onward(place, answer)
                    continue
                _must_be_a_file(place, answer)
                return _opened(exchange, answer, place, stop)
            except AddressRefused as refused:
                if exchange is not None:
                    exchange.close()
                raise _not_fetchable(url, str(refused)) from refused
            except NoAnswer as error:
                if exchange is not None:
                    exchange.close()
                raise TransientFailure(f"{_shown(url)}: {error}") from error
            except TaskFailure:
                if exchange is not None:
                    exchange.close()
                raise
        raise _not_fetchable(url, f"more than {_REDIRECTS} redirects")


def _onward(place: str, answer: http.client.HTTPResponse) -> str:
    location = answer.headers.get("Location")
    if not location:
        raise _not_fetchable(place, "a redirect that leads nowhere")
    onward = urljoin(place, location)
    if place.startswith("https:") and not onward.startswith("https:"):
        raise _not_fetchable(place, "a redirect that leaves https")
    return onward


def _must_be_a_file(place: str, answer: http.client.HTTPResponse) -> None:
    if answer.status in _AGAIN or answer.status >= 500:
        raise TransientFailure(f"{_shown(place)} answers {answer.status}")
    if answer.status != 200:
        raise _not_fetchable(place, f"it answers {answer.status}")
    if (answer.headers.get("Content-Encoding") or "identity").lower() != "identity":
        raise _not_fetchable(place, "it answers compressed, though asked not to")


def _opened(exchange: Exchange, answer: http.client.HTTPResponse, place: str, stop: threading.Event) -> RemoteFile:
    size = answer.length
    if size is not None and size > GEMINI.file_bytes:
        raise PermanentFailure(
            "payload_too_large",
            f"{_shown(place)} has {size:,} bytes; at most {GEMINI.file_bytes:,} are taken. Split it.",
        )
    head = bytearray()
    bound = min(size, HEAD_BYTES) if size is not None else UNKNOWN_LENGTH_BYTES + 1
    while len(head) < bound and (piece := _next_piece(exchange, answer, min(_PIECE, bound - len(head)))):
        head += piece
        if stop.is_set():
            raise StreamStopped("the transfer was stopped")
    if size is None and len(head) > UNKNOWN_LENGTH_BYTES:
        raise PermanentFailure(
            "payload_too_large",
            f"{_shown(place)} does not tell its length (no Content-Length) and is larger than "
            f"{UNKNOWN_LENGTH_BYTES >> 20} MiB. Put it into a bucket and name it as gs://bucket/object.",
        )
    if size is not None and len(head) < bound:
        raise TransientFailure(f"{_shown(place)} broke off after {len(head):,} of {size:,} bytes")
    return RemoteFile(exchange, answer, place, len(head) if size is None else size, bytes(head), stop)


def _version(answer: http.client.HTTPResponse) -> str | None:
    """What tells this version of a file from others, for `If-Range`; None where nothing does surely."""
    tag = answer.headers.get("ETag")
    return tag if tag is not None and tag.startswith('"') else None


def _is_range(answer: http.client.HTTPResponse, offset: int, end: int, size: int) -> bool:
    return (answer.headers.get("Content-Range") or "").strip() == f"bytes {offset}-{end - 1}/{size}"


def _next_piece(exchange: Exchange, answer: http.client.HTTPResponse, most: int) -> bytes:
    try:
        piece = answer.read1(most)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TransientFailure(
            str(exchange.broken(error if not isinstance(error, ValueError) else OSError()))
        ) from error
    if not piece and exchange.late:
        raise TransientFailure(str(exchange.broken(OSError())))
    return piece


def _not_fetchable(url: str, why: str) -> PermanentFailure:
    return PermanentFailure("url_not_fetchable", f"{_shown(url)} cannot be fetched: {why}.")


def _shown(url: str) -> str:
    """Without the query, which may hold a signature."""
    plain = url.partition("?")[0].partition("#")[0]
    return plain if len(plain) <= 200 else f"{plain[:200]}…"
