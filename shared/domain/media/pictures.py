"""Read the size of PNG, JPEG and WebP pictures, and check that their end is not missing."""

from __future__ import annotations

import zlib

from shared.domain.media.facts import Facts
from shared.domain.media.random_access import DamagedError, Window

_TAIL = 64 * 1024
"""Cameras and editors append data to pictures, so the end mark is searched in this many bytes."""
_MAX_SEGMENTS = 256
_ANIMATED = "The picture is animated; only its first frame may be looked at."


def probe_png(window: Window, facts: Facts) -> Facts:
    """Return the facts of PNG and APNG."""
    header = window.exactly(8, 25)
    if header[4:8] != b"IHDR" or zlib.crc32(header[4:21]) != int.from_bytes(header[21:25], "big"):
        raise DamagedError("The PNG image has a damaged header.")
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    _require_area("PNG", width, height)
    at, animated = 33, False
    for _ in range(_MAX_SEGMENTS):
        chunk = window.at(at, 12)
        if len(chunk) < 12:
            raise DamagedError("The PNG image is truncated: it holds no picture data. Upload it again.")
        if chunk[4:8] == b"acTL":
            animated = True
        if chunk[4:8] == b"IDAT":
            break
        at += 12 + int.from_bytes(chunk[:4], "big")
    if b"IEND\xae\x42\x60\x82" not in window.tail(_TAIL):
        raise DamagedError("The PNG image is truncated: its end is missing. Upload it again.")
    return _sized(facts, width, height, animated)


def probe_jpeg(window: Window, facts: Facts) -> Facts:
    """Return the facts of JPEG, with a warning for CMYK, whose colours few programs show right."""
    at, size = 2, None
    for _ in range(_MAX_SEGMENTS):
        marker = window.exactly(at, 4)
        if marker[0] != 0xFF:
            raise DamagedError("The JPEG image is damaged: its header breaks off.")
        if marker[1] == 0xFF:
            at += 1
            continue
        if marker[1] in (0x01, *range(0xD0, 0xD8)):
            at += 2
            continue
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
            frame = window.exactly(at + 5, 5)
            size = int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[0:2], "big"), frame[4]
        if marker[1] == 0xDA:
            break
        at += 2 + max(2, int.from_bytes(marker[2:4], "big"))
    if size is None:
        raise DamagedError("The JPEG image is damaged: it does not say how large it is.")
    _require_area("JPEG", size[0], size[1])
    tail_start = max(at, window.size - _TAIL)
    if b"\xff\xd9" not in window.at(tail_start, _TAIL):
        raise DamagedError("The JPEG image is truncated: its end is missing. Upload it again.")
    sized = _sized(facts, size[0], size[1], animated=False)
    if size[2] == 4:
        note = "The picture is in CMYK colours, as for print; its colours may be seen wrongly."
        return sized.model_copy(update={"warnings": (*sized.warnings, note)})
    return sized


def probe_webp(window: Window, facts: Facts) -> Facts:
    """Return the facts of WebP: lossy, lossless, extended or animated."""
    promised = window.number("<I", 4) + 8
    if promised > window.size:
        raise DamagedError(
            f"The WebP image is truncated: {promised:,} bytes are promised, {window.size:,} are there. Upload it again."
        )
    kind, data = window.exactly(12, 4), window.exactly(20, 10)
    if kind == b"VP8X":
        width, height = int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    elif kind == b"VP8L" and data[0] == 0x2F:
        packed = int.from_bytes(data[1:5], "little")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        width, height = int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    else:
        raise DamagedError("The WebP image is damaged: it holds no picture.")
    _require_area("WebP", width, height)
    return _sized(facts, width, height, animated=kind == b"VP8X" and bool(data[0] & 2))


def _require_area(label: str, width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise DamagedError(f"The {label} image is damaged: it claims to be {width} x {height} pixels large.")


def _sized(facts: Facts, width: int, height: int, animated: bool) -> Facts:
    return facts.model_copy(
        update={
            "width": width,
            "height": height,
            "warnings": (*facts.warnings, *((_ANIMATED,) if animated else ())),
        }
    )
