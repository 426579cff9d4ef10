"""FLAC (RFC 9639): STREAMINFO says how long it should be, the last frame says how long it is."""

from __future__ import annotations

from typing import NamedTuple

from shared.domain.media.facts import Facts
from shared.domain.media.mpeg_audio import behind_id3
from shared.domain.media.reading import DamagedError, Window

_TAIL = 256 * 1024
"""More than one frame of ordinary sound: 4,096 samples of 8 channels at 24 bits, stored as they are, have 98 KiB."""
_MOST_BLOCKS = 128
_PAD = 4096
"""Samples that encoders may round the total by."""
_BLOCK_SIZES = {1: 192, **{code: 576 << code - 2 for code in range(2, 6)}, **{n: 256 << n - 8 for n in range(8, 16)}}


class _StreamInfo(NamedTuple):
    block: int
    rate: int
    channels: int
    samples: int
    """Zero: not known when the header was written."""


def probe_flac(window: Window, facts: Facts) -> Facts:
    """Facts of a native FLAC file."""
    start = behind_id3(window)
    if window.exactly(start, 4) != b"fLaC":
        raise DamagedError("The FLAC file does not begin as one: it is damaged.")
    info = _stream_info(window.exactly(start + 8, 18))
    if info.rate == 0:
        raise DamagedError("The FLAC file claims a sample rate of zero: it is damaged.")
    sound = _first_frame(window, start + 4)
    if sound >= window.size:
        raise DamagedError("The FLAC file holds no sound: it ends behind its header.")
    end = _last_sample(window, sound, info.block)
    if end is None:
        raise DamagedError("The FLAC file is truncated or damaged: no frame of sound was found at its end.")
    if info.samples and end + _PAD < info.samples * 0.99:
        raise DamagedError(
            f"The FLAC file is truncated: its header claims {info.samples / info.rate:.1f} s of sound, "
            f"only {end / info.rate:.1f} s are there. Upload it again."
        )
    return facts.model_copy(
        update={
            "codec": "flac",
            "sample_rate": info.rate,
            "channels": info.channels,
            "duration": (info.samples or end) / info.rate,
            "has_audio": True,
        }
    )


def _stream_info(block: bytes) -> _StreamInfo:
    packed = int.from_bytes(block[10:18], "big")
    return _StreamInfo(
        block=int.from_bytes(block[2:4], "big"),
        rate=packed >> 44,
        channels=(packed >> 41 & 7) + 1,
        samples=packed & (1 << 36) - 1,
    )


def _first_frame(window: Window, at: int) -> int:
    for _ in range(_MOST_BLOCKS):
        header = window.exactly(at, 4)
        at += 4 + int.from_bytes(header[1:], "big")
        if header[0] & 0x80:
            return at
    raise DamagedError("The FLAC file has more metadata blocks than it could need: it is damaged.")


def _last_sample(window: Window, sound: int, block: int) -> int | None:
    """The number of the sample after the last whole frame, by the last frame header in the tail."""
    start = max(sound, window.size - _TAIL)
    tail = window.at(start, _TAIL)
    end = len(tail)
    while (at := tail.rfind(b"\xff", 0, end)) >= 0:
        end = at
        found = _frame_end(tail[at : at + 16], block)
        if found is not None:
            return found
    return None


def _frame_end(header: bytes, block: int) -> int | None:
    """Where the frame of this header ends, in samples; None when its check byte says that it is no header."""
    if len(header) < 6 or header[1] & 0xFE != 0xF8 or header[2] >> 4 == 0 or header[3] & 1:
        return None
    number, at = _coded_number(header)
    size_code, rate_code = header[2] >> 4, header[2] & 15
    extra = {6: 1, 7: 2}.get(size_code, 0)
    size = int.from_bytes(header[at : at + extra], "big") + 1 if extra else _BLOCK_SIZES.get(size_code, 0)
    at += extra + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if number is None or at >= len(header) or _crc8(header[:at]) != header[at]:
        return None
    return number + size if header[1] & 1 else number * block + size


def _coded_number(header: bytes) -> tuple[int | None, int]:
    """A number coded as UTF-8 codes characters, with up to 36 bits; and the place after it."""
    first = header[4]
    more = next((length for length in range(8) if not first & 0x80 >> length), 8)
    if more in (1, 8) or len(header) < 5 + more:
        return None, 5
    value = first & 0x7F >> more if more else first
    for byte in header[5 : 4 + more] if more else b"":
        if byte & 0xC0 != 0x80:
            return None, 5
        value = value << 6 | byte & 0x3F
    return value, 4 + max(more, 1)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc
