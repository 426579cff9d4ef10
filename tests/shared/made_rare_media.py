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


def musepack(frames: int = 20, *, samples: int | None = None) -> bytes:
    """Musepack of the eighth stream version: frames of 1,152 samples with no band in them, one channel at 44,100 Hz.

    With `samples`, its header says that there are so many.
    """
    heard = struct.pack(">IB", 0, 8) + _varied(1152 * frames if samples is None else samples) + b"\0" + b"\0\0"
    return b"MPCK" + _keyed(b"SH", heard) + _keyed(b"AP", b"\0\0") * frames + _keyed(b"SE", b"")


def _keyed(key: bytes, content: bytes) -> bytes:
    """A packet of Musepack; its size counts its key and itself."""
    return key + bytes([3 + len(content)]) + content


def _varied(number: int) -> bytes:
    """A number of Musepack: seven bits a byte, the highest first."""
    groups = [number >> shift & 0x7F for shift in (21, 14, 7, 0)]
    return bytes([*(0x80 | group for group in groups[:-1]), groups[-1]])


def tak(frames: int = 8) -> bytes:
    """TAK in one channel of 16 bits at 8,000 Hz: frames of 1,024 samples that are all zero."""
    described = ((2, 6), (0, 4), (8, 4), (1024 * frames, 35), (0, 3), (2000, 18), (8, 5), (0, 4), (0, 1))
    block = _with_checksum(_low_bits(*described))
    made = b"tBaK\1" + struct.pack("<I", len(block))[:3] + block + bytes(4)
    for number in range(frames):
        head = _low_bits((0xA0FF, 16), (2, 3), (number, 21), *described, (0, 6))
        made += _with_checksum(head) + _with_checksum(bytes(8))
    return made


def _low_bits(*fields: tuple[int, int]) -> bytes:
    """Numbers of so many bits each, the lowest bit first."""
    total = at = 0
    for value, width in fields:
        total |= value << at
        at += width
    return total.to_bytes((at + 7) // 8, "little")


def _with_checksum(data: bytes) -> bytes:
    """The data and its checksum of 24 bits (RFC 4880, section 6.1)."""
    checksum = 0xB704CE
    for byte in data:
        checksum ^= byte << 16
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x86_4CFB if checksum & 0x80_0000 else 0)) & 0xFF_FFFF
    return data + checksum.to_bytes(3, "little")


def ending_early(ogg: bytes, samples: int) -> bytes:
    """An Ogg file whose last page says that it ends so many samples after the page before it."""
    made = bytearray(ogg)
    last = made.rfind(b"OggS")
    before = made.rfind(b"OggS", 0, last)
    struct.pack_into("<q", made, last + 6, struct.unpack_from("<q", made, before + 6)[0] + samples)
    return bytes(made[:last] + _sealed(made[last:]))


def priming(opus: bytes, samples: int) -> bytes:
    """An Opus file of which so many samples at 48,000 Hz only prime the decoder (RFC 7845, section 5.1)."""
    made = bytearray(opus)
    struct.pack_into("<H", made, made.index(b"OpusHead") + 10, samples)
    second = made.index(b"OggS", 4)
    return bytes(_sealed(made[:second]) + made[second:])


def _sealed(page: bytearray) -> bytearray:
    page[22:26] = bytes(4)
    page[22:26] = struct.pack("<I", _checksum(page))
    return page
