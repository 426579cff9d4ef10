"""A seekable stream whose size is known: what all streams of the product's own have in common."""

from __future__ import annotations

import io
from abc import abstractmethod

from typing_extensions import Buffer


class SizedStream(io.RawIOBase):
    """A stream of `size` bytes that keeps its position. Subclasses read or write at `_at`, and move it on."""

    def __init__(self, size: int) -> None:
        self.size, self._at = size, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as `io.BytesIO` does: behind the end if asked to, and to 0 for a relative position before the start.

        Raises `ValueError` for a negative absolute position.
        """
        if whence == io.SEEK_SET and offset < 0:
            raise ValueError(f"negative seek position: {offset}")
        self._at = max(0, {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence] + offset)
        return self._at


class ReadableStream(SizedStream):
    """A sized stream that is read. Subclasses override `read`, or `readinto`: each calls the other otherwise."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)


class RangeStream(ReadableStream):
    """A readable stream over what can be read from any place."""

    @abstractmethod
    def range(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`: fewer where the stream ends, none outside of it."""

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.range(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
