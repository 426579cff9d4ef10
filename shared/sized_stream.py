"""A seekable stream whose size is known: what all streams of the product's own have in common."""

from __future__ import annotations

import io


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
    """A sized stream that is read."""

    def readable(self) -> bool:
        return True
