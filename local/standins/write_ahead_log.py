"""Checks whether a SQLite write-ahead log is intact up to its end. The format:
https://sqlite.org/fileformat2.html#walformat

SQLite takes the first frame whose checksum is wrong for the log's end. After a killed process that is right: the last
frame may be half written. Where committed frames follow it, it is damage, and would cost them in silence.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER, _FRAME = struct.Struct(">8I"), struct.Struct(">6I")
_MAGIC = 0x377F0682
_Sums = tuple[int, int]


def damage(log: bytes) -> str | None:
    """Return where the log is damaged, or None if it is whole or only its end was not written."""
    if len(log) <= _HEADER.size:
        return None
    magic, _, page, _, *salts, first, second = _HEADER.unpack_from(log)
    order = ">" if magic & 1 else "<"
    if magic & ~1 != _MAGIC or _sums(log[:24], order, (0, 0)) != (first, second):
        return "its header is broken" if any(log) else None
    broken, number = 0, 0
    for number, whole, commits in _frames(log, page, salts, order, (first, second)):
        if not whole and not broken:
            broken = number
        elif whole and broken and commits:
            return f"frame {broken} is broken, but frame {number} behind it is a commit"
    return None


def _frames(log: bytes, page: int, salts: list[int], order: str, before: _Sums) -> Iterator[tuple[int, bool, bool]]:
    """Each frame of the log's present run: its number, whether it follows on the one before, and whether it commits."""
    size = _FRAME.size + page
    for number, at in enumerate(range(_HEADER.size, len(log) - size + 1, size), 1):
        _, pages_after, *of_frame, first, second = _FRAME.unpack_from(log, at)
        whole = of_frame == salts
        if whole:
            sums = _sums(log[at : at + 8], order, before)
            whole = _sums(log[at + _FRAME.size : at + size], order, sums) == (first, second)
        yield number, whole, pages_after != 0
        before = (first, second)


def _sums(data: bytes, order: str, before: _Sums) -> _Sums:
    """Go on with the two running sums over 32-bit words."""
    first, second = before
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for even, odd in zip(words, words, strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
