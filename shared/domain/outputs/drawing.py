"""Draw boxes and masks on the picture they were found in.

Pillow is imported where it is used: most tasks draw nothing.
"""

from __future__ import annotations

import base64
import io
import struct
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from shared.domain.outputs.boxes import Box

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

_FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 40_000_000
"""The most pixels of a picture that is drawn on: decoded they take four bytes each, and twice that in conversion."""
_MAX_SIDE = 4096
_MAX_MASK = 4_000_000
_MAX_MASK_COVERS = 20
"""How many times masks may cover the picture in all: an image can make the model answer with thousands."""
_COLOURS = (
    "#e6194b",
    "#3cb44b",
    "#4363d8",
    "#f58231",
    "#911eb4",
    "#008080",
    "#9a6324",
    "#800000",
    "#808000",
    "#000075",
)
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""The operation that turns a picture upright, by EXIF orientation."""
_MASK_ALPHA = 110
_MASK_THRESHOLD = 127
"""Guide "Image understanding": mask values are probabilities from 0 to 255, to be cut at the middle."""


_BROKEN = (OSError, ValueError, SyntaxError, LookupError, TypeError, AssertionError, ArithmeticError, struct.error)
"""Exceptions that Pillow raises for broken pictures: its own, and those of its parsers."""


class Drawn(NamedTuple):
    png: bytes
    left_out: int
    """The number of masks that were not drawn: not PNGs, or too many."""


class NotDrawable(ValueError):
    """The picture cannot be drawn on; the message is a warning for the task."""


def upright_size(picture: bytes) -> tuple[int, int]:
    """Return width and height with the EXIF orientation applied; reads the header only."""
    from PIL import ExifTags

    with _open_image(picture) as image:
        try:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        except _BROKEN as error:
            raise NotDrawable(f"the image could not be read: {error}") from error
        return (image.height, image.width) if turned else (image.width, image.height)


def drawn(picture: bytes, boxes: list[Box]) -> Drawn:
    """Return a PNG of the picture with boxes, masks and labels, at most 4096 pixels a side. Raises `NotDrawable`."""
    from PIL import ImageDraw

    canvas = _canvas(picture)
    scaled = [_scale_box(box, canvas.width, canvas.height) for box in boxes]
    left_out, pixels_left = 0, _MAX_MASK_COVERS * canvas.width * canvas.height
    for index, box in enumerate(scaled):
        if box.mask is not None:
            pixels_left -= (box.right - box.left) * (box.bottom - box.top)
            left_out += pixels_left < 0 or not _draw_mask(canvas, box, _colour(index))
    pen = ImageDraw.Draw(canvas)
    stroke = max(2, min(canvas.size) // 250)
    for index, box in enumerate(scaled):
        edges = (box.left, box.top, max(box.left, box.right - 1), max(box.top, box.bottom - 1))
        pen.rectangle(edges, outline=_colour(index), width=stroke)
    for index, box in enumerate(scaled):
        _draw_label(pen, legible(box.label, box.number), box, _colour(index), canvas.size)
    out = io.BytesIO()
    canvas.convert("RGB").save(out, "PNG", optimize=False)
    return Drawn(out.getvalue(), left_out)


def _canvas(picture: bytes) -> Picture:
    """Return the picture upright, at the size that is drawn. It is shrunk before it is copied."""
    from PIL import Image

    small, orientation = _decode_image(picture)
    small.thumbnail((_MAX_SIDE, _MAX_SIDE))
    if (turn := _TURNS.get(orientation)) is not None:
        small = small.transpose(Image.Transpose[turn])
    return small.convert("RGBA")


def _decode_image(picture: bytes) -> tuple[Picture, int]:
    """Return the picture in RGB and its EXIF orientation. JPEGs are decoded at about the drawn size."""
    from PIL import ExifTags

    with _open_image(picture) as opened:
        try:
            opened.draft("RGB", (_MAX_SIDE, _MAX_SIDE))
            opened.load()
            orientation = int(opened.getexif().get(ExifTags.Base.Orientation, 1))
            return opened if opened.mode == "RGB" else opened.convert("RGB"), orientation
        except _BROKEN as error:
            raise NotDrawable(f"the image could not be decoded to draw on it: {error}") from error


def _open_image(picture: bytes) -> Picture:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(picture), formats=_FORMATS)
    except (*_BROKEN, Image.DecompressionBombError) as error:
        raise NotDrawable("boxes are drawn on PNG, JPEG and WebP images only") from error
    if image.width * image.height > MAX_PIXELS:
        raise NotDrawable(f"the image of {image.width} x {image.height} pixels is too large to draw on")
    return image


def _scale_box(box: Box, width: int, height: int) -> Box:
    top, left, bottom, right = box.box_2d
    return box._replace(
        left=round(left * width / 1000),
        top=round(top * height / 1000),
        right=round(right * width / 1000),
        bottom=round(bottom * height / 1000),
    )


def _draw_mask(canvas: Picture, box: Box, colour: str) -> bool:
    """Draw the mask over its box; return whether it could be read."""
    from PIL import Image, ImageColor

    mask = _decode_mask(box.mask or "")
    if mask is None:
        return False
    width, height = box.right - box.left, box.bottom - box.top
    if width > 0 and height > 0:
        cut = mask.resize((width, height)).point(lambda level: _MASK_ALPHA if level > _MASK_THRESHOLD else 0)
        overlay = Image.new("RGBA", (width, height), ImageColor.getrgb(colour))
        overlay.putalpha(cut)
        canvas.alpha_composite(overlay, (box.left, box.top))
    return True


def _decode_mask(data: str) -> Picture | None:
    from PIL import Image

    try:
        raw = base64.b64decode(data.partition("base64,")[2] or data, validate=False)
        image = Image.open(io.BytesIO(raw), formats=("PNG",))
        return image.convert("L") if image.width * image.height <= _MAX_MASK else None
    except (*_BROKEN, Image.DecompressionBombError):
        return None


def legible(label: str, number: int) -> str:
    """Return the label if Pillow's font can write it, else the object's number in the published list."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFKD", label) if not unicodedata.combining(letter)
    ).strip()
    return bare[:60] if all(" " <= letter <= "~" for letter in bare) else f"#{number}"


def _draw_label(pen: ImageDraw, text: str, box: Box, colour: str, size: tuple[int, int]) -> None:
    from PIL import ImageFont

    if not text:
        return
    font = ImageFont.load_default(size=max(12, min(size) // 40))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = max(0, min(box.left, size[0] - int(width)))
    y = box.top - int(height) if box.top >= height else box.top
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x + 3 - left, y + 3 - top), text, fill="white", font=font)


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]
