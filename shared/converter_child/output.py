"""The converted file as FFmpeg writes it: sent to the parent in pieces, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from shared.sized_stream import SizedStream

_PIECE = 1 << 20
_MAX_PATCHES = 64

Patch = tuple[int, bytes]
"""Bytes that replace those from an offset on."""


class Output(SizedStream):
    """A file that is written from start to end.

    Muxers go back and write lengths into the beginning of a file, which was sent already. Such writes are kept as
    `patches`. When the file is written a second time, `known` are the patches of the first time.
    """

    def __init__(self, emit: Callable[[bytes], None], known: Iterable[Patch] = ()) -> None:
        super().__init__(0)
        self._emit, self._known = emit, list(known)
        self._pending, self._sent = bytearray(), 0
        self.patches: list[Patch] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        written = bytes(data)
        if self._at < self.size:
            if self._at + len(written) > self.size or len(self.patches) >= _MAX_PATCHES:
                raise ValueError("the format writes more than its lengths into its beginning")
            self.patches.append((self._at, written))
        elif self._at > self.size:
            raise ValueError("the format leaves holes")
        else:
            self._pending += written
            self.size += len(written)
            self._send(_PIECE)
        self._at += len(written)
        return len(written)

    def finish(self) -> None:
        self._send(1)

    def _send(self, least: int) -> None:
        while len(self._pending) >= least:
            piece = self._pending[:_PIECE]
            del self._pending[:_PIECE]
            self._emit(patched(bytes(piece), self._sent, self._known))
            self._sent += len(piece)


def patched(piece: bytes, start: int, patches: Iterable[Patch]) -> bytes:
    """Return the piece of the file that begins at `start`, with the patches that lie in it, or partly in it."""
    changed: bytearray | None = None
    for at, data in patches:
        begin, end = max(at, start), min(at + len(data), start + len(piece))
        if begin < end:
            changed = bytearray(piece) if changed is None else changed
            changed[begin - start : end - start] = data[begin - at : end - at]
    return piece if changed is None else bytes(changed)
