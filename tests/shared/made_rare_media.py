"""Recordings in types for which FFmpeg has a decoder, and no encoder: silence, written by hand."""

from __future__ import annotations

import struct


def monkeys_audio(seconds: int = 1, rate: int = 8000) -> bytes:
    """Monkey's Audio 3.99 in one channel: one frame that says that it is silent."""
    frame = struct.pack("<III", 0x8000_0000, 3, 0) + bytes(12)
    descriptor = struct.pack("<4sHH6II", b"MAC ", 3990, 0, 52, 24, 4, 0, len(frame), 0, 0) + bytes(16)
    header = struct.pack("<HHIIIHHI", 1000, 32, 73_728, seconds * rate, 1, 16, 1, rate)
    start = len(descriptor) + len(header) + 4
    return descriptor + header + struct.pack("<I", start) + frame


def dsdiff() -> bytes:
    """DSDIFF 1.5 with a tenth of a second of DSD silence in one channel."""
    silence = b"\x69" * (2_822_400 // 80)
    rate, channels = _iff(b"FS  ", struct.pack(">I", 2_822_400)), _iff(b"CHNL", struct.pack(">H4s", 1, b"C   "))
    plain = _iff(b"CMPR", b"DSD " + b"\x0enot compressed\0")
    inside = _iff(b"FVER", b"\1\5\0\0") + _iff(b"PROP", b"SND " + rate + channels + plain) + _iff(b"DSD ", silence)
    return _iff(b"FRM8", b"DSD " + inside)


def _iff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">Q", len(content)) + content + bytes(len(content) & 1)


def speex(packets: int = 50) -> bytes:
    """Speex in Ogg: 20 ms a packet, each with a frame in which nothing is sent."""
    header = struct.pack("<8s20s13i", b"Speex   ", b"1.2", 1, 80, 8000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0)
    note = struct.pack("<I", 4) + b"none" + struct.pack("<I", 0)
    pages = [_page(0, 2, 0, [header]), _page(1, 0, 0, [note])]
    silent = b"\x03\xff"
    return b"".join([*pages, _page(2, 4, 160 * packets, [silent] * packets)])


def gsm_in_wav(seconds: int = 1) -> bytes:
    """A WAV file as answering machines write it: GSM 6.10, 65 bytes for 320 samples (format 0x31)."""
    blocks = bytes(65) * (seconds * 8000 // 320)
    layout = struct.pack("<HHIIHHHH", 0x31, 1, 8000, 1625, 65, 0, 2, 320)
    inside = b"fmt " + struct.pack("<I", len(layout)) + layout + b"fact" + struct.pack("<II", 4, seconds * 8000)
    inside += b"data" + struct.pack("<I", len(blocks)) + blocks
    return b"RIFF" + struct.pack("<I", 4 + len(inside)) + b"WAVE" + inside


def _page(number: int, flags: int, position: int, packets: list[bytes]) -> bytes:
    """A page of Ogg (RFC 3533, section 6) with whole packets of less than 255 bytes."""
    lacing = bytes(map(len, packets))
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, position, 1, number, 0, len(packets)) + lacing
    page = bytearray(head + b"".join(packets))
    page[22:26] = struct.pack("<I", _checksum(page))
    return bytes(page)


def _checksum(data: bytes | bytearray) -> int:
    checksum = 0
    for byte in data:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C1_1DB7 if checksum & 0x8000_0000 else 0)) & 0xFFFF_FFFF
    return checksum
