"""Makes the ugly pictures and films."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from tests.samples.ugly_parts.listing import (
    FAILED,
    TYPE,
    completes,
    converts,
    encoded,
    fails,
    good,
)


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
