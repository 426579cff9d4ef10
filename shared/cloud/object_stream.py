"""Read objects of Cloud Storage in threads: as a stream with read-ahead in constant memory, or by ranges."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import google_crc32c
from cachetools import LRUCache

from shared.domain.errors import DropsightError, TransientFailure
from shared.sized_stream import ReadableStream

PIECE_BYTES = 8 << 20
"""Bytes read at once."""

SMALL_BYTES = 64 << 10
"""Objects up to this are read whole to tell their type."""
_KEPT_BYTES = 4 << 20

Fetch = Callable[[int, int], bytes]
"""Returns the object's bytes from `start` up to, not including, `end`."""


class SourceVanished(DropsightError):
    """This generation of the object does not exist any more."""


class StreamStopped(DropsightError):
    """Reading was stopped: the lease is lost or the time is up."""


class ObjectStream(ReadableStream):
    """Seekable, binary. While one piece is being sent on, the next is being fetched.

    Read from start to end it checks the object's CRC-32C, and raises `TransientFailure` where it differs. What is read
    again in between, because an upload goes on from an earlier place, counts once.
    """

    def __init__(self, fetch: Fetch, size: int, crc32c: str, stop: threading.Event) -> None:
        super().__init__(size)
        self._fetch, self._crc32c, self._stop = fetch, crc32c, stop
        self._checksum, self._checked = google_crc32c.Checksum(), 0  # type: ignore[no-untyped-call]
        self._ahead: tuple[int, int, Future[bytes]] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")

    def read(self, size: int | None = -1) -> bytes:
        if self._stop.is_set():
            raise StreamStopped("the transfer was stopped")
        most = PIECE_BYTES if size is None or size < 0 else size
        start, end = self._at, min(self._at + most, self.size)
        if start >= end:
            return b""
        piece = self._take(start, end)
        self._at = end
        self._look_ahead(end, min(end + most, self.size))
        self._check(start, piece)
        return piece

    def readall(self) -> bytes:
        raise io.UnsupportedOperation("an object is read in pieces, never whole")

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._ahead = None
        super().close()

    def _take(self, start: int, end: int) -> bytes:
        ahead, self._ahead = self._ahead, None
        piece = ahead[2].result() if ahead is not None and ahead[:2] == (start, end) else self._fetch(start, end)
        if len(piece) != end - start:
            raise TransientFailure(f"the object arrived short: {len(piece)} of {end - start} bytes from {start}")
        return piece

    def _look_ahead(self, start: int, end: int) -> None:
        if start < end:
            self._ahead = (start, end, self._thread.submit(self._fetch, start, end))

    def _check(self, start: int, piece: bytes) -> None:
        new = piece[self._checked - start :] if start <= self._checked else b""
        if not new:
            return
        self._checksum.update(new)  # type: ignore[no-untyped-call]
        self._checked += len(new)
        if self._checked == self.size and self._crc32c:
            digest: bytes = self._checksum.digest()  # type: ignore[no-untyped-call]
            checksum = base64.b64encode(digest).decode()
            if checksum != self._crc32c:
                raise TransientFailure(f"the object arrived damaged: CRC-32C {checksum} instead of {self._crc32c}")


class SmallContents:
    """Whole contents of small objects between two readings: one is examined first and sent on right after.

    A content is given out once: if it arrived damaged, the next try reads the object again. Safe to use from threads.
    """

    def __init__(self) -> None:
        self._contents: LRUCache[str, bytes] = LRUCache(_KEPT_BYTES, len)
        self._lock = threading.Lock()

    def keep(self, identity: str, content: bytes) -> None:
        if 0 < len(content) <= SMALL_BYTES:
            with self._lock:
                self._contents[identity] = content

    def take(self, identity: str) -> bytes | None:
        with self._lock:
            return self._contents.pop(identity, None)


class ObjectRanges:
    """Random access to an object by ranged reads."""

    def __init__(self, fetch: Fetch, size: int, head: bytes) -> None:
        self._fetch, self._size, self._head = fetch, size, head

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self._size)
        if end <= len(self._head):
            return self._head[offset:end]
        return self._fetch(offset, end) if offset < end else b""
