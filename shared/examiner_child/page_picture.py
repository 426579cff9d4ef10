"""Draw one page of a PDF as a picture, in a child process: a page is untrusted input like any file."""

from __future__ import annotations

import io
import math
from typing import Any

import pypdfium2

from shared.domain.media.random_access import InMemory
from shared.examiner_child.files import ExaminedFile
from shared.sandbox_child import SourceFile

_WIDTH, _MAX_HEIGHT = 1200, 3000
"""Pixels: sharp beside an answer on most screens, and at most 14 MB while it is drawn."""
_QUALITY = 85
"""Of a JPEG: small print stays legible."""
_CACHED_BYTES = 16 << 20


def draw_page(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return the number of pages, the size of page `arguments["page"]` in pixels, and the page as a picture.

    `arguments["form"]`: PNG or JPEG. For page 0, or a page that does not exist, there is no picture, and the size is
    that of the first page.
    """
    fetch, size = (InMemory(payload).read, len(payload)) if source is None else (source.range, source.size)
    file = ExaminedFile(fetch, size, cached_bytes=_CACHED_BYTES)
    number = int(arguments["page"])
    try:
        with pypdfium2.PdfDocument(file) as document:
            count = len(document)
            is_there = 1 <= number <= count
            page = document[number - 1 if is_there else 0]
            scale = _scale(*page.get_size())
            width, height = (math.ceil(side * scale) for side in page.get_size())
            picture = _picture(page, scale, arguments["form"]) if is_there else b""
            return {"pages": count, "width": width, "height": height}, picture
    except pypdfium2.PdfiumError as error:
        return {"problem": str(error)}, b""


def _scale(width: float, height: float) -> float:
    return float(min(_WIDTH / max(width, 1.0), _MAX_HEIGHT / max(height, 1.0)))


def _picture(page: pypdfium2.PdfPage, scale: float, form: str) -> bytes:
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
    out = io.BytesIO()
    options = {"compress_level": 4} if form == "PNG" else {"quality": _QUALITY}
    bitmap.to_pil().save(out, form, **options)
    return out.getvalue()
