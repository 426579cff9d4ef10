"""Sound and films: container, length, rate, channels and size, as FFmpeg reads them.

Lengths are what the packets add up to: what a header says of itself is missing in a live recording, and wrong in one
that was joined, cut, or caught in the middle of a broadcast.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from local.standins.gemini.media import Finding, Undecodable

_FORMATS = "wav,w64,aiff,flac,ogg,mp3,aac,mov,matroska,avi,flv,mpeg,mpegts,mpegvideo,asf"
"""Containers only: FFmpeg also takes playlists, which name files of their own."""
_READ_THROUGH_BYTES = 64 << 20
"""Of a larger file, the length that it says it has is taken."""
_READ_SECONDS = 5.0
"""How long the packets are counted; from what was read until then the rest is reckoned."""
_FEW_FRAMES_SECONDS = 0.3
_SEARCHED_BYTES = 1 << 20
_NAMES = {
    "wav": "WAV",
    "w64": "WAV",
    "aiff": "AIFF",
    "flac": "FLAC",
    "mp3": "MP3",
    "aac": "AAC",
    "avi": "AVI",
    "flv": "FLV",
    "mpeg": "MPEG",
    "mpegts": "MPEG",
    "mpegvideo": "MPEG",
    "asf": "WMV",
}
_OGG_CODECS = {"opus": "Ogg Opus", "vorbis": "Ogg Vorbis", "flac": "Ogg FLAC"}


def probe_audio(file: Path, size: int) -> Finding:
    return _probe(file, size, "audio")


def probe_video(file: Path, size: int) -> Finding:
    return _probe(file, size, "video")


def _probe(file: Path, size: int, kind: str) -> Finding:
    if not size:
        raise Undecodable(f"The {kind} file is empty.")
    with file.open("rb") as content:
        head = content.read(_SEARCHED_BYTES)
    av.logging.set_level(av.logging.PANIC)
    try:
        with av.open(
            f"file:{file}", "r", metadata_errors="replace", options={"format_whitelist": _FORMATS}
        ) as container:
            return _found(container, head, size, kind)
    except (av.FFmpegError, ValueError, AssertionError) as error:
        if finding := _odd_wav(head, size):
            return finding
        words = error.strerror if isinstance(error, av.FFmpegError) else str(error)
        raise Undecodable(f"The bytes are no {kind} of a known container: {words}") from error


def _found(container: InputContainer, head: bytes, size: int, kind: str) -> Finding:
    sound = next(iter(container.streams.audio), None)
    film = next((stream for stream in container.streams.video if not _is_cover(stream)), None)
    if sound is None and (kind == "audio" or film is None):
        raise Undecodable(f"The {_name(container, None, head, kind)} file has no {kind} track.")
    finding = Finding(
        container=_name(container, sound, head, kind),
        duration=_duration(container, head, size, {stream.index for stream in (sound, film) if stream is not None}),
        has_audio=sound is not None,
    )
    if sound is not None:
        finding["sample_rate"], finding["channels"] = sound.rate or 0, sound.channels or 0
    if film is not None and kind == "video" and film.codec_context is not None:
        finding["width"], finding["height"] = film.width or 0, film.height or 0
    return finding


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _name(container: InputContainer, sound: AudioStream | None, head: bytes, kind: str) -> str:
    names = container.format.name.split(",")
    if "mov" in names:
        brand = container.metadata.get("major_brand", "")
        if kind == "audio":
            return "M4A"
        return "QuickTime" if brand.startswith("qt") else "3GP" if brand.startswith("3g") else "MP4"
    if "matroska" in names:
        webm = b"webm" in head[:64]
        if kind == "audio":
            return "WebM audio" if webm else "Matroska audio"
        return "WebM" if webm else "Matroska"
    if "ogg" in names:
        codec = sound.codec_context.name if sound is not None and sound.codec_context is not None else ""
        return next((name for part, name in _OGG_CODECS.items() if part in codec), "Ogg")
    return _NAMES.get(names[0], names[0])


@dataclass
class _Track:
    added: float = 0.0
    first: float = float("inf")
    last: float = 0.0
    without: int = 0
    """How many packets do not say how long they last."""

    def add(self, packet: av.Packet[Any]) -> None:
        base = float(packet.time_base)
        length = (packet.duration or 0) * base
        self.added += length
        self.without += not length
        if (moment := packet.pts if packet.pts is not None else packet.dts) is not None:
            self.first, self.last = min(self.first, moment * base), max(self.last, moment * base + length)

    @property
    def seconds(self) -> float:
        return max(self.added, self.last - self.first) if self.without and self.last > 0 else self.added


def _duration(container: InputContainer, head: bytes, size: int, track_indexes: set[int]) -> float:
    """Return the duration in seconds."""
    stated = _stated_duration(container)
    if stated and size > _READ_THROUGH_BYTES:
        return stated
    tracks = {index: _Track() for index in track_indexes}
    ends, reached = time.monotonic() + _READ_SECONDS, 0
    try:
        for packet in container.demux():
            if packet.size and packet.stream_index in tracks:
                tracks[packet.stream_index].add(packet)
                reached = max(reached, packet.pos or 0)
            if time.monotonic() > ends:
                break
    except av.FFmpegError:
        # What was read until here counts: a file that was cut off is still heard up to there.
        pass
    read = max((track.seconds for track in tracks.values()), default=0.0)
    if read and time.monotonic() > ends and reached:
        return stated or read * size / reached
    # Within a few frames a header knows better: encoders fill up the first frame and the last.
    header = container.format.name not in ("mp3", "aac") or b"Xing" in head or b"Info" in head
    return stated if not read or (header and abs(read - stated) < _FEW_FRAMES_SECONDS) else round(read, 6)


def _stated_duration(container: InputContainer) -> float:
    """Return the duration in the container's header, or 0. An Ogg stream's clock may have run before it began."""
    seconds = float(container.duration or 0) / av.time_base
    if container.format.name == "ogg" and container.start_time:
        seconds -= container.start_time / av.time_base
    return max(0.0, seconds)


def _odd_wav(head: bytes, size: int) -> Finding | None:
    """A WAV file that FFmpeg does not open for what stands before its samples: a tag, or a chunk that lacks its pad."""
    form, data = head.find(b"fmt "), head.find(b"data")
    if b"WAVE" not in head or form < 0 or data < 0 or form + 24 > len(head):
        return None
    _, channels, rate, byte_rate = struct.unpack_from("<HHII", head, form + 8)
    if not (channels and rate and byte_rate):
        return None
    length = min(int.from_bytes(head[data + 4 : data + 8], "little"), size - data - 8)
    return Finding(container="WAV", duration=length / byte_rate, sample_rate=rate, channels=channels, has_audio=True)
