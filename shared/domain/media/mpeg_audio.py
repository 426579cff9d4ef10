"""MP3 and raw AAC: frames one after the other. A few files say how many; else the first megabyte tells the rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from shared.domain.media.facts import Facts
from shared.domain.media.mpeg_frames import Frame, adts_frame, layer_frame
from shared.domain.media.reading import MAX_READ, DamagedError, Window

_MOST_RESYNCS = 4096
_MISSING = 0.95
"""Share of the bytes that the index promises below which a recording counts as truncated."""
_FEWEST_BYTES = 24
"""The smallest frame there is: 8 kbit/s at 24 kHz."""


class _Walk(NamedTuple):
    first: Frame
    start: int
    """Of the first frame, in the bytes walked."""
    frames: int
    samples: int
    bytes: int


def behind_id3(window: Window) -> int:
    """Where the file goes on after ID3v2 tags (there can be several)."""
    at = 0
    for _ in range(4):
        header = window.at(at, 10)
        if len(header) < 10 or header[:3] != b"ID3":
            break
        size = 0
        for byte in header[6:10]:
            size = size << 7 | byte & 0x7F
        at += 10 + size + (10 if header[5] & 0x10 else 0)
    return at


def probe_mpeg_audio(window: Window, facts: Facts) -> Facts:
    """Facts of MPEG audio of layers I to III, of constant or variable bit rate."""
    start = behind_id3(window)
    walk = _walk(window, start, layer_frame, 4, "MP3")
    begin = start + walk.start
    frames, promised = _index(window, begin, walk.first)
    sound = window.size - begin - (128 if window.at(window.size - 128, 3) == b"TAG" else 0)
    if frames:
        duration = frames * walk.first.samples / walk.first.rate
        if (promised or frames * _FEWEST_BYTES) * _MISSING > sound:
            raise DamagedError(
                f"The MP3 file is truncated: it says that it holds {duration:.0f} s of sound, "
                f"but has only {sound:,} bytes. Upload it again."
            )
    else:
        duration = walk.samples / walk.first.rate * (sound / walk.bytes)
    return _with(facts, walk.first, f"mp{walk.first.layer}", duration)


def probe_adts(window: Window, facts: Facts) -> Facts:
    """Facts of AAC in an ADTS stream."""
    start = behind_id3(window)
    walk = _walk(window, start, adts_frame, 7, "AAC")
    sound = window.size - start - walk.start
    return _with(facts, walk.first, "aac", walk.samples / walk.first.rate * (sound / walk.bytes))


def _with(facts: Facts, frame: Frame, codec: str, duration: float) -> Facts:
    return facts.model_copy(
        update={
            "codec": codec,
            "sample_rate": frame.rate,
            "channels": frame.channels or None,
            "duration": duration,
            "has_audio": True,
        }
    )


def _walk(window: Window, start: int, parse: Callable[[bytes], Frame | None], header: int, label: str) -> _Walk:
    """Count the frames of the first megabyte; junk between frames is stepped over."""
    data = window.at(start, MAX_READ)
    at, resyncs, counted = 0, 0, 0
    first: tuple[int, Frame] | None = None
    samples = covered = 0
    while at + header <= len(data) and resyncs < _MOST_RESYNCS:
        frame = parse(data[at : at + header])
        if frame is None:
            resyncs += 1
            found = data.find(b"\xff", at + 1)
            at = found if found >= 0 else len(data)
            continue
        if first is None:
            following = data[at + frame.length : at + frame.length + header]
            if len(following) == header and parse(following) is None:
                at += 1
                resyncs += 1
                continue
            first = at, frame
        if at + frame.length > len(data):
            break
        counted += 1
        samples += frame.samples
        covered += frame.length
        at += frame.length
    if first is None or counted == 0:
        raise DamagedError(f"The {label} file holds no whole frame of sound: it is empty, truncated or damaged.")
    return _Walk(first[1], first[0], counted, samples, covered)


def _index(window: Window, begin: int, first: Frame) -> tuple[int, int]:
    """Frames and bytes by a Xing, Info or VBRI header in the first frame; zeros when there is none."""
    at = begin + 4 + first.side_info
    if window.at(at, 4) in (b"Xing", b"Info"):
        flags = window.number(">I", at + 4)
        frames = window.number(">I", at + 8) if flags & 1 else 0
        count = window.number(">I", at + (12 if flags & 1 else 8)) if flags & 2 else 0
        return frames, count
    if window.at(begin + 36, 4) == b"VBRI":
        return window.number(">I", begin + 50), window.number(">I", begin + 46)
    return 0, 0
