"""Makes the ugly samples and expected.json, which says what should become of each: `python -m tests.samples.ugly.make`.

Run tests/samples/make.sh first for the few that need an encoder: this script cuts some of them up. Only the workbook
(its date) and the encrypted PDFs (their keys) differ between two runs.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from PIL import Image
from pypdf import PdfReader, PdfWriter

from tests.shared.made_documents import docx, paragraph, pptx, shape, xlsx

HERE = Path(__file__).parent
GOOD = HERE.parent

FAILED, TYPE, EMPTY, LONG = "file_processing_failed", "unsupported_content_type", "empty_file", "media_too_long"

expected: dict[str, dict[str, object]] = {}


def completes(name: str, data: bytes | None, mime: str, **facts: object) -> None:
    """`name` should be sent as `mime`; `facts` are what the examiner should find. Data of None: made by make.sh."""
    expected[name] = {"outcome": "completed", "mime": mime, **({"facts": facts} if facts else {})}
    if data is not None:
        (HERE / name).write_bytes(data)


def converts(name: str, data: bytes | None, mime: str, sent: str, **facts: object) -> None:
    """`name` should be found to be `mime`, and be sent as `sent`."""
    completes(name, data, mime, **facts)
    expected[name]["sent"] = sent


def fails(name: str, data: bytes | None, code: str, says: str) -> None:
    """`name` should be refused with `code` and a message that holds `says`."""
    expected[name] = {"outcome": "failed", "code": code, "says": says}
    if data is not None:
        (HERE / name).write_bytes(data)


def splits(name: str, data: bytes, says: str) -> None:
    """`name` is too long for one call, as a message that holds `says` tells where it is not split."""
    fails(name, data, LONG, says)
    expected[name]["outcome"] = "split"


def good(name: str) -> bytes:
    return (GOOD / name).read_bytes()


def encoded(name: str) -> bytes:
    return (HERE / name).read_bytes()


# Sound

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
    fails("ringtone.mid", b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xff\x2f\0", TYPE, "MIDI")
    converts("voice.amr", b"#!AMR\n" + b"\x3c" + bytes(31), "audio/amr", "audio/ogg", duration=0.02)


# Pictures


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def heic(brand: bytes, width: int, height: int, quarters: int | None = None, *, wide: bool = False) -> bytes:
    """The boxes of a HEIC file around data that no decoder would like: enough for who reads only headers.

    `quarters`: turned by so many quarters, as phones say it; the thumbnail, item 2, is turned otherwise. `wide`: with
    the longer form of the lists of properties.
    """
    size = box(b"ispe", struct.pack(">III", 0, width, height))
    turned = b"".join(box(b"irot", bytes([each])) for each in (quarters, quarters + 1)) if quarters is not None else b""
    lists = [(2, (1, 4)), (1, (2, 3))] if turned else []
    form = ">IB2H" if wide else ">HB2B"
    essential = 0x8000 if wide else 0x80
    listed = b"".join(struct.pack(form, item, 2, *(essential | each for each in of)) for item, of in lists)
    belongs = box(b"ipma", struct.pack(">BxxBI", wide, wide, len(lists)), listed) if turned else b""
    meta = box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", bytes(4), b"\0\x01"),
        box(b"iprp", box(b"ipco", box(b"ispe", struct.pack(">III", 0, 16, 16)), size, turned), belongs),
    )
    return box(b"ftyp", brand, bytes(4), b"mif1" + brand) + meta + box(b"mdat", bytes(64))


def pictures() -> None:
    image = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    second = image.rotate(180)
    png, jpeg = saved(image, "PNG"), saved(image, "JPEG", quality=70)
    sized = {"width": 64, "height": 48}
    completes("16-bit.png", saved(Image.new("I;16", (64, 48), 40_000), "PNG"), "image/png", **sized)
    completes("1x1.png", saved(Image.new("RGB", (1, 1)), "PNG"), "image/png", width=1, height=1)
    animated = saved(image, "PNG", save_all=True, append_images=[second])
    completes("animated.png", animated, "image/png", **sized)
    completes("trailing-junk.png", png + b"appended by a careless program" * 9, "image/png", **sized)
    fails("truncated.png", good("picture.png")[:5000], FAILED, "truncated")
    fails("header-only.png", png[:33], FAILED, "truncated")
    fails("zero-width.png", png[:16] + bytes(4) + png[20:29] + struct.pack(">I", zlib.crc32(png[12:16] + bytes(4) + png[20:29])) + png[33:], FAILED, "0 x 48")  # fmt: skip
    fails("damaged-header.png", png[:16] + b"\1\2\3\4" + png[20:], FAILED, "damaged")
    completes("cmyk.jpg", saved(image.convert("CMYK"), "JPEG"), "image/jpeg", **sized)
    completes("grey.jpg", saved(image.convert("L"), "JPEG"), "image/jpeg", **sized)
    completes("progressive.jpg", saved(image, "JPEG", progressive=True), "image/jpeg", **sized)
    completes("trailing-junk.jpg", jpeg + bytes(500), "image/jpeg", **sized)
    photo = good("photo.jpg")
    fails("truncated.jpg", photo[: len(photo) // 2], FAILED, "truncated")
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(jpeg)) + b"Exif\0\0" + jpeg
    fails("truncated-with-thumbnail.jpg", photo[:2] + thumbnail + photo[2:9000], FAILED, "truncated")
    fails("header-only.jpg", photo[:20], FAILED, "truncated")
    frames = saved(image, "WEBP", save_all=True, append_images=[second], duration=100)
    completes("animated.webp", frames, "image/webp", **sized)
    completes("lossless.webp", saved(image, "WEBP", lossless=True), "image/webp", **sized)
    completes("lossy.webp", saved(image, "WEBP"), "image/webp", **sized)
    fails("truncated.webp", frames[: len(frames) // 2], FAILED, "truncated")
    completes("phone.heic", heic(b"heic", 4032, 3024), "image/heic", width=4032, height=3024)
    completes("phone-upright.heic", heic(b"heic", 4032, 3024, 1), "image/heic", width=3024, height=4032)
    completes("phone-upside-down.heic", heic(b"heic", 4032, 3024, 2), "image/heic", width=4032, height=3024)
    completes("phone-turned.heif", heic(b"mif1", 640, 480, 3, wide=True), "image/heif", width=480, height=640)
    completes("still.heif", heic(b"mif1", 640, 480), "image/heif", width=640, height=480)
    fails("truncated.heic", heic(b"heic", 4032, 3024)[:-40], FAILED, "truncated")
    converts("picture.gif", saved(image.convert("P"), "GIF"), "image/gif", "image/png")
    converts("picture.bmp", saved(image, "BMP"), "image/bmp", "image/png")
    converts("picture.tiff", saved(image, "TIFF"), "image/tiff", "image/png")
    converts("picture.ico", saved(image, "ICO", sizes=[(16, 16)]), "image/x-icon", "image/png")
    converts("picture.avif", saved(image, "AVIF"), "image/avif", "image/png")
    svg = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>\n'
    fails("drawing.svg", svg, TYPE, "SVG")
    doctype = b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"\n "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
    fails("graph.svg", svg.replace(b"<svg", doctype + b"<!-- made by a program -->\n<svg"), TYPE, "SVG")


# Films


def films() -> None:
    clip, late = good("clip.mp4"), encoded("moov-last.mp4")
    completes("moov-last.mp4", None, "video/mp4", width=320, height=240, has_audio=True, duration=1.2)
    completes("fragmented.mp4", None, "video/mp4", duration=1.22)
    completes("clip.mov", None, "video/mov", duration=1.2)
    completes("clip.webm", None, "video/webm", width=160, has_audio=False)
    completes("clip.avi", None, "video/avi", width=160, height=120, duration=1.1)
    completes("clip.flv", None, "video/x-flv", has_audio=True, duration=1.05)
    completes("clip.mpg", None, "video/mpeg", width=160, height=120)
    completes("clip.wmv", None, "video/wmv", has_video=True)
    completes("clip.3gp", None, "video/3gpp", width=176)
    converts("clip.mkv", None, "video/x-matroska", "video/mp4", duration=1.04)
    converts("clip.ts", None, "video/mp2t", "video/mp4", duration=1.2)
    converts("clip.ogv", None, "video/ogg", "video/mp4", duration=1.0)
    fails("truncated.mp4", clip[: len(clip) // 2], FAILED, "truncated")
    fails("truncated-before-moov.mp4", late[: len(late) // 2], FAILED, "truncated")
    fails("truncated.avi", encoded("clip.avi")[:12_000], FAILED, "truncated")
    fails("header-only.avi", encoded("clip.avi")[:9000], FAILED, "truncated")
    fails("truncated.flv", encoded("clip.flv")[:5000], FAILED, "truncated")
    fails("truncated.wmv", encoded("clip.wmv")[:8000], FAILED, "truncated")
    brand = box(b"ftyp", b"isom", bytes(4), b"isommp42")
    times = struct.pack(">IIIII", 0, 0, 0, 1000, 0) + bytes(80)
    fails("no-tracks.mp4", brand + box(b"moov", box(b"mvhd", times)), FAILED, "no tracks")
    fails("no-index.mp4", brand + box(b"mdat", bytes(500)), FAILED, "moov")
    sound_only = good("speech.m4a").replace(b"ftypM4A ", b"ftypisom", 1)
    completes("sound-only.mp4", sound_only, "audio/mp4", has_video=False, duration=7.99)


# Documents


def pdf(pages: int, root_extra: bytes = b"") -> bytes:
    """A PDF with empty pages and a classic table; the page count stands behind a long list of pages."""
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(pages))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R %s>>" % root_extra,
        b"<< /Type /Pages /MediaBox [0 0 200 200] /Kids [%s] /Count %d >>" % (kids, pages),
        *[b"<</Type/Page/Parent 2 0 R>>"] * pages,
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
    return bytes(out)


def packed_pdf(pages: int) -> bytes:
    """A PDF 1.5 whose objects are compressed together and whose table is a stream with a row filter."""
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(pages))
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/MediaBox[0 0 200 200]/Kids[%s]/Count %d>>" % (kids, pages),
        *[b"<</Type/Page/Parent 2 0 R>>"] * pages,
    ]
    count, places, content = len(bodies), [], b""
    for body in bodies:
        places.append(len(content))
        content += body + b"\n"
    index = b" ".join(b"%d %d" % (number, place) for number, place in enumerate(places, 1)) + b"\n"
    stored = zlib.compress(index + content, 9)
    out = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    holder_at = len(out)
    holder = count + 1
    out += b"%d 0 obj\n<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream\nendobj\n" % (
        holder, count, len(index), len(stored), stored,
    )  # fmt: skip
    table_at = len(out)
    rows = [b"\0\0\0\0\0\0"]
    rows += [
        struct.pack(">BHBH", 2, 0, 0, 0)[:1] + struct.pack(">I", holder)[1:] + struct.pack(">H", place)
        for place in range(count)
    ]
    rows += [b"\1" + struct.pack(">I", at)[1:] + b"\0\0" for at in (holder_at, table_at)]
    above, filtered = bytes(6), b""
    for row in rows:
        filtered += b"\2" + bytes((value - up) & 0xFF for value, up in zip(row, above, strict=True))
        above = row
    table = zlib.compress(filtered, 9)
    out += b"%d 0 obj\n<</Type/XRef/Size %d/W[1 3 2]/Root 1 0 R/Filter/FlateDecode" % (holder + 1, holder + 2)
    out += b"/DecodeParms<</Predictor 12/Columns 6>>/Length %d>>\nstream\n%s\nendstream\nendobj\n" % (len(table), table)
    out += b"startxref\n%d\n%%%%EOF\n" % table_at
    return bytes(out)


def encrypted(algorithm: str, user: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(GOOD / "report.pdf"))
    writer.encrypt(user, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def documents() -> None:
    report = good("report.pdf")
    completes("thousand-pages.pdf", pdf(1000), "application/pdf", pages=1000)
    splits("1001-pages.pdf", pdf(1001), "1,001")
    splits("5000-pages.pdf", packed_pdf(5000), "5,000")
    completes("packed.pdf", packed_pdf(3), "application/pdf", pages=3)
    fails("zero-pages.pdf", pdf(0), FAILED, "no pages")
    fails("encrypted-rc4.pdf", encrypted("RC4-128", "secret"), FAILED, "encrypted")
    fails("encrypted-aes.pdf", encrypted("AES-256", "secret"), FAILED, "encrypted")
    completes("print-forbidden.pdf", encrypted("RC4-128", ""), "application/pdf", pages=2)
    completes("print-forbidden-rc4-40.pdf", encrypted("RC4-40", ""), "application/pdf", pages=2)
    completes("print-forbidden-aes.pdf", encrypted("AES-128", ""), "application/pdf", pages=2)
    completes("print-forbidden-aes-256.pdf", encrypted("AES-256-R5", ""), "application/pdf", pages=2)
    fails("encrypted-aes-128.pdf", encrypted("AES-128", "secret"), FAILED, "encrypted")
    fails("truncated.pdf", report[: len(report) // 2], FAILED, "truncated")
    completes("junk-before-header.pdf", b"\0scanner 7\0" * 9 + report, "application/pdf", pages=2)
    completes("damaged-table.pdf", report.replace(b"\nxref\n", b"\nxxxx\n"), "application/pdf", pages=2)
    wrong = report[: report.rindex(b"startxref")] + b"startxref\n7\n%%EOF\n"
    completes("wrong-startxref.pdf", wrong, "application/pdf", pages=2)
    completes("trailing-junk.pdf", report + b"\n<!-- sent by a web server -->\n" * 20, "application/pdf", pages=2)
    writer = PdfWriter(GOOD / "report.pdf", incremental=True)
    writer.add_blank_page(200, 200)
    out = io.BytesIO()
    writer.write(out)
    completes("appended.pdf", out.getvalue(), "application/pdf", pages=3)
    appended = out.getvalue()
    fails("truncated-append.pdf", appended[: len(report) + 120], FAILED, "truncated")
    completes("junk-behind.pdf", report + bytes(70_000), "application/pdf", pages=2)
    completes("no-end-mark.pdf", report[: report.rindex(b"%%EOF")], "application/pdf", pages=2)
    # These are made elsewhere. The locks open with the empty password, where the owner only forbids printing.
    for name in ("owner-only-r4-aes.pdf", "owner-only-r4.pdf", "owner-only-r6-aes.pdf", "objstm-indirect-length.pdf"):
        completes(name, None, "application/pdf", pages=3)
    completes("declares-encrypt-word.pdf", None, "application/pdf", pages=3)
    fails("user-r6.pdf", None, FAILED, "encrypted")
    fails("header-only.pdf", b"%PDF-1.7\n", FAILED, "truncated")


# Text

WORDS = "Grüße aus Zürich: der Käse kostet 12 Franken, die Brücke ist geöffnet.\n" * 3
JAPANESE = "これは日本語の文章です。会議は火曜日の午前九時に始まります。\n" * 3


def texts() -> None:
    completes("utf-8-mark.txt", b"\xef\xbb\xbf" + WORDS.encode(), "text/plain")
    completes("utf-16-mark.txt", WORDS.encode("utf-16"), "text/plain")
    completes("utf-16-short.txt", "Hi".encode("utf-16"), "text/plain")
    completes("utf-16-no-mark.txt", WORDS.encode("utf-16-le"), "text/plain")
    completes("utf-16-big-endian.txt", WORDS.encode("utf-16-be"), "text/plain")
    completes("utf-32.txt", WORDS.encode("utf-32"), "text/plain")
    completes("latin-1.txt", WORDS.encode("latin-1"), "text/plain")
    completes("japanese.txt", JAPANESE.encode(), "text/plain")
    russian = '<?xml version="1.0" encoding="windows-1251"?>\n<письмо>Посылка уходит во вторник.</письмо>\n'
    completes("windows-1251.xml", russian.encode("windows-1251"), "text/xml")
    completes("shift-jis.txt", JAPANESE.encode("shift-jis"), "text/plain")
    completes("with-nul.txt", WORDS.encode() * 3 + b"a\0b\n", "text/plain")
    completes("one-byte.txt", b"7", "text/plain")
    completes("table.csv", "Name;Größe\nÄpfel;12\n".encode(), "text/csv")
    completes("data.json", b'{"parcels": [1, 2, 3], "to": "Tanaka"}\n', "application/json")
    completes("page.html", b"<!DOCTYPE html>\n<html><body><p>Hello</p></body></html>\n", "text/html")
    completes("feed.xml", b'<?xml version="1.0"?>\n<feed><entry>One</entry></feed>\n', "text/xml")
    completes("readme.md", b"# Title\n\nSome *text*.\n", "text/markdown")
    converts("letter.rtf", b"{\\rtf1\\ansi Dear Ms Tanaka,\\par the parcel left.}", "text/rtf", "text/markdown")
    completes("script.py", b"#!/usr/bin/env python3\nprint('hello')\n", "text/x-python")
    completes("no-ending", b"Just some words without a name.\n", "text/plain")
    noise = b"".join(zlib.crc32(struct.pack("<I", number)).to_bytes(4, "big") for number in range(256))
    fails("binary.txt", noise, TYPE, "binary data")
    fails("noise.mp3", b"\x01" + noise, TYPE, "binary data")
    for name in ("empty.txt", "empty.mp3", "empty.pdf", "empty.png", "empty.json"):
        fails(name, b"", EMPTY, "empty")


# What is no media, and what is called by another name


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/").replace("_dot_", ".")), data)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("notes.txt")
        entry.size = 6
        archive.addfile(entry, io.BytesIO(b"hello\n"))
    return out.getvalue()


def strangers() -> None:
    exe = b"MZ\x90\0" + bytes(56) + struct.pack("<I", 64) + b"PE\0\0\x64\x86" + bytes(200)
    archive = zipped(notes_dot_txt=b"hello")
    office, markdown = "application/vnd.openxmlformats-officedocument", "text/markdown"
    letter = docx(paragraph("Dear Ms Tanaka, the parcel left."))
    converts("letter.docx", letter, f"{office}.wordprocessingml.document", markdown)
    sheet = xlsx(Parcels=[["To", "Left"], ["Tanaka", "Tuesday"]])
    converts("sheet.xlsx", sheet, f"{office}.spreadsheetml.sheet", markdown)
    slides = pptx(shape("Parcels", "title") + shape("They left."))
    converts("slides.pptx", slides, f"{office}.presentationml.presentation", markdown)
    fails("old-letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), TYPE, "Microsoft Office")
    fails("archive.zip", archive, TYPE, "ZIP archive")
    fails("archive.tar", tarred(), TYPE, "tar archive")
    fails("archive.tar.gz", gzip.compress(tarred(), mtime=0), TYPE, "gzip archive")
    fails("program", b"\x7fELF\x02\x01\x01" + bytes(57), TYPE, "ELF")
    fails("database.sqlite", b"SQLite format 3\0\x10\0\x01\x01" + bytes(84), TYPE, "SQLite")
    fails("exe-called.wav", exe, TYPE, "Windows program")
    fails("zip-called.pdf", archive, TYPE, "ZIP archive")
    converts("gif-called.png", encoded("picture.gif"), "image/gif", "image/png")
    completes("png-called.mp3", encoded("1x1.png"), "image/png")
    completes("pdf-called.png", good("report.pdf"), "application/pdf", pages=2)
    completes("mp3-called.mp4", encoded("no-tag.mp3"), "audio/mp3")
    completes("wav-called.pdf", encoded("8-bit.wav"), "audio/wav")
    completes("mp4-called.mp3", encoded("moov-last.mp4"), "video/mp4")
    completes("jpeg-called.png", encoded("grey.jpg"), "image/jpeg")
    completes("html-called.txt", encoded("page.html"), "text/html")
    completes("text-called.pdf", b"The header of a file of this kind is %PDF-1 point something.\n", "text/plain")
    completes("not-found-called.mp3", b"<html><body>404 Not Found</body></html>\n", "text/html")


if __name__ == "__main__":
    for make in (wavs, recordings, joined_and_live, pictures, films, documents, texts, strangers):
        make()
    (HERE / "expected.json").write_text(json.dumps(dict(sorted(expected.items())), indent=1) + "\n")
    unlisted = {each.name for each in HERE.iterdir()} - expected.keys() - {"make.py", "expected.json"}
    if unlisted:
        raise SystemExit(f"not listed: {sorted(unlisted)}")
