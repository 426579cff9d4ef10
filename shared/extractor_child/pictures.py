"""Convert pictures to PNG or JPEG, which Gemini accepts: one picture for each page or frame."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from shared.domain.media.random_access import DamagedError
from shared.extractor_child.document import Document, ExtractedFile

_TAKEN = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_OPENED = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PSD", "AVIF", "ICO", "JPEG2000", "MPO")
"""Formats that Pillow may open: by itself it would also start other programs."""
_MAX_PIXELS = 80_000_000
_MAX_SIDE = 3072
"""Pixels of the longer side that is sent: Gemini looks at tiles of 768."""
_AS_IT_IS_BYTES = 7 << 20
_LEAST_SIDE = 12
"""Smaller pictures are lines, dots and counters."""
_MAX_FRAMES = 16
"""Of a picture that moves."""
_MOVING = ("GIF", "AVIF", "WEBP")
_UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError, RuntimeError,
    Image.DecompressionBombError,
)  # fmt: skip
_NOT_DECODED = (
    "The picture cannot be decoded: it is truncated or damaged, or of a rare kind. Save it as PNG or JPEG, and upload "
    "that."
)


def add_picture(document: Document, data: bytes, title: str) -> str:
    """Add a picture of a document; return the mark that replaces it in the text. It is empty for ornaments."""
    try:
        with opened(data) as image:
            if min(image.size) < _LEAST_SIDE:
                return ""
            mime = _TAKEN.get(image.format or "")
            if mime is not None and len(data) <= _AS_IT_IS_BYTES:
                return document.add_file(ExtractedFile(mime, data, title, *image.size))
            return document.add_file(_drawn(image, title))
    except _UNREADABLE:
        return document.leave_out(title)


def render(data: bytes, document: Document) -> None:
    """Add every page of a picture; of an animated picture, up to 16 frames."""
    try:
        with opened(data) as image:
            count = getattr(image, "n_frames", 1)
            if image.format == "PSD":
                # Its other frames are layers of the same picture.
                count = 1
            wanted = _spread(count) if image.format in _MOVING else range(count)
            if image.format in _MOVING and count > 1:
                document.notes.append(f"The picture moves; {len(wanted)} of its {count} frames were sent.")
            for number in wanted:
                if count > 1:
                    image.seek(number)
                before = len(document.files)
                mark = document.add_file(_drawn(image, f"page {number + 1}" if count > 1 else ""))
                if mark.endswith("(left out)]"):
                    document.notes.append(f"Of its {count} pages, {before} were sent. Save it as PDF to send all.")
                    return
    except Image.DecompressionBombError as error:
        message = f"The picture has more than {_MAX_PIXELS // 1_000_000} megapixels. Make it smaller, and upload that."
        raise DamagedError(message) from error
    except _UNREADABLE as error:
        raise DamagedError(_NOT_DECODED) from error


def _spread(count: int) -> list[int]:
    step = max(1.0, count / _MAX_FRAMES)
    return sorted({int(at * step) for at in range(min(count, _MAX_FRAMES))})


def opened(data: bytes) -> Image.Image:
    """Open a picture without decoding it. Raises `UnidentifiedImageError` or another error of Pillow's."""
    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS // 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data), formats=_OPENED)
    if image.width * image.height > _MAX_PIXELS:
        raise Image.DecompressionBombError("too many pixels")
    return image


def _drawn(image: Image.Image, title: str) -> ExtractedFile:
    """Return the current frame as PNG, or as JPEG if that is much smaller."""
    image.draft("RGB", (_MAX_SIDE, _MAX_SIDE))
    ready: Image.Image = ImageOps.exif_transpose(image) if image.format in ("JPEG", "MPO", "TIFF") else image.copy()
    if ready.mode.startswith("I;16"):
        # In either order of bytes; only whole numbers of 32 bits can be scaled.
        ready = ready.convert("I")
    if ready.mode in ("I", "F"):
        ready = _to_eight_bits(ready)
    if max(ready.size) > _MAX_SIDE:
        ready.thumbnail((_MAX_SIDE, _MAX_SIDE))
    flat = ready.mode in ("1", "L", "P") or len(ready.getcolors(1024) or ()) > 0
    if ready.mode not in ("1", "L", "P", "RGB", "RGBA", "LA"):
        ready = ready.convert("RGB")
    if ready.mode in ("P", "LA", "RGBA", "PA"):
        ready = _on_white(ready)
    out = io.BytesIO()
    if flat:
        ready.save(out, "PNG")
        return ExtractedFile("image/png", out.getvalue(), title, *ready.size)
    ready.convert("RGB").save(out, "JPEG", quality=90)
    return ExtractedFile("image/jpeg", out.getvalue(), title, *ready.size)


def _on_white(image: Image.Image) -> Image.Image:
    """Return the picture with a white background instead of transparency, as documents show it."""
    if image.mode == "P" and "transparency" not in image.info:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered).convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    extrema = image.getextrema()
    least, most = (float(value) for value in extrema)  # type: ignore[arg-type]
    span = (most - least) or 1.0
    return image.point(lambda value: (value - least) * (255 / span)).convert("L")
