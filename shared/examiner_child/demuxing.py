"""Open recordings and films with FFmpeg, and count their packets."""

from __future__ import annotations

import io
import time
from typing import NamedTuple

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from shared.domain.media.kinds import Format
from shared.examiner_child.timeline import Timeline

_COUNTING_SECONDS = 4.0
"""Seconds for counting packets. A recording of low bit rate has a million of them in 32 MiB."""
_DEMUXERS: dict[Format, str] = {
    "wav": "wav", "aiff": "aiff", "flac": "flac", "mpeg-audio": "mp3", "adts": "aac", "ogg": "ogg", "mp4": "mov",
    "matroska": "matroska", "avi": "avi", "flv": "flv", "mpeg": "mpeg", "asf": "asf", "amr": "amr", "caf": "caf",
    "au": "au", "w64": "w64", "ape": "ape", "wavpack": "wv", "tta": "tta", "dsf": "dsf", "loas": "loas",
    "mpegts": "mpegts", "realmedia": "rm", "heif-sequence": "mov", "ac3": "ac3", "dts": "dts",
    "musepack": "mpc", "tak": "tak", "dff": "iff", "voc": "voc", "mxf": "mxf", "dv": "dv",
}  # fmt: skip
"""Formats that FFmpeg may use: by itself it would also open playlists, which name other files."""
_BY_FIRST_BYTES: dict[Format, tuple[bytes, str]] = {
    "mpeg": (b"\0\0\1\xb3", "mpegvideo"), "musepack": (b"MPCK", "mpc8"),
    "dts": (b"DTSHDHDR", "dtshd"),
}  # fmt: skip
"""Formats with a second layout: pictures without a container, the newer stream of Musepack, and DTS-HD."""
_OPTIONS = {"probesize": str(2 << 20), "analyzeduration": str(5_000_000)}
_GAPS: dict[Format, float] = {"ogg": 1.0}
"""Seconds between two packets after which another recording begins. Ogg has no gaps; others may."""
MAX_GAP = 600.0


class Opened(NamedTuple):
    container: InputContainer
    sound: AudioStream | None
    pictures: VideoStream | None
    claimed: float
    """Seconds according to the headers; 0 if unknown."""


def open_as(file: io.RawIOBase | io.BytesIO, layout: Format) -> Opened:
    """Open the file as `layout`. Raises `av.FFmpegError` if it has another format."""
    container = av.open(file, mode="r", format=_demuxer(file, layout), options=_OPTIONS, metadata_errors="replace")
    sound = next(iter(container.streams.audio), None)
    pictures = next((stream for stream in container.streams.video if not _is_a_cover(stream)), None)
    claimed = (container.duration or 0) / av.time_base
    return Opened(container, sound, pictures, claimed if claimed > 0 else 0.0)


def _demuxer(file: io.RawIOBase | io.BytesIO, layout: Format) -> str:
    if layout in _BY_FIRST_BYTES:
        first_bytes, other = _BY_FIRST_BYTES[layout]
        head = file.read(len(first_bytes))
        file.seek(0)
        if head == first_bytes:
            return other
    return _DEMUXERS[layout]


def _is_a_cover(stream: Stream) -> bool:
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def lasting(stream: Stream | None) -> float:
    """Return the seconds of a stream according to the headers; 0 if unknown."""
    return float((stream.duration or 0) * (stream.time_base or 0)) if stream is not None else 0.0


def count_seconds(opened: Opened, layout: Format, *, to_the_end: bool = False) -> float | None:
    """Return the seconds by all packets, or by the end of the last one; None if counting takes too long."""
    lines = _timelines(opened, layout)
    until = time.monotonic() + _COUNTING_SECONDS
    try:
        for number, packet in enumerate(opened.container.demux(*_streams(opened))):
            if packet.size:
                lines[packet.stream_index].add(packet)
            if not number % 1024 and time.monotonic() > until:
                return None
    except av.FFmpegError:
        # Nothing after the damage can be decoded.
        pass
    return max(line.end for line in lines.values()) if to_the_end else Timeline.longest(lines.values())


def _streams(opened: Opened) -> list[AudioStream | VideoStream]:
    return [stream for stream in (opened.sound, opened.pictures) if stream is not None]


def _timelines(opened: Opened, layout: Format) -> dict[int, Timeline]:
    gap = _GAPS.get(layout, MAX_GAP)
    return {stream.index: Timeline(stream, gap=gap) for stream in _streams(opened)}
