"""Bounded reads of a file that may be larger than memory, for header readers."""

from __future__ import annotations

import struct
from typing import Protocol

MAX_READ = 1 << 20
"""Bytes that one read may ask for."""


class RandomAccess(Protocol):
    """A file somewhere. `read` returns fewer bytes only at the end; its errors pass through."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...


class InMemory:
    """A file in memory, for inline data and tests."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class DamagedError(Exception):
    """The file contradicts itself or its format; the text is a sentence for a person."""


class RangeUnavailableError(Exception):
    """The range is not available, or the file would need too many reads."""


class Window:
    """A file from `start` on, read in ranges of at most `MAX_READ` bytes."""

    def __init__(self, source: RandomAccess, start: int = 0) -> None:
        self._source, self._start = source, start
        self.size = source.size - start

    def at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`: fewer at the file's end, none beyond it."""
        length = min(length, self.size - offset, MAX_READ)
        if offset < 0 or length <= 0:
            return b""
        return self._source.read(self._start + offset, length)

    def exactly(self, offset: int, length: int) -> bytes:
        """Return `length` bytes. Raises `DamagedError` if the file ends before."""
        data = self.at(offset, length)
        if len(data) < length:
            raise DamagedError("The file ends in the middle of its structure: it is truncated or damaged.")
        return data

    def number(self, code: str, offset: int) -> int:
        """Return the integer at `offset`, by its `struct` code (">I", "<H" …)."""
        return int(struct.unpack(code, self.exactly(offset, struct.calcsize(code)))[0])

    def tail(self, length: int) -> bytes:
        return self.at(max(0, self.size - length), length)
