"""WebM (RFC 9559): elements with ids and lengths of variable width."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.media.facts import Facts
from shared.domain.media.kinds import media_type
from shared.domain.media.reading import MAX_READ, DamagedError, Window

_SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_SCALE, _DURATION, _ENTRY, _TIME = 0x2AD7B1, 0x4489, 0xAE, 0xE7
_TYPE, _CODEC, _VIDEO, _AUDIO = 0x83, 0x86, 0xE0, 0xE1
_WIDTH, _HEIGHT, _RATE, _CHANNELS = 0xB0, 0xBA, 0xB5, 0x9F
_BLOCKS = (0xA3, 0xA0)
_MOST_ELEMENTS = 256
_A_SECOND = 1_000_000_000


class _Element(NamedTuple):
    id: int
    start: int
    """Of its content."""
    end: int | None
    """None: of unknown length, as live recordings write it."""


@dataclass
class _Found:
    scale: int = 1_000_000
    length: float = 0.0
    """In units of `scale` nanoseconds."""
    sound: str | None = None
    pictures: str | None = None
    rate: int | None = None
    channels: int | None = None
    width: int | None = None
    height: int | None = None


def probe_matroska(window: Window, facts: Facts) -> Facts:
    """Facts of WebM; one without pictures becomes audio/webm."""
    segment = next((each for each in _elements(window, 0, window.size) if each.id == _SEGMENT), None)
    if segment is None:
        raise DamagedError("The WebM file holds nothing (no segment): it is truncated or damaged.")
    if segment.end is not None and segment.end > window.size:
        raise DamagedError(
            f"The WebM file is truncated: {segment.end:,} bytes are promised, {window.size:,} are there. "
            "Upload it again."
        )
    found, clusters = _Found(), False
    for element in _elements(window, segment.start, window.size):
        if element.id == _CLUSTER:
            clusters = True
            break
        if element.id == _INFO and element.end is not None:
            _read_info(window, element, element.end, found)
        if element.id == _TRACKS and element.end is not None:
            for track in _elements(window, element.start, element.end):
                if track.id == _ENTRY and track.end is not None:
                    _read_track(window, track, track.end, found)
    if found.sound is None and found.pictures is None:
        raise DamagedError("The WebM file holds neither sound nor pictures: it has no tracks.")
    if not clusters:
        raise DamagedError("The WebM file holds nothing to play: it ends behind its header.")
    seconds = found.length * found.scale / _A_SECOND or _last_cluster(window, found.scale)
    kind = media_type("audio/webm" if found.pictures is None else "video/webm")
    return facts.model_copy(
        update={
            "media_type": kind.model_copy(update={"mismatch": facts.media_type.mismatch}),
            "duration": seconds or None,
            "codec": found.pictures or found.sound,
            "sample_rate": found.rate,
            "channels": found.channels,
            "width": found.width,
            "height": found.height,
            "has_audio": found.sound is not None,
            "has_video": found.pictures is not None,
            "warnings": facts.warnings + (() if seconds else ("The file does not say how long it is.",)),
        }
    )


def _read_info(window: Window, info: _Element, end: int, found: _Found) -> None:
    for element in _elements(window, info.start, end):
        if element.id == _SCALE:
            found.scale = _integer(window, element) or found.scale
        if element.id == _DURATION:
            found.length = max(0.0, _real(window, element))


def _read_track(window: Window, track: _Element, end: int, found: _Found) -> None:
    inside = {element.id: element for element in _elements(window, track.start, end)}
    kind = _integer(window, inside[_TYPE]) if _TYPE in inside else 0
    codec = _text(window, inside[_CODEC]) if _CODEC in inside else "unknown"
    if kind == 2 and found.sound is None:
        found.sound = codec
        details = _inside(window, inside.get(_AUDIO))
        found.rate = round(_real(window, details[_RATE])) if _RATE in details else 8000
        found.channels = _integer(window, details[_CHANNELS]) if _CHANNELS in details else 1
    if kind == 1 and found.pictures is None:
        found.pictures = codec
        details = _inside(window, inside.get(_VIDEO))
        found.width = _integer(window, details[_WIDTH]) if _WIDTH in details else None
        found.height = _integer(window, details[_HEIGHT]) if _HEIGHT in details else None


def _inside(window: Window, element: _Element | None) -> dict[int, _Element]:
    if element is None or element.end is None:
        return {}
    return {each.id: each for each in _elements(window, element.start, element.end)}


def _elements(window: Window, at: int, end: int) -> Iterator[_Element]:
    for _ in range(_MOST_ELEMENTS):
        header = window.at(at, 12) if at < end else b""
        if not header:
            return
        id_width = 9 - header[0].bit_length()
        if id_width > 4 or len(header) <= id_width:
            return
        width = 9 - header[id_width].bit_length()
        if width > 8 or len(header) < id_width + width:
            return
        size = int.from_bytes(header[id_width : id_width + width], "big") & (1 << 7 * width) - 1
        start = at + id_width + width
        unknown = size == (1 << 7 * width) - 1
        yield _Element(int.from_bytes(header[:id_width], "big"), start, None if unknown else start + size)
        if unknown:
            return
        at = start + size


def _integer(window: Window, element: _Element) -> int:
    return int.from_bytes(_content(window, element, 8), "big")


def _real(window: Window, element: _Element) -> float:
    data = _content(window, element, 8)
    value = float(struct.unpack(">f" if len(data) == 4 else ">d", data)[0]) if len(data) in (4, 8) else 0.0
    return value if math.isfinite(value) else 0.0


def _text(window: Window, element: _Element) -> str:
    return _content(window, element, 64).decode("latin-1").rstrip("\0")


def _content(window: Window, element: _Element, most: int) -> bytes:
    return window.at(element.start, min(most, (element.end or element.start) - element.start))


def _last_cluster(window: Window, scale: int) -> float:
    """Seconds by the time of the last cluster and the last block in it, for recordings made live."""
    start = max(0, window.size - MAX_READ)
    tail = window.at(start, MAX_READ)
    at = tail.rfind(_CLUSTER.to_bytes(4, "big"))
    if at < 0:
        return 0.0
    time, latest = 0, 0
    cluster = next(_elements(window, start + at, window.size), None)
    for element in _elements(window, cluster.start, window.size) if cluster else ():
        if element.id == _TIME:
            time = _integer(window, element)
        if element.id == _BLOCKS[0]:
            latest = max(latest, int.from_bytes(window.at(element.start + 1, 2), "big", signed=True))
    return (time + latest) * scale / _A_SECOND
