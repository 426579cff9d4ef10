"""Read the chunks of WAV and AVI files (RIFF): where the sound is, and whether it is complete."""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from shared.domain.media.random_access import DamagedError, Window

_UNKNOWN_SIZE = 0x7FFF_F000
"""Programs that write to a pipe cannot fill in the length later: they leave 0, or a number from here on."""
_TOLERATED_SHARE = 0.01
"""Share of the sound that may be missing at the end before the file counts as truncated."""
_MAX_CHUNKS = 64


class Chunk(NamedTuple):
    start: int
    size: int
    """As the header says. The file may end earlier."""


def find_sound_chunks(window: Window) -> tuple[Chunk, Chunk]:
    """Return the format chunk and the data chunk. Raises `DamagedError` if one is missing, or the format is invalid."""
    chunks = _chunks(window)
    layout, sound = chunks.get(b"fmt "), chunks.get(b"data")
    if layout is None:
        raise DamagedError("The WAV file does not say how its sound is laid out (no “fmt ” chunk): it is damaged.")
    order = "<" if window.at(0, 4) != b"RIFX" else ">"
    if not window.number(f"{order}H", layout.start + 2) or not window.number(f"{order}I", layout.start + 4):
        raise DamagedError("The WAV file claims no channels or no sample rate: it is damaged.")
    if sound is None:
        raise DamagedError("The WAV file holds no sound (no “data” chunk): it is truncated or damaged.")
    return layout, sound


def check_wav_is_complete(window: Window, sound: Chunk) -> tuple[str, ...]:
    """Return warnings. Raises `DamagedError` if there is no sound, or much less than the header says."""
    available = window.size - sound.start
    if sound.size <= 0 or available <= 0:
        raise DamagedError("The WAV file holds no sound: it has zero frames.")
    missing = sound.size - available
    if missing <= 0:
        return ()
    if missing > sound.size * _TOLERATED_SHARE:
        raise DamagedError(
            f"The WAV file is truncated: its header claims {sound.size:,} bytes of sound, "
            f"only {available:,} are there. Upload it again."
        )
    return (f"The last {missing:,} bytes of sound that the header claims are missing.",)


def rewritten_header(window: Window, layout: Chunk, sound: Chunk) -> bytes:
    """Return a correct header for the sound of a WAV file whose chunks are in the wrong places."""
    order = "<" if window.at(0, 4) != b"RIFX" else ">"
    kind = b"RIFX" if order == ">" else b"RIFF"
    described = window.exactly(layout.start, min(layout.size, 64))
    size = max(0, min(sound.size, window.size - sound.start, 0xFFFF_0000))
    inside = b"fmt " + struct.pack(f"{order}I", len(described)) + described + b"\0" * (len(described) & 1)
    inside += b"data" + struct.pack(f"{order}I", size)
    return kind + struct.pack(f"{order}I", 4 + len(inside) + size) + b"WAVE" + inside


def check_avi_is_complete(window: Window) -> None:
    """Raise `DamagedError` if an AVI film is truncated or has no pictures."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        header = window.at(at, 12)
        if len(header) < 8:
            break
        size = int.from_bytes(header[4:8], "little")
        if header[:4] == b"LIST" and header[8:12] == b"movi":
            if size == 4:
                raise DamagedError("The AVI film holds nothing to play: it has zero frames.")
            if at + 8 + size > window.size and size < _UNKNOWN_SIZE:
                raise DamagedError(
                    f"The AVI film is truncated: {at + 8 + size:,} bytes are promised, "
                    f"{window.size:,} are there. Upload it again."
                )
            return
        at += 8 + size + (size & 1)
    raise DamagedError("The AVI film holds no pictures: it is truncated or damaged.")


def _chunks(window: Window) -> dict[bytes, Chunk]:
    order: Literal["big", "little"] = "big" if window.at(0, 4) == b"RIFX" else "little"
    chunks: dict[bytes, Chunk] = {}
    at, long_size = 12, 0
    for _ in range(_MAX_CHUNKS):
        header = window.at(at, 8)
        if len(header) < 8:
            break
        name, size = header[:4], int.from_bytes(header[4:], order)
        if name == b"ds64" and len(window.at(at + 16, 8)) == 8:
            long_size = window.number("<Q", at + 16)
        if name == b"data":
            size = _sound_size(window, at + 8, size, long_size)
        chunks.setdefault(name, Chunk(at + 8, size))
        at = _next_chunk_offset(window, at, size)
    return chunks


def _sound_size(window: Window, start: int, size: int, long_size: int) -> int:
    """Return the size of the sound in bytes, also if the header was never completed."""
    if size == 0xFFFF_FFFF and long_size:
        return long_size
    rest = window.size - start
    if size == 0:
        return 0 if rest < 8 or _are_chunks(window, start) else rest
    return rest if size >= _UNKNOWN_SIZE else size


def _next_chunk_offset(window: Window, at: int, size: int) -> int:
    """Return the offset of the next chunk. It is even, unless a program left out the padding byte.

    The padding byte is zero, and a chunk's name does not begin with zero.
    """
    end = at + 8 + size
    forgotten = size & 1 and window.at(end, 1) not in (b"\0", b"") and not window.at(end + 1, 4).isalnum()
    return end if forgotten else end + (size & 1)


def _are_chunks(window: Window, at: int) -> bool:
    """Return whether the rest of the file consists of chunks, rather than of sound that looks like a chunk's name."""
    for _ in range(_MAX_CHUNKS):
        if at >= window.size:
            return at <= window.size + 1
        header = window.at(at, 8)
        if len(header) < 8:
            return False
        at = _next_chunk_offset(window, at, int.from_bytes(header[4:], "little"))
    return False
