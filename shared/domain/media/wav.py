"""WAV and AIFF: chunks, one of which says how the sound is laid out and one of which is the sound."""

from __future__ import annotations

import math
from typing import NamedTuple

from shared.domain.media.facts import Facts
from shared.domain.media.reading import DamagedError, Window

_UNKNOWN_SIZE = 0x7FFF_F000
"""Programs that write to a pipe cannot go back and fill in the length: they leave 0, or a number up here."""
_FORGIVEN = 0.01
"""Share of the sound that may be missing at the end before the file counts as truncated."""
_MOST_CHUNKS = 64
_CODECS = {1: "pcm", 2: "ms-adpcm", 3: "float", 6: "a-law", 7: "mu-law", 0x11: "ima-adpcm", 0x31: "gsm", 0x55: "mp3"}


class _Chunk(NamedTuple):
    start: int
    size: int


def probe_wav(window: Window, facts: Facts) -> Facts:
    """Facts of RIFF, RIFX, RF64 and BW64 files."""
    order = ">" if window.at(0, 4) == b"RIFX" else "<"
    chunks = _chunks(window, order)
    layout, sound = chunks.get(b"fmt "), chunks.get(b"data")
    if layout is None:
        raise DamagedError("The WAV file does not say how its sound is laid out (no “fmt ” chunk): it is damaged.")
    tag = window.number(f"{order}H", layout.start)
    channels = window.number(f"{order}H", layout.start + 2)
    rate = window.number(f"{order}I", layout.start + 4)
    per_second = window.number(f"{order}I", layout.start + 8)
    if tag == 0xFFFE:
        tag = window.number(f"{order}H", layout.start + 24)
    if not (channels and rate and per_second):
        raise DamagedError("The WAV file claims no channels or no sample rate: it is damaged.")
    if sound is None:
        raise DamagedError("The WAV file holds no sound (no “data” chunk): it is truncated or damaged.")
    warnings = _completeness("WAV", sound, window.size)
    available = min(sound.size, window.size - sound.start)
    return facts.model_copy(
        update={
            "codec": _CODECS.get(tag, f"0x{tag:04x}"),
            "channels": channels,
            "sample_rate": rate,
            "duration": available / per_second,
            "has_audio": True,
            "warnings": facts.warnings + warnings,
        }
    )


def _chunks(window: Window, order: str) -> dict[bytes, _Chunk]:
    found: dict[bytes, _Chunk] = {}
    at, long_size = 12, None
    for _ in range(_MOST_CHUNKS):
        header = window.at(at, 8)
        if len(header) < 8:
            break
        name, size = header[:4], int.from_bytes(header[4:], "little" if order == "<" else "big")
        if name == b"ds64":
            long_size = window.number("<Q", at + 16)
        if name == b"data":
            size = _sound_size(window, at + 8, size, long_size)
        found.setdefault(name, _Chunk(at + 8, size))
        at += 8 + size + (size & 1)
    return found


def _sound_size(window: Window, start: int, size: int, long_size: int | None) -> int:
    """Bytes of sound, also where the header was never completed."""
    if size == 0xFFFF_FFFF and long_size:
        return long_size
    rest = window.size - start
    if size == 0:
        following = window.at(start, 8)
        empty = len(following) < 8 or following[:4].isalnum()
        return 0 if empty else rest
    return rest if size >= _UNKNOWN_SIZE else size


def _completeness(label: str, sound: _Chunk, size: int) -> tuple[str, ...]:
    """Warnings; `DamagedError` when there is no sound, or much less than was claimed."""
    available = size - sound.start
    if sound.size <= 0 or available <= 0:
        raise DamagedError(f"The {label} file holds no sound: it has zero frames.")
    if available >= sound.size:
        return ()
    if (sound.size - available) > sound.size * _FORGIVEN:
        raise DamagedError(
            f"The {label} file is truncated: its header claims {sound.size:,} bytes of sound, "
            f"only {available:,} are there. Upload it again."
        )
    return (f"The last {sound.size - available:,} bytes of sound that the header claims are missing.",)


def probe_aiff(window: Window, facts: Facts) -> Facts:
    """Facts of AIFF and AIFC files."""
    chunks = _chunks(window, ">")
    common, sound = chunks.get(b"COMM"), chunks.get(b"SSND")
    if common is None or sound is None:
        raise DamagedError("The AIFF file lacks its description or its sound: it is truncated or damaged.")
    channels = window.number(">H", common.start)
    frames = window.number(">I", common.start + 2)
    rate = _extended(window.exactly(common.start + 8, 10))
    if not channels or not 1 <= rate < 1e7:
        raise DamagedError("The AIFF file claims no channels or no sample rate: it is damaged.")
    if frames == 0:
        raise DamagedError("The AIFF file holds no sound: it has zero frames.")
    compressed = window.at(8, 4) == b"AIFC"
    return facts.model_copy(
        update={
            "codec": window.at(common.start + 18, 4).decode("latin-1").strip() if compressed else "pcm",
            "channels": channels,
            "sample_rate": round(rate),
            "duration": frames / rate,
            "has_audio": True,
            "warnings": facts.warnings + _completeness("AIFF", sound, window.size),
        }
    )


def _extended(ten: bytes) -> float:
    """An 80-bit IEEE 754 number, as AIFF writes its sample rate."""
    exponent, mantissa = int.from_bytes(ten[:2], "big") & 0x7FFF, int.from_bytes(ten[2:], "big")
    return math.ldexp(mantissa, exponent - 16446) if exponent < 17000 else 0.0
