"""Decide how a file is served: which part of it, as what type, and whether a browser may show it. Pure."""

from __future__ import annotations

import mimetypes
import re
from typing import NamedTuple
from urllib.parse import quote

PIECE_BYTES = 4 << 20
"""The most bytes of a response to a range, and of one read. Players request the next range themselves."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_SHOWN_FAMILIES = ("audio/", "video/")
_SHOWN = frozenset({
    "application/json", "application/pdf", "image/avif", "image/bmp", "image/gif", "image/heic", "image/heif",
    "image/jpeg", "image/png", "image/webp", "text/markdown", "text/plain", "text/vtt",
})  # fmt: skip
"""Types that a browser shows without running anything. Everything else, such as HTML, SVG, XML and CSV, is saved."""
_UNKNOWN = ("", "application/octet-stream", "binary/octet-stream")
_POLICY = "default-src 'none'; sandbox"
_PDF_POLICY = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; plugin-types application/pdf"
"""Without `sandbox`, in which browsers refuse to start their own PDF viewer."""


class ByteRange(NamedTuple):
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size}"


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """Return the bytes that a Range header requests, at most `PIECE_BYTES`; None for the whole file.

    Raises ValueError if the file has none of these bytes (416). Several ranges, or other units, mean the whole file.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(0, size - int(match[2])), size
    else:
        start = int(match[1])
        end = min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size or end <= start:
        raise ValueError(f"the file has {size} bytes")
    return ByteRange(start, min(end, start + PIECE_BYTES))


def media_type_of(declared: str | None, name: str) -> str:
    """Return the declared type, or if it says nothing, the type of the name's ending."""
    plain = (declared or "").partition(";")[0].strip().lower()
    if plain not in _UNKNOWN and re.fullmatch(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", plain):
        return plain
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def headers_for(media_type: str, name: str, *, download: bool) -> dict[str, str]:
    """Return headers that keep scripts in the file from running with the rights of this origin."""
    is_shown = media_type in _SHOWN or media_type.startswith(_SHOWN_FAMILIES)
    disposition = "inline" if is_shown and not download else "attachment"
    text = media_type.startswith("text/")
    return {
        "Content-Type": f"{media_type}; charset=utf-8" if text else media_type,
        "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(_last_part(name), safe='')}",
        "Content-Security-Policy": _PDF_POLICY if media_type == "application/pdf" else _POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
    }


def _last_part(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].encode(errors="replace").decode() or "file"
