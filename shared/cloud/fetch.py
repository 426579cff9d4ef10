"""Fetch files on the web that requests name, with all checks, and stream them without holding them whole.

A file with a Content-Length is passed on as it arrives, and examined beforehand by requests for ranges. A file of
unknown length is read into memory, up to a bound, because the Files API needs the size first.

uploader's thread ── read ──▶ RemoteFile ── run_coroutine_threadsafe ──▶ event loop: Exchange, at most a piece ahead
"""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from shared.cloud.exchange import Exchange, HostBusy, Outbound, is_loop_thread
from shared.cloud.object_stream import StreamStopped
from shared.cloud.outbound import AddressRefused, NoAnswer, target_of
from shared.domain.errors import PermanentFailure, TransientFailure, Unavailable
from shared.domain.media import GEMINI, MediaType, Refusal, identify, sniff
from shared.domain.media.random_access import RangeUnavailableError
from shared.domain.request.addresses import without_secrets
from shared.sized_stream import ReadableStream

T = TypeVar("T")

UNKNOWN_LENGTH_BYTES = 32 << 20
"""The largest file that may come without a Content-Length."""
HEAD_BYTES = 256 << 10
_REDIRECTS = 5
_PIECE = 1 << 20
_RETRYABLE = {408, 425, 429}
_REDIRECT_STATUSES = {301, 302, 303, 307, 308}
_PATIENCE_SECONDS = 10.0
"""Seconds a fetch waits for a place of its host; then its task is put off, so that it holds up no other."""
_MARGIN_SECONDS = 5.0
"""Seconds a thread waits for the event loop beyond the request's own limit."""


class RemoteFile(ReadableStream):
    """A file that is being fetched, read once from start to end; it seeks only to tell its size.

    For threads: reading from the event loop's own thread would wait for itself, and raises `RuntimeError`.
    """

    def __init__(self, exchange: Exchange, url: str, size: int, head: bytes, stop: threading.Event) -> None:
        super().__init__(size)
        self._exchange, self._stop = exchange, stop
        self._fetched = len(head)
        self.head, self.url = head, url
        self.version = _version(exchange)
        self.content_type = exchange.header("Content-Type")
        self.name = unquote(urlsplit(url).path.rpartition("/")[2]) or urlsplit(url).netloc

    @property
    def whole(self) -> bytes | None:
        """The whole file, if it is small or its length is unknown."""
        return self.head if len(self.head) == self.size else None

    def read(self, size: int | None = -1) -> bytes:
        count = self.size if size is None or size < 0 else size
        end = min(self._at + count, self.size)
        if end <= len(self.head):
            piece = self.head[self._at : end]
        else:
            if self._at > self._fetched or (self._at < self._fetched and self._at > len(self.head)):
                raise io.UnsupportedOperation("a file that is being fetched is read from start to end")
            piece = self.head[self._at :] + self._fetch_more(end - max(self._at, len(self.head)))
        self._at += len(piece)
        return piece

    def close(self) -> None:
        self._exchange.close()
        super().close()

    def _fetch_more(self, count: int) -> bytes:
        pieces: list[bytes] = []
        while count > 0:
            piece = _from_thread(self._exchange, _read(self._exchange, min(count, _PIECE), self._stop))
            if not piece:
                raise TransientFailure(f"{self.name} broke off after {self._fetched:,} of {self.size:,} bytes")
            pieces.append(piece)
            self._fetched += len(piece)
            count -= len(piece)
        return b"".join(pieces)


class RemoteRanges:
    """Ranges of a file that is being fetched, each read by a request of its own; the head is in memory.

    Raises `RangeUnavailableError` if one cannot be read: many servers serve no ranges, and some serve a file only once.
    """

    def __init__(self, outbound: Outbound, file: RemoteFile, *, seconds: float) -> None:
        """`seconds` limits all ranges together."""
        self._outbound, self._file = outbound, file
        self.loop = asyncio.get_running_loop()
        self.until = time.monotonic() + seconds
        self.size = file.size

    async def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, fewer than `length` only at the file's end."""
        end = min(offset + length, self.size)
        if end <= max(offset, len(self._file.head)):
            return self._file.head[offset:end]
        left = self.until - time.monotonic()
        if self._file.version is None or left <= 0:
            raise RangeUnavailableError
        try:
            received = await self._fetched(offset, end, self._file.version, left)
        except (AddressRefused, NoAnswer) as error:
            raise RangeUnavailableError from error
        if len(received) < end - offset:
            raise RangeUnavailableError
        return received

    async def _fetched(self, offset: int, end: int, version: str, seconds: float) -> bytes:
        headers = {"Accept": "*/*", "Range": f"bytes={offset}-{end - 1}", "If-Range": version}
        exchange = await self._outbound.begin("GET", target_of(self._file.url), headers, seconds=seconds, patience=None)
        try:
            whole = (exchange.header("Content-Range") or "").strip() == f"bytes {offset}-{end - 1}/{self.size}"
            if exchange.status != 206 or not whole:
                raise RangeUnavailableError
            return await _read(exchange, end - offset)
        finally:
            exchange.close()


class BlockingRanges:
    """The same ranges for parsers that run in a thread."""

    def __init__(self, ranges: RemoteRanges) -> None:
        self._ranges = ranges
        self.size = ranges.size

    def read(self, offset: int, length: int) -> bytes:
        future = asyncio.run_coroutine_threadsafe(self._ranges.read(offset, length), self._ranges.loop)
        try:
            return future.result(max(0.0, self._ranges.until - time.monotonic()) + _MARGIN_SECONDS)
        except TimeoutError as error:
            future.cancel()
            raise RangeUnavailableError from error


class Web:
    def __init__(self, *, threads: int, allow_loopback: bool = False) -> None:
        """`threads` is how many tasks an instance works on at once; one host gets at most half of them."""
        self.outbound = Outbound(per_host=max(1, threads // 2), allow_loopback=allow_loopback)
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="fetch")

    async def open(self, url: str, *, stop: threading.Event, seconds: float) -> RemoteFile:
        """Open the file at `url`; it must be read within `seconds`. Redirects are followed, each checked.

        Raises `PermanentFailure` with `url_not_fetchable` or `payload_too_large`, or `TransientFailure`;
        `Unavailable` while the instance fetches as much from this host as it may.
        """
        until, address = time.monotonic() + seconds, url
        for _ in range(_REDIRECTS + 1):
            exchange = await self._request(url, address, max(0.0, until - time.monotonic()))
            try:
                if exchange.status not in _REDIRECT_STATUSES:
                    _require_file(address, exchange)
                    return await _open_body(exchange, address, stop)
                address = _redirect_target(address, exchange)
            except BaseException:
                exchange.close()
                raise
            exchange.close()
        raise _not_fetchable(url, f"more than {_REDIRECTS} redirects")

    def ranges(self, file: RemoteFile, *, seconds: float) -> RemoteRanges:
        """Return the file's ranges as a source for the sandbox; all of them must be read within `seconds`."""
        return RemoteRanges(self.outbound, file, seconds=seconds)

    async def identify(self, file: RemoteFile, *, seconds: float) -> MediaType | Refusal:
        """Return the type of a file that is being fetched, from its head and what follows a long tag."""
        ranges = BlockingRanges(self.ranges(file, seconds=seconds))

        def identified() -> MediaType | Refusal:
            try:
                return identify(ranges, file.name, file.content_type, file.head)
            except RangeUnavailableError:
                return sniff(file.head, file.name, file.content_type)

        return await self._run(identified)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _request(self, url: str, address: str, seconds: float) -> Exchange:
        try:
            target = target_of(address)
            return await self.outbound.begin(
                "GET", target, {"Accept": "*/*"}, seconds=seconds, patience=_PATIENCE_SECONDS
            )
        except AddressRefused as refused:
            raise _not_fetchable(url, str(refused)) from refused
        except HostBusy as busy:
            raise Unavailable(f"{_shown(url)}: {busy}") from busy
        except NoAnswer as error:
            raise TransientFailure(f"{_shown(url)}: {error}") from error


def _redirect_target(address: str, exchange: Exchange) -> str:
    location = exchange.header("Location")
    if not location:
        raise _not_fetchable(address, "a redirect that leads nowhere")
    try:
        onward = urljoin(address, location)
        leaves = target_of(address).secure and not target_of(onward).secure
    except (AddressRefused, ValueError) as refused:
        raise _not_fetchable(address, f"a redirect that cannot be followed: {refused}") from refused
    if leaves:
        raise _not_fetchable(address, "a redirect that leaves https")
    return onward


def _require_file(address: str, exchange: Exchange) -> None:
    if exchange.status in _RETRYABLE or exchange.status >= 500:
        raise TransientFailure(f"{_shown(address)} answers {exchange.status}")
    if exchange.status != 200:
        raise _not_fetchable(address, f"it answers {exchange.status}")
    if (exchange.header("Content-Encoding") or "identity").lower() != "identity":
        raise _not_fetchable(address, "it answers compressed, though asked not to")


async def _open_body(exchange: Exchange, address: str, stop: threading.Event) -> RemoteFile:
    size = exchange.length
    if size is not None and size > GEMINI.file_bytes:
        raise PermanentFailure(
            "payload_too_large",
            f"{_shown(address)} has {size:,} bytes; at most {GEMINI.file_bytes:,} are taken. Split it.",
        )
    bound = min(size, HEAD_BYTES) if size is not None else UNKNOWN_LENGTH_BYTES + 1
    try:
        head = await _read(exchange, bound, stop)
    except NoAnswer as error:
        raise TransientFailure(str(error)) from error
    if size is None and len(head) > UNKNOWN_LENGTH_BYTES:
        raise PermanentFailure(
            "payload_too_large",
            f"{_shown(address)} does not tell its length (no Content-Length) and is larger than "
            f"{UNKNOWN_LENGTH_BYTES >> 20} MiB. Put it into a bucket and name it as gs://bucket/object.",
        )
    if size is not None and len(head) < bound:
        raise TransientFailure(f"{_shown(address)} broke off after {len(head):,} of {size:,} bytes")
    return RemoteFile(exchange, address, len(head) if size is None else size, head, stop)


async def _read(exchange: Exchange, count: int, stop: threading.Event | None = None) -> bytes:
    """Read `wanted` bytes, fewer only at the end. Raises `NoAnswer`, or `StreamStopped` once `stop` is set."""
    pieces = bytearray()
    while len(pieces) < count:
        if stop is not None and stop.is_set():
            raise StreamStopped("the transfer was stopped")
        piece = await exchange.read(count - len(pieces))
        if not piece:
            break
        pieces += piece
    return bytes(pieces)


def _from_thread(exchange: Exchange, reading: Coroutine[Any, Any, bytes]) -> bytes:
    if is_loop_thread(exchange.loop):
        reading.close()
        raise RuntimeError("a file that is being fetched is read by a thread of its own")
    future = asyncio.run_coroutine_threadsafe(reading, exchange.loop)
    try:
        return future.result(max(0.0, exchange.seconds_left) + _MARGIN_SECONDS)
    except (NoAnswer, TimeoutError) as error:
        future.cancel()
        raise TransientFailure(str(error) or "the transfer did not go on in time") from error


def _version(exchange: Exchange) -> str | None:
    """Return a strong validator of this version for `If-Range`, or None."""
    tag = exchange.header("ETag")
    return tag if tag is not None and tag.startswith('"') else None


def _not_fetchable(url: str, why: str) -> PermanentFailure:
    return PermanentFailure("url_not_fetchable", f"{_shown(url)} cannot be fetched: {why}.")


def _shown(url: str) -> str:
    """Return the URL for messages, without its query, which may hold a signature."""
    plain = without_secrets(url)
    return plain if len(plain) <= 200 else f"{plain[:200]}…"
