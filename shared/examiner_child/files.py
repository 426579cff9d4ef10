"""The examined file as its readers need it: seekable and buffered, or a part of it as its own file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.sized_stream import RangeStream, ReadableStream

_BLOCK = 256 << 10
_MAX_BLOCKS_AT_ONCE = 16
"""Reads of 4 MiB where a reader goes through a file from start to end."""
_CACHED_BYTES = 48 << 20


class ExaminedFile(RangeStream):
    """A read-only file of `size` bytes, read by `fetch(offset, length)` in few and large pieces.

    `unavailable` becomes true once a range cannot be read: the libraries turn read errors into errors of their own, or
    into the end of the file.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, *, cached_bytes: int = _CACHED_BYTES) -> None:
        super().__init__(size)
        self._fetch, self._cached_bytes = fetch, cached_bytes
        self._blocks: dict[int, bytes] = {}
        self._next_block, self._run = 0, 1
        self.unavailable = False

    def range(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`: fewer where the file ends, none outside of it."""
        end = min(offset + length, self.size)
        if offset < 0 or end <= offset:
            return b""
        first, last = offset // _BLOCK, (end - 1) // _BLOCK
        pieces = [self._block(number, last) for number in range(first, last + 1)]
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return data[offset - first * _BLOCK : end - first * _BLOCK]

    def _block(self, number: int, last: int) -> bytes:
        if number not in self._blocks:
            self._bring(number, last)
        return self._blocks[number]

    def _bring(self, number: int, last: int) -> None:
        # Sequential reads get twice as much each time.
        self._run = min(self._run * 2, _MAX_BLOCKS_AT_ONCE) if number == self._next_block else 1
        count = max(self._run, min(last - number + 1, _MAX_BLOCKS_AT_ONCE))
        data = self._fetched(number, count)
        while self._blocks and len(self._blocks) * _BLOCK + len(data) > self._cached_bytes:
            del self._blocks[next(iter(self._blocks))]
        for at in range(0, len(data), _BLOCK):
            self._blocks[number + at // _BLOCK] = data[at : at + _BLOCK]
        self._next_block = number + count

    def _fetched(self, number: int, count: int) -> bytes:
        start = number * _BLOCK
        try:
            return self._fetch(start, min(count * _BLOCK, self.size - start))
        except OSError:
            if count > 1:
                # Perhaps only the bytes read ahead are unavailable.
                return self._fetched(number, 1)
            self.unavailable = True
            raise


class Ranges:
    """The file for the header readers."""

    def __init__(self, file: ExaminedFile) -> None:
        self._file = file
        self.size = file.size

    def read(self, offset: int, length: int) -> bytes:
        return self._file.range(offset, length)


class Part(ReadableStream):
    """A file from `start` on, with `prefix` before it. It appears to end where a range is not available."""

    def __init__(self, whole: ExaminedFile, start: int, *, prefix: bytes = b"") -> None:
        super().__init__(len(prefix) + whole.size - start)
        self._whole, self._start, self._prefix = whole, start, prefix

    def readinto(self, buffer: Any) -> int:
        length = max(0, min(len(buffer), self.size - self._at))
        head = self._prefix[self._at : self._at + length]
        rest = length - len(head)
        try:
            data = head + self._whole.range(self._start + max(0, self._at - len(self._prefix)), rest)
        except OSError:
            # FFmpeg would drop what it has read at an error; at the end of a file it keeps it.
            data = head
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
