"""Sound and films: container, length, sample rate, channels and frame size, as FFmpeg reads them."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Iterator
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition

from functions.local.gemini.media import Finding, Undecodable

_CONTAINERS = {
    b"RIFF": "wav", b"RIFX": "wav", b"RF64": "wav", b"BW64": "wav", b"FORM": "aiff", b"fLaC": "flac", b"OggS": "ogg",
    b"\x1aE\xdf\xa3": "matroska", b"FLV\1": "flv", b"\0\0\1\xba": "mpeg", b"\0\0\1\xb3": "mpeg",
    b"\x30\x26\xb2\x75": "asf",
}  # fmt: skip
_NAMES = {"wav": "WAV", "aiff": "AIFF", "flac": "FLAC", "mp3": "MP3", "aac": "AAC", "avi": "AVI", "flv": "FLV"}
_NAMES |= {"mpeg": "MPEG", "mpegvideo": "MPEG", "asf": "WMV", "matroska": "WebM"}
_BRANDS = {b"qt  ": "QuickTime", b"M4A ": "M4A", b"M4B ": "M4A", b"3gp4": "3GP", b"3gp5": "3GP", b"3gp6": "3GP"}
_OGG = {"opus": "Ogg Opus", "vorbis": "Ogg Vorbis", "flac": "Ogg FLAC"}
_COUNTING_SECONDS = 5.0
"""After that the length that the headers claim must do."""

_ROUNDED_SECONDS = 0.1


def probe_audio(content: BinaryIO, size: int) -> Finding:
    finding = _probe(content, size)
    if not finding["has_audio"]:
        raise Undecodable(f"The {finding['container']} file has no audio track.")
    if finding["container"] == "MP4":
        finding["container"] = "M4A"
    return finding


def probe_video(content: BinaryIO, size: int) -> Finding:
    return _probe(content, size)


def _probe(content: BinaryIO, size: int) -> Finding:
    start = _behind_tags(content)
    content.seek(start)
    head = content.read(16)
    if not head:
        raise Undecodable("The file is empty.")
    layout = _layout(head)
    file = _From(content, start, size)
    try:
        container = av.open(file, mode="r", format=layout, metadata_errors="replace")
    except av.FFmpegError as error:
        if layout != "wav":
            raise Undecodable(f"The bytes are no audio or video of a known container ({error.strerror}).") from error
        container = av.open(io.BytesIO(_rewritten(file)), mode="r", format=layout)
    with container:
        return _found(container, head)


def _layout(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    return _CONTAINERS.get(head[:4])


def _found(container: InputContainer, head: bytes) -> Finding:
    sound = next(iter(container.streams.audio), None)
    pictures = next((e for e in container.streams.video if not e.disposition & Disposition.attached_pic), None)
    if sound is None and pictures is None:
        raise Undecodable("The file has neither audio nor video tracks.")
    codec = "" if sound is None or sound.codec_context is None else sound.codec_context.codec.canonical_name
    layout = container.format.name.partition(",")[0]
    names = {"ogg": _OGG.get(codec, "Ogg"), "mov": _BRANDS.get(head[8:12], "MP4")}
    finding = Finding(
        container=names.get(layout) or _NAMES.get(layout, layout.upper()),
        duration=_length(container),
        has_audio=sound is not None,
    )
    if sound is not None and sound.codec_context is not None:
        finding["sample_rate"], finding["channels"] = sound.codec_context.sample_rate, sound.codec_context.channels
    if pictures is not None and pictures.codec_context is not None:
        finding["width"], finding["height"] = pictures.codec_context.width, pictures.codec_context.height
    return finding


def _length(container: InputContainer) -> float:
    """Seconds by the packets: the longest stream's, as the sum of its packets or from its first to its last."""
    claimed = (container.duration or 0) / av.time_base
    spans: dict[int, tuple[float, float, float]] = {}
    until = time.monotonic() + _COUNTING_SECONDS
    try:
        for packet in container.demux():
            at = packet.dts if packet.dts is not None else packet.pts
            if not packet.size or at is None or packet.time_base is None:
                continue
            # What lies before zero fills the decoder and is not heard.
            begins = max(0.0, float(at * packet.time_base))
            ends = max(0.0, float((at + (packet.duration or 0)) * packet.time_base))
            first, last, total = spans.get(packet.stream_index, (begins, 0.0, 0.0))
            spans[packet.stream_index] = first, max(last, ends), total + ends - begins
            if time.monotonic() > until:
                return claimed
    except av.FFmpegError:
        pass
    if not spans:
        raise Undecodable("The file has no audio or video data.")
    counted = max(max(total, last - first) for first, last, total in spans.values())
    # MP4 also knows how much silence an encoder filled its last frame with.
    return claimed if container.format.name.startswith("mov") and abs(claimed - counted) < _ROUNDED_SECONDS else counted


def _behind_tags(content: BinaryIO) -> int:
    content.seek(0)
    header = content.read(10)
    if header[:3] != b"ID3" or len(header) < 10:
        return 0
    return 10 + (header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9])


class _From(io.RawIOBase):
    """A file from `start` on."""

    def __init__(self, content: BinaryIO, start: int, size: int) -> None:
        self._content, self._start, self._size = content, start, size
        content.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._content.tell() - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: self._start, io.SEEK_CUR: self._content.tell(), io.SEEK_END: self._size}[whence]
        return self._content.seek(max(self._start, begin + offset)) - self._start

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._content.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _rewritten(file: _From) -> bytes:
    """A WAV file whose chunks FFmpeg does not find, because a byte between two of them was forgotten."""
    file.seek(0)
    data = file.read() or b""
    chunks = dict(_chunks(data))
    if b"fmt " not in chunks or b"data" not in chunks:
        raise Undecodable("The WAV file has no audio data.")
    inside = b"".join(name + struct.pack("<I", len(chunks[name])) + chunks[name] for name in (b"fmt ", b"data"))
    return b"RIFF" + struct.pack("<I", 4 + len(inside)) + b"WAVE" + inside


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length
        at += length & 1 if data[at : at + 1] in (b"\0", b"") else 0
