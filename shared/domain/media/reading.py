"""How parsers read: few and bounded ranges of a file that may be gigabytes away.

A parser sees a `Window`. It fetches at least 64 KiB at a time, keeps what it fetched, and ends the parse with
`OutOfReadsError` when a file would need more reads than it is worth.
"""

from __future__ import annotations

import struct
from typing import Protocol

MAX_READ = 1 << 20
"""Bytes that one read may ask for."""
_AHEAD = 1 << 16


class RandomAccess(Protocol):
    """A file somewhere. `read` gives fewer bytes only at the end; its errors (network, deadline) pass through."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...


class InMemory:
    """Bytes at hand, for inline data and tests."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class DamagedError(Exception):
    """The file contradicts itself or its format; the text is a sentence for a person."""


class OutOfReadsError(Exception):
    """The file is laid out so that more reads than allowed would be needed."""


class Window:
    """Bounded, remembering access to a file. `max_reads` reads of at most `MAX_READ` bytes; `head` was read already."""

    def __init__(self, source: RandomAccess, max_reads: int = 16, head: bytes = b"") -> None:
        self._source = source
        self._left = max_reads
        self._blocks = [(0, head)]
        self.size = source.size

    def at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`: fewer where the file ends, none outside of it."""
        length = min(length, self.size - offset, MAX_READ)
        if offset < 0 or length <= 0:
            return b""
        for start, block in reversed(self._blocks):
            if start <= offset and offset + length <= start + len(block):
                return block[offset - start : offset - start + length]
        return self._fetch(offset, length)

    def exactly(self, offset: int, length: int) -> bytes:
        """`length` bytes, or `DamagedError` where the file ends before."""
        data = self.at(offset, length)
        if len(data) < length:
            raise DamagedError("The file ends in the middle of its structure: it is truncated or damaged.")
        return data

    def number(self, code: str, offset: int) -> int:
        """One integer at `offset`, by its `struct` code (">I", "<H" …)."""
        return int(struct.unpack(code, self.exactly(offset, struct.calcsize(code)))[0])

    def tail(self, length: int) -> bytes:
        return self.at(max(0, self.size - length), length)

    def _fetch(self, offset: int, length: int) -> bytes:
        if self._left <= 0:
            raise OutOfReadsError
        self._left -= 1
        start = 0 if offset + length <= _AHEAD else offset
        block = self._source.read(start, min(max(length, _AHEAD), self.size - start))
        self._blocks.append((start, block))
        return block[offset - start : offset - start + length]
