"""Video: container, length and frame size, from the headers of MP4, QuickTime, 3GP, WebM, AVI, FLV, MPEG and WMV."""

from __future__ import annotations

import struct
from typing import BinaryIO

from functions.local.gemini.media import Finding, Undecodable
from functions.local.gemini.probe_matroska import probe_matroska
from functions.local.gemini.probe_mp4 import probe_mp4

_EDGE_BYTES = 1 << 20
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def probe_video(content: BinaryIO, size: int) -> Finding:
    head = content.read(16)
    content.seek(0)
    if not head:
        raise Undecodable("The video file is empty.")
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return probe_mp4(content, size)
    if head[:4] == b"\x1aE\xdf\xa3":
        return probe_matroska(content, size)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _avi(content.read(_EDGE_BYTES))
    if head[:3] == b"FLV":
        return _flv(content, size, has_audio=bool(head[4] & 4))
    if head[:4] in (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"):
        return _mpeg(content, size)
    if head == _ASF:
        return _wmv(content.read(_EDGE_BYTES))
    raise Undecodable("The bytes are no video of a known container.")


def _avi(data: bytes) -> Finding:
    at = data.index(b"avih") + 8
    microseconds, _, _, _, frames, _, _, _, width, height = struct.unpack("<10I", data[at : at + 40])
    return _video("AVI", microseconds * frames / 1e6, width, height, has_audio=b"auds" in data)


def _flv(content: BinaryIO, size: int, *, has_audio: bool) -> Finding:
    """The last tag's timestamp is the length; the file's last four bytes tell where that tag begins."""
    content.seek(size - 4)
    content.seek(size - 4 - int.from_bytes(content.read(4), "big"))
    tag = content.read(8)
    milliseconds = int.from_bytes(tag[4:7], "big") | tag[7] << 24
    return _video("FLV", milliseconds / 1000, 0, 0, has_audio=has_audio)


def _mpeg(content: BinaryIO, size: int) -> Finding:
    head = content.read(_EDGE_BYTES)
    content.seek(max(0, size - _EDGE_BYTES))
    tail = content.read()
    width = height = 0
    if (at := head.find(b"\x00\x00\x01\xb3")) >= 0:
        packed = int.from_bytes(head[at + 4 : at + 8], "big")
        width, height = packed >> 20, packed >> 8 & 0xFFF
    first, last = head.find(b"\x00\x00\x01\xba"), tail.rfind(b"\x00\x00\x01\xba")
    length = _system_clock(tail[last:]) - _system_clock(head[first:]) if first >= 0 and last >= 0 else 0.0
    return _video("MPEG", max(0.0, length), width, height, has_audio=b"\x00\x00\x01\xc0" in head)


def _system_clock(pack: bytes) -> float:
    """Seconds, of an MPEG-1 or MPEG-2 pack header."""
    bits = int.from_bytes(pack[4:9], "big")
    if pack[4] >> 6 == 1:
        ticks = (bits >> 35 & 7) << 30 | (bits >> 19 & 0x7FFF) << 15 | bits >> 3 & 0x7FFF
    else:
        ticks = (bits >> 33 & 7) << 30 | (bits >> 17 & 0x7FFF) << 15 | bits >> 1 & 0x7FFF
    return ticks / 90_000


def _wmv(data: bytes) -> Finding:
    at = data.index(_ASF_PROPERTIES)
    length, _, preroll = struct.unpack("<QQQ", data[at + 64 : at + 88])
    return _video("WMV", max(0.0, length / 1e7 - preroll / 1000), 0, 0, has_audio=True)


def _video(container: str, duration: float, width: int, height: int, *, has_audio: bool) -> Finding:
    return Finding(container=container, duration=duration, width=width, height=height, has_audio=has_audio)
