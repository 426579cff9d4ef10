"""Makes the ugly recordings."""

from __future__ import annotations

import math
import struct

from tests.samples.ugly_parts.listing import (
    FAILED,
    TYPE,
    completes,
    converts,
    encoded,
    fails,
    good,
    splits,
)

RATE = 8000


def sine(count: int) -> list[float]:
    return [0.5 * math.sin(2 * math.pi * 440 * number / RATE) for number in range(count)]


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) & 1)


def layout(tag: int, bits: int, channels: int = 1, rate: int = RATE, extra: bytes = b"") -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits) + extra)


def riff(*chunks: bytes, form: bytes = b"WAVE", name: bytes = b"RIFF", size: int | None = None) -> bytes:
    body = form + b"".join(chunks)
    return name + struct.pack("<I", len(body) if size is None else size) + body


def id3(tag: bytes) -> bytes:
    """An ID3v2 tag that holds `tag`."""
    return b"ID3\x04\0\0" + bytes(len(tag) >> shift & 0x7F for shift in (21, 14, 7, 0)) + tag


def wavs() -> None:
    tone = sine(2000)
    pcm = struct.pack("<2000h", *(round(32767 * value) for value in tone))
    pcm_24 = b"".join(struct.pack("<i", round(8388607 * value))[:3] for value in tone)
    floats = struct.pack("<2000f", *tone)
    bytes_ = bytes(round(128 + 127 * value) for value in tone)
    fmt = layout(1, 16)
    lasts = {"duration": 0.25}
    completes("8-bit.wav", riff(layout(1, 8), chunk(b"data", bytes_)), "audio/wav", **lasts)
    completes("24-bit.wav", riff(layout(1, 24), chunk(b"data", pcm_24)), "audio/wav", **lasts)
    completes("float.wav", riff(layout(3, 32), chunk(b"data", floats)), "audio/wav", **lasts)
    completes("mu-law.wav", riff(layout(7, 8), chunk(b"data", bytes_)), "audio/wav", **lasts)
    guid = b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    extensible = layout(0xFFFE, 16, extra=struct.pack("<HHI", 22, 16, 4) + guid)
    completes("extensible.wav", riff(extensible, chunk(b"data", pcm)), "audio/wav", **lasts)
    sizes = chunk(b"ds64", struct.pack("<QQQI", 4 + 36 + 24 + 8 + len(pcm), len(pcm), 2000, 0))
    rf64 = riff(sizes, fmt, chunk(b"data", pcm, 0xFFFFFFFF), name=b"RF64", size=0xFFFFFFFF)
    completes("rf64.wav", rf64, "audio/wav", **lasts)
    piped = riff(fmt, chunk(b"data", pcm, 0xFFFFFFFF), size=0xFFFFFFFF)
    completes("piped.wav", piped, "audio/wav", **lasts)
    completes("piped-zero-size.wav", riff(fmt, chunk(b"data", pcm, 0), size=0), "audio/wav", **lasts)
    tagged = riff(chunk(b"LIST", b"INFOINAM\x05\0\0\0tone\0\0"), fmt, chunk(b"data", pcm), chunk(b"id3 ", b"x" * 31))
    completes("tagged.wav", tagged, "audio/wav", **lasts)
    completes("stereo.wav", riff(layout(1, 16, 2), chunk(b"data", pcm)), "audio/wav", duration=0.125)
    fails("zero-frames.wav", riff(fmt, chunk(b"data", b"")), FAILED, "zero frames")
    fails("no-format.wav", riff(chunk(b"data", pcm)), FAILED, "damaged")
    fails("no-data.wav", riff(fmt), FAILED, "no sound")
    fails("truncated.wav", good("speech.wav")[:60_000], FAILED, "truncated")
    fails("truncated-in-header.wav", good("speech.wav")[:30], FAILED, "truncated")
    ten_hours = riff(layout(1, 16, rate=16_000), chunk(b"data", pcm, 36_000 * 32_000), size=36_000 * 32_000 + 36)
    fails("claims-ten-hours.wav", ten_hours, FAILED, "truncated")
    quiet = {"duration": 0.25}
    no_rate = layout(1, 16).replace(struct.pack("<I", RATE * 2), bytes(4))
    completes("byte-rate-zero.wav", riff(no_rate, chunk(b"data", pcm)), "audio/wav", **quiet)
    completes("fmt-after-data.wav", riff(chunk(b"data", pcm), fmt), "audio/wav", **quiet)
    odd_list = b"LIST\x11\0\0\0INFOISFT\5\0\0\0tone\0"
    completes("odd-list-pad.wav", riff(fmt, odd_list, b"\0", chunk(b"data", pcm)), "audio/wav", **quiet)
    completes("odd-list-no-pad.wav", riff(fmt, odd_list, chunk(b"data", pcm)), "audio/wav", **quiet)
    letters = riff(fmt, b"data" + bytes(4) + b"abcd" + pcm, size=0)
    completes("piped-sound-like-a-name.wav", letters, "audio/wav", **quiet)
    info = chunk(b"LIST", b"INFOISFT\4\0\0\0tone")
    fails("zero-frames-and-a-list.wav", riff(fmt, chunk(b"data", b""), info), FAILED, "zero frames")
    completes("wave-in-id3.wav", id3(b"tone") + tagged, "audio/wav", **quiet)
    zero_rate = riff(layout(1, 16, rate=0), chunk(b"data", pcm))
    fails("zero-rate.wav", zero_rate, FAILED, "sample rate")


def crc(data: bytes, width: int, polynomial: int) -> int:
    value, top = 0, 1 << width - 1
    for byte in data:
        value ^= byte << width - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & (1 << width) - 1
    return value


def flac_silence(seconds: int) -> bytes:
    """A whole FLAC file at 8 kHz: silence takes 14 bytes a frame, so hours of it are small."""
    block, total = 65_535, seconds * RATE
    info = struct.pack(">HH", block, block) + bytes(6)
    info += struct.pack(">Q", RATE << 44 | 15 << 36 | total) + bytes(16)
    out = bytearray(b"fLaC\x80\0\0\x22" + info)
    for number, start in enumerate(range(0, total, block)):
        coded = bytes([number]) if number < 128 else chr(number).encode("utf-8", "surrogatepass")
        header = b"\xff\xf8\x74\x08" + coded + struct.pack(">H", min(block, total - start) - 1)
        frame = header + bytes([crc(header, 8, 0x07)]) + b"\0\0\0"
        out += frame + struct.pack(">H", crc(frame, 16, 0x8005))
    return bytes(out)


def ogg_pages(data: bytes, *, serial: int | None = None, later: int = 0) -> bytes:
    """The pages of an Ogg file, under another serial number, and later by so many samples."""
    out, at = bytearray(), 0
    while at < len(data):
        end = at + 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
        page = bytearray(data[at:end])
        position = int.from_bytes(page[6:14], "little")
        page[6:14] = (position + later if position else 0).to_bytes(8, "little")
        page[14:18] = page[14:18] if serial is None else struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", crc(bytes(page), 32, 0x04C1_1DB7))
        out += page
        at = end
    return bytes(out)


def joined_and_live() -> None:
    mp3, opus, m4a = encoded("vbr.mp3"), encoded("speech.opus"), good("speech.m4a")
    completes("joined.mp3", mp3 * 3, "audio/mp3", duration=3.3)
    completes("chained.opus", opus + ogg_pages(opus, serial=7) * 2, "audio/ogg", duration=3.01)
    hours = ogg_pages(opus, later=12 * 3600 * 48_000)
    completes("radio-capture-12h.opus", hours, "audio/ogg", duration=1.0)
    converts("live-one-cluster-1500-blocks.webm", None, "audio/webm", "audio/ogg", duration=30.0)
    completes("id3v1-tail.m4a", m4a + b"TAGspeech".ljust(128, b"\0"), "audio/mp4", duration=7.99)
    completes("zeros-behind.m4a", m4a + bytes(300), "audio/mp4", duration=7.99)
    completes("id3v2-cover.flac", id3(bytes(70_000)) + flac_silence(60), "audio/flac", duration=60)
    completes("id3v2-cover.aac", id3(bytes(70_000)) + encoded("speech.aac"), "audio/aac", duration=1.09)


def recordings() -> None:
    mp3, flac, ogg = good("speech.mp3"), good("speech.flac"), good("speech.ogg")
    completes("nine-hours.flac", flac_silence(9 * 3600), "audio/flac", duration=32_400)
    splits("ten-hours.flac", flac_silence(10 * 3600), "9.5 h")
    fails("truncated.flac", flac[: len(flac) // 2], FAILED, "truncated")
    fails("header-only.flac", flac[:42], FAILED, "truncated")
    unknown_total = flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]
    completes("unknown-length.flac", unknown_total, "audio/flac", duration=7.99)
    fails("truncated.ogg", ogg[: len(ogg) // 2], FAILED, "truncated")
    completes("vbr.mp3", None, "audio/mp3", duration=1.0)
    tag_size = 200_000
    syncsafe = bytes(tag_size >> shift & 0x7F for shift in (21, 14, 7, 0))
    second = mp3.index(b"\xff\xf3", mp3.index(b"\xff\xf3") + 4)
    short = mp3[second:][: 144 * 40]
    completes("huge-tag.mp3", b"ID3\x03\0\0" + syncsafe + bytes(tag_size) + short, "audio/mp3", duration=1.44)
    completes("no-tag.mp3", short, "audio/mp3", duration=1.44)
    completes("cut-from-stream.mp3", short[100:], "audio/mp3")
    completes("truncated.mp3", mp3[: len(mp3) // 2], "audio/mp3", duration=4.03)
    xing = bytearray(mp3[: 144 * 4])
    at = next(place for mark in (b"Xing", b"Info") if (place := xing.find(mark)) >= 0)
    xing[at : at + 12] = b"Xing" + struct.pack(">II", 1, 36_000 * 16_000 // 576)
    completes("claims-ten-hours.mp3", bytes(xing), "audio/mp3", duration=0.11)
    fails("tag-only.mp3", b"ID3\x03\0\0\0\0\x07\x76" + bytes(1014), FAILED, "no sound")
    fails("zeros.mp3", bytes(4096), FAILED, "only zeros")
    completes("speech.mp2", None, "audio/mpeg", duration=1.008)
    completes("speech.aac", None, "audio/aac", duration=1.088)
    completes("speech.aiff", None, "audio/aiff", duration=1.0)
    fails("truncated.aiff", encoded("speech.aiff")[:9000], FAILED, "truncated")
    completes("speech.opus", None, "audio/ogg", duration=1.0)
    converts("speech.webm", None, "audio/webm", "audio/ogg", has_video=False, duration=1.008)
    fails("truncated.webm", encoded("clip.webm")[:4000], FAILED, "truncated")
    converts("speech.wma", None, "audio/x-ms-wma", "audio/ogg", duration=1.02)
    converts("speech.dts", None, "audio/vnd.dts", "audio/ogg", duration=1.024)
    fails("ringtone.mid", b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xff\x2f\0", TYPE, "MIDI")
    converts("voice.amr", b"#!AMR\n" + b"\x3c" + bytes(31), "audio/amr", "audio/ogg", duration=0.02)
