"""Audio: container, length, sample rate and channels, from the headers of WAV, AIFF, FLAC, Ogg, MP3, AAC, MP4, WebM."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from functions.local.gemini.media import Finding, Undecodable
from functions.local.gemini.probe_matroska import probe_matroska
from functions.local.gemini.probe_mp4 import probe_mp4

_SEARCHED_BYTES = 1 << 16
_FRAMES_SAMPLED = 400
"""Frames that are read to estimate the rest of a stream without an index."""

_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MP3_KBITS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


def probe_audio(content: BinaryIO, size: int) -> Finding:
    head = content.read(16)
    content.seek(0)
    if not head:
        raise Undecodable("The audio file is empty.")
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _wav(content, size)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(content, size)
    if head[:4] == b"fLaC":
        return _flac(content.read(42))
    if head[:4] == b"OggS":
        return _ogg(content, size)
    if head[4:8] == b"ftyp":
        return _sound_only(probe_mp4(content, size), "M4A")
    if head[:4] == b"\x1aE\xdf\xa3":
        return _sound_only(probe_matroska(content, size), "WebM audio")
    return _frames(content, size)


def _sound_only(finding: Finding, container: str) -> Finding:
    if not finding.get("has_audio"):
        raise Undecodable(f"The {finding['container']} file has no audio track.")
    finding["container"] = container
    return finding


def _chunks(content: BinaryIO, size: int, endian: str) -> Iterator[tuple[bytes, int, int]]:
    """The `(name, start, length)` of an IFF file's chunks; a length past the end is cut to it."""
    position = 12
    while position + 8 <= size:
        content.seek(position)
        name, length = struct.unpack(f"{endian}4sI", content.read(8))
        yield name, position + 8, min(length, size - position - 8)
        position += 8 + length + length % 2


def _wav(content: BinaryIO, size: int) -> Finding:
    channels = rate = byte_rate = 0
    for name, start, length in _chunks(content, size, "<"):
        if name == b"fmt ":
            content.seek(start)
            _, channels, rate, byte_rate = struct.unpack("<HHII", content.read(12))
        elif name == b"data" and byte_rate:
            return _audio("WAV", length / byte_rate, rate, channels)
    raise Undecodable("The WAV file has no audio data.")


def _aiff(content: BinaryIO, size: int) -> Finding:
    for name, start, _ in _chunks(content, size, ">"):
        if name == b"COMM":
            content.seek(start)
            channels, frames, _bits, exponent, mantissa = struct.unpack(">hIhHQ", content.read(18))
            rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16_383 - 63)
            return _audio("AIFF", frames / rate, int(rate), channels)
    raise Undecodable("The AIFF file has no COMM chunk.")


def _flac(head: bytes) -> Finding:
    packed = int.from_bytes(head[18:26], "big")
    rate, channels, samples = packed >> 44, ((packed >> 41) & 7) + 1, packed & (2**36 - 1)
    if not rate:
        raise Undecodable("The FLAC file has no stream info.")
    return _audio("FLAC", samples / rate, rate, channels)


def _ogg(content: BinaryIO, size: int) -> Finding:
    head = content.read(512)
    packet = head[27 + head[26] :]
    skipped = 0
    if packet.startswith(b"\x01vorbis"):
        codec, (channels, rate) = "Ogg Vorbis", struct.unpack("<BI", packet[11:16])
    elif packet.startswith(b"OpusHead"):
        codec, rate = "Ogg Opus", 48_000
        channels, skipped = struct.unpack("<BH", packet[9:12])
    elif packet.startswith(b"\x7fFLAC"):
        found = _flac(packet[9:51])
        codec, rate, channels = "Ogg FLAC", found["sample_rate"], found["channels"]
    else:
        raise Undecodable("The Ogg file holds neither Vorbis, Opus nor FLAC.")
    content.seek(max(0, size - _SEARCHED_BYTES))
    tail, samples = content.read(), 0
    position = tail.find(b"OggS")
    while position >= 0:
        if position + 14 <= len(tail):
            samples = max(samples, struct.unpack("<q", tail[position + 6 : position + 14])[0])
        position = tail.find(b"OggS", position + 4)
    return _audio(codec, max(0, samples - skipped) / rate, rate, channels)


def _frames(content: BinaryIO, size: int) -> Finding:
    """MP3 or ADTS AAC: frames one after the other, perhaps behind an ID3 tag."""
    start = 0
    head = content.read(10)
    if head[:3] == b"ID3":
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    content.seek(start)
    data = content.read(1 << 20)
    for position in range(min(len(data) - 4, _SEARCHED_BYTES)):
        if data[position] != 0xFF or data[position + 1] & 0xE0 != 0xE0:
            continue
        if data[position + 1] & 0xF6 == 0xF0 and (found := _adts(data[position:], size - start - position)):
            return found
        if found := _mp3(data[position:], size - start - position):
            return found
    raise Undecodable("No audio frames were found.")


def _mp3_header(data: bytes) -> tuple[int, int, int, int, int] | None:
    """Samples a frame, its bytes, bits a second, sample rate, channels."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = (data[1] >> 3) & 3, (data[1] >> 1) & 3
    bit_rate, rate, padding = data[2] >> 4, (data[2] >> 2) & 3, (data[2] >> 1) & 1
    if version == 1 or layer == 0 or bit_rate in (0, 15) or rate == 3:
        return None
    kbits = _MP3_KBITS.get((3 if version == 3 else 2, layer)) or _MP3_KBITS[(2, 2)]
    bits, hertz = kbits[bit_rate - 1] * 1000, _MP3_RATES[version][rate]
    samples = 384 if layer == 3 else 576 if layer == 1 and version != 3 else 1152
    length = (12 * bits // hertz + padding) * 4 if layer == 3 else samples // 8 * bits // hertz + padding
    return samples, length, bits, hertz, 1 if data[3] >> 6 == 3 else 2


def _mp3(data: bytes, size: int) -> Finding | None:
    """None unless a second frame, or the end, follows the first."""
    if (first := _mp3_header(data)) is None:
        return None
    samples, length, _, rate, channels = first
    if length < size and _mp3_header(data[length:]) is None:
        return None
    for tag in (b"Xing", b"Info"):
        at = data.find(tag, 0, 200)
        if at > 0 and data[at + 7] & 1:
            return _audio("MP3", int.from_bytes(data[at + 8 : at + 12], "big") * samples / rate, rate, channels)
    position = frames = 0
    while frames < _FRAMES_SAMPLED and (header := _mp3_header(data[position : position + 4])):
        position += header[1]
        frames += 1
    return _audio("MP3", size / position * frames * samples / rate, rate, channels)


def _adts(data: bytes, size: int) -> Finding | None:
    position = frames = 0
    rate = channels = 0
    while frames < _FRAMES_SAMPLED and position + 7 <= len(data):
        if data[position] != 0xFF or data[position + 1] & 0xF6 != 0xF0:
            break
        length = (data[position + 3] & 3) << 11 | data[position + 4] << 3 | data[position + 5] >> 5
        index = (data[position + 2] >> 2) & 15
        if length < 7 or index >= len(_AAC_RATES):
            break
        rate = _AAC_RATES[index]
        channels = (data[position + 2] & 1) << 2 | data[position + 3] >> 6
        position += length
        frames += 1
    if not frames or (frames == 1 and position < size):
        return None
    return _audio("AAC", size / position * frames * 1024 / rate, rate, channels)


def _audio(container: str, duration: float, rate: int, channels: int) -> Finding:
    return Finding(container=container, duration=duration, sample_rate=rate, channels=channels, has_audio=True)
