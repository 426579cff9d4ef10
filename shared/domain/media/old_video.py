"""AVI, Flash, MPEG program streams and Windows Media: what their headers, and the last time stamps, say."""

from __future__ import annotations

import struct

from shared.domain.media.facts import Facts
from shared.domain.media.reading import DamagedError, Window

_TAIL = 256 * 1024
_MOST_CHUNKS = 64
_CLOCK = 90_000
"""Ticks a second of MPEG time stamps."""


def probe_avi(window: Window, facts: Facts) -> Facts:
    """Facts of AVI; long films (OpenDML) count the frames of all their parts."""
    header = window.at(12, 16 * 1024)
    main = header.find(b"avih")
    if main < 0 or len(header) < main + 48:
        raise DamagedError("The AVI film does not say what it holds: it is truncated or damaged.")
    per_frame, frames = struct.unpack_from("<I12xI", header, main + 8)
    width, height = struct.unpack_from("<II", header, main + 40)
    streams = [header[at + 8 : at + 12] for at in _all(header, b"strh")]
    if not {b"vids", b"auds"}.intersection(streams):
        raise DamagedError("The AVI film holds neither sound nor pictures: it has no streams.")
    if (extended := header.find(b"dmlh")) >= 0 and len(header) >= extended + 12:
        frames = max(frames, int.from_bytes(header[extended + 8 : extended + 12], "little"))
    _avi_is_whole(window)
    if frames == 0 and b"vids" in streams:
        raise DamagedError("The AVI film holds nothing to play: it has zero frames.")
    video = next((at for at in _all(header, b"strh") if header[at + 8 : at + 12] == b"vids"), None)
    return facts.model_copy(
        update={
            "duration": frames * per_frame / 1e6 or None,
            "width": width or None,
            "height": height or None,
            "codec": header[video + 12 : video + 16].decode("latin-1").strip("\0 ") if video is not None else None,
            "has_audio": b"auds" in streams,
            "has_video": b"vids" in streams,
        }
    )


def _all(data: bytes, mark: bytes) -> list[int]:
    found: list[int] = []
    at = data.find(mark)
    while at >= 0 and len(found) < _MOST_CHUNKS:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


def _avi_is_whole(window: Window) -> None:
    at = 12
    for _ in range(_MOST_CHUNKS):
        header = window.at(at, 12)
        if len(header) < 8:
            break
        size = int.from_bytes(header[4:8], "little")
        if header[:4] == b"LIST" and header[8:12] == b"movi":
            if size == 4:
                raise DamagedError("The AVI film holds nothing to play: it has zero frames.")
            if at + 8 + size > window.size and size < 0x7FFF_F000:
                raise DamagedError(
                    f"The AVI film is truncated: {at + 8 + size:,} bytes are promised, "
                    f"{window.size:,} are there. Upload it again."
                )
            return
        at += 8 + size + (size & 1)
    raise DamagedError("The AVI film holds no pictures: it is truncated or damaged.")


def probe_flv(window: Window, facts: Facts) -> Facts:
    """Facts of Flash video: the time stamp of the last tag is the length."""
    flags = window.exactly(0, 9)[4]
    if window.size <= 13:
        raise DamagedError("The Flash video holds nothing to play: it ends behind its header.")
    size = window.number(">I", window.size - 4)
    at = window.size - 4 - size
    tag = window.at(at, 11)
    if size < 11 or len(tag) < 11 or tag[0] & 0x1F not in (8, 9, 18) or int.from_bytes(tag[1:4], "big") + 11 != size:
        raise DamagedError("The Flash video is truncated: it ends in the middle of a tag. Upload it again.")
    stamp = tag[7] << 24 | int.from_bytes(tag[4:7], "big")
    return facts.model_copy(
        update={"duration": stamp / 1000 or None, "has_audio": bool(flags & 4), "has_video": bool(flags & 1)}
    )


def probe_mpeg(window: Window, facts: Facts) -> Facts:
    """Facts of MPEG-1 and MPEG-2 films. Where they end is not marked, so truncation cannot be told."""
    head, tail = window.at(0, _TAIL), window.tail(_TAIL)
    sequence = head.find(b"\0\0\1\xb3")
    sound = any(bytes((0, 0, 1, stream)) in head for stream in (0xC0, 0xC1, 0xBD))
    if sequence < 0 and not sound:
        raise DamagedError("The MPEG film holds neither sound nor pictures in its beginning: it is damaged.")
    first, last = _clock(head, head.find(b"\0\0\1\xba")), _clock(tail, tail.rfind(b"\0\0\1\xba"))
    seconds = (last - first) / _CLOCK if first is not None and last is not None and last > first else None
    size = head[sequence + 4 : sequence + 7] if sequence >= 0 else b""
    return facts.model_copy(
        update={
            "duration": seconds,
            "width": size[0] << 4 | size[1] >> 4 if len(size) == 3 else None,
            "height": (size[1] & 15) << 8 | size[2] if len(size) == 3 else None,
            "codec": "mpeg",
            "has_audio": sound,
            "has_video": sequence >= 0,
            "warnings": facts.warnings + (() if seconds else ("The file does not say how long it is.",)),
        }
    )


def _clock(data: bytes, at: int) -> int | None:
    """The system clock of a pack header, MPEG-2 or MPEG-1, in ticks."""
    pack = data[at + 4 : at + 10] if at >= 0 else b""
    if len(pack) < 6:
        return None
    bits = int.from_bytes(pack, "big")
    if pack[0] >> 6 == 1:
        return (bits >> 43 & 7) << 30 | (bits >> 27 & 0x7FFF) << 15 | bits >> 11 & 0x7FFF
    bits >>= 8
    return (bits >> 33 & 7) << 30 | (bits >> 17 & 0x7FFF) << 15 | bits >> 1 & 0x7FFF


_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_SOUND = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_PICTURES = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


def probe_asf(window: Window, facts: Facts) -> Facts:
    """Facts of Windows Media."""
    header = window.at(0, min(window.number("<Q", 16), _TAIL))
    properties = header.find(_PROPERTIES)
    if properties < 0 or len(header) < properties + 92:
        raise DamagedError("The Windows Media file does not say what it holds: it is truncated or damaged.")
    (promised,) = struct.unpack_from("<Q", header, properties + 40)
    length, _, preroll, flags = struct.unpack_from("<QQQI", header, properties + 64)
    if promised > window.size and not flags & 1:
        raise DamagedError(
            f"The Windows Media file is truncated: {promised:,} bytes are promised, "
            f"{window.size:,} are there. Upload it again."
        )
    kinds = [header[at + 24 : at + 40] for at in _all(header, _STREAM)]
    if not {_SOUND, _PICTURES}.intersection(kinds):
        raise DamagedError("The Windows Media file holds neither sound nor pictures: it has no streams.")
    seconds = max(0.0, length / 1e7 - preroll / 1e3)
    return facts.model_copy(
        update={"duration": seconds or None, "has_audio": _SOUND in kinds, "has_video": _PICTURES in kinds}
    )
