"""Read objects that are stored with `Content-Encoding: gzip` as their unpacked content.

Cloud Storage itself unpacks such objects only without a length and without ranges, so they are read as stored and
unpacked here. A first pass measures the unpacked size, under a bound, and saves the decompressor's state every 16 MiB;
then any range can be read in constant memory, from the nearest saved state.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from typing import Any, NamedTuple

from shared.cloud.object_stream import Fetch
from shared.domain.errors import LeaseLost, PermanentFailure
from shared.domain.media import GEMINI

MAGIC = b"\x1f\x8b"
"""The first bytes of gzip data (RFC 1952, section 2.3.1)."""
_PIECE = 1 << 20
_POINT_EVERY = 16 << 20
"""Unpacked bytes between two resume points: 128 points of about 45 KiB in the largest file."""
MAX_RATIO, _RATIO_FROM = 200, 64 << 20
"""Largest ratio of unpacked to stored size above 64 MiB; text has 3 to 20."""


class _ResumePoint(NamedTuple):
    """A resume point: the offsets in the unpacked and stored bytes, and the decompressor's state there."""

    at: int
    stored_at: int
    state: Any


class Unpacked:
    """Random access to a gzip object's content. Blocks, so call it in threads; one reads at a time."""

    def __init__(self, fetch: Fetch, stored_size: int, name: str) -> None:
        """`fetch` reads the object as it is stored; `name` is for messages."""
        self._stored, self._stored_size, self._name = fetch, stored_size, name
        self._lock = threading.Lock()
        self._points: list[_ResumePoint] = []
        self._reader = self._fresh()
        self.size = 0

    def measure(self, stop: threading.Event | None = None) -> None:
        """Read all of it to learn `size`. Raises `PermanentFailure` if it is damaged or far too large."""
        reader = self._reader
        while True:
            if not self._points or reader.at - self._points[-1].at >= _POINT_EVERY:
                self._points.append(reader.point())
            if not reader.more(_PIECE):
                self.size = reader.at
                return
            if stop is not None and stop.is_set():
                raise LeaseLost("the unpacking was stopped")
            if reader.at > GEMINI.file_bytes or reader.at > max(_RATIO_FROM, MAX_RATIO * reader.stored_at):
                raise PermanentFailure(
                    "payload_too_large",
                    f"“{self._name}” is stored packed (Content-Encoding: gzip), and unpacks to more than is taken: "
                    f"over {GEMINI.file_bytes:,} bytes, or over {MAX_RATIO} times its {self._stored_size:,} bytes. "
                    "Drop it unpacked, in parts.",
                )

    def fetch(self, start: int, end: int) -> bytes:
        """Return unpacked bytes from `start` up to, not including, `end`; fewer at the end."""
        with self._lock:
            nearest = self._points[max(0, bisect_right(self._points, start, key=lambda point: point.at) - 1)]
            if not nearest.at <= self._reader.at <= start:
                self._reader = _Reader(self._stored, self._stored_size, self._name, nearest)
            reader, pieces = self._reader, bytearray()
            while reader.at < start and reader.more(min(_PIECE, start - reader.at)):
                pass
            while reader.at < end and (piece := reader.more(min(_PIECE, end - reader.at))):
                pieces += piece
            return bytes(pieces)

    def _fresh(self) -> _Reader:
        return _Reader(self._stored, self._stored_size, self._name, _ResumePoint(0, 0, _new_member()))


class _Reader:
    """Unpacks from a resume point on, through all members of the file."""

    def __init__(self, fetch: Fetch, size: int, name: str, point: _ResumePoint) -> None:
        self._fetch, self._size, self._name = fetch, size, name
        self.at, self._fetched, self._state = point.at, point.stored_at, point.state.copy()
        self._packed = b""

    @property
    def stored_at(self) -> int:
        return self._fetched - len(self._packed)

    def point(self) -> _ResumePoint:
        return _ResumePoint(self.at, self.stored_at, self._state.copy())

    def more(self, most: int) -> bytes:
        """Return the next bytes, at most `most`; empty at the end."""
        try:
            piece = self._more(most)
        except zlib.error as error:
            raise PermanentFailure(
                "file_processing_failed",
                f"“{self._name}” is stored packed (Content-Encoding: gzip), but cannot be unpacked: it is damaged. "
                "Upload it again.",
            ) from error
        self.at += len(piece)
        return piece

    def _more(self, most: int) -> bytes:
        while True:
            if len(self._packed) < len(MAGIC) and self._fetched < self._size:
                self._packed += self._fetch(self._fetched, min(self._fetched + _PIECE, self._size))
                self._fetched = min(self._fetched + _PIECE, self._size)
            if self._state.eof:
                if not self._packed.startswith(MAGIC):
                    # The end, or padding after it.
                    return b""
                self._state = _new_member()
            packed, self._packed = self._packed, b""
            piece: bytes = self._state.decompress(packed, most)
            self._packed = self._state.unused_data if self._state.eof else self._state.unconsumed_tail
            if piece:
                return piece
            if not self._packed and not self._state.eof and self._fetched >= self._size:
                raise zlib.error("the stored bytes end before what they pack does")


def unpacked_up_to(data: bytes, most: int) -> bytes:
    """Return the first `most` unpacked bytes of a small object; data that is not gzip is returned as it is."""
    if not data.startswith(MAGIC):
        return data
    reader = _Reader(lambda start, end: data[start:end], len(data), "the object", _ResumePoint(0, 0, _new_member()))
    pieces = bytearray()
    try:
        while len(pieces) < most and (piece := reader.more(min(_PIECE, most - len(pieces)))):
            pieces += piece
    except PermanentFailure:
        return data if not pieces else bytes(pieces)
    return bytes(pieces)


def _new_member() -> Any:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)
