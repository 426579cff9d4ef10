"""Pictures: format, size, and the colours that fill most of them."""

from __future__ import annotations

import struct
import warnings
from collections import Counter
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from local.standins.gemini.media import Finding, Undecodable

_PIXELS_READ = 64_000_000
"""Larger pictures are measured, but not decoded for their colours."""
_COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 30, 30),
    "orange": (255, 150, 30),
    "yellow": (250, 230, 50),
    "green": (40, 160, 60),
    "cyan": (50, 210, 220),
    "blue": (40, 70, 210),
    "purple": (140, 60, 180),
    "pink": (250, 150, 200),
    "brown": (130, 80, 40),
}


def probe_picture(file: Path, size: int) -> Finding:
    with file.open("rb") as content:
        head = content.read(1 << 16)
    if not head:
        raise Undecodable("The image file is empty.")
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"heim", b"heis", b"hevc"):
        return _heic(head)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as picture:
                width, height = picture.size
                name = picture.format or "image"
                small = width * height <= _PIXELS_READ
                colours = _main_colours(picture) if small else ()
                return Finding(container=name, width=width, height=height, colours=colours)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise Undecodable(f"The image could not be decoded: {error}") from error


def _main_colours(picture: Image.Image) -> tuple[str, ...]:
    picture.draft("RGB", (128, 128))
    pixels = picture.convert("RGB").resize((32, 32)).tobytes()
    counts = Counter(_nearest(pixels[at : at + 3]) for at in range(0, len(pixels), 3))
    return tuple(name for name, count in counts.most_common(3) if count >= 100)


def _nearest(pixel: bytes) -> str:
    def distance(name: str) -> int:
        return sum((ours - theirs) ** 2 for ours, theirs in zip(_COLOURS[name], pixel, strict=True))

    return min(_COLOURS, key=distance)


def _heic(head: bytes) -> Finding:
    """HEIC keeps the size of each of its items in `ispe` boxes; the picture's is the largest."""
    sizes, at = [], head.find(b"ispe")
    while at >= 0:
        sizes.append(struct.unpack(">II", head[at + 8 : at + 16]))
        at = head.find(b"ispe", at + 4)
    if not sizes:
        raise Undecodable("The HEIC image has no size.")
    width, height = max(sizes)
    return Finding(container="HEIC", width=width, height=height)
