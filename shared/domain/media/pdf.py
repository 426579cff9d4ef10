"""Check whether a PDF (ISO 32000) is complete. PDFium, which counts its pages, also opens truncated files."""

from __future__ import annotations

import re

from shared.domain.media.random_access import MAX_READ, DamagedError, Window

_TAIL = 64 * 1024
_OVERLAP = 64
_END = b"%%EOF"
_START = re.compile(rb"startxref\s{1,16}(\d{1,12})")
_OBJECT = re.compile(rb"\s\d{1,10} \d{1,5} obj\b")
_LINEARIZED = re.compile(rb"/Linearized\b[^>]{0,512}?/L\s{1,16}(\d{1,12})")
_TABLE = re.compile(rb"\s{0,16}(?:xref\b|\d{1,10}\s{1,16}\d{1,5}\s{1,16}obj\b)")
_REPAIRED = "The PDF's table of contents is damaged and was repaired; some pages may be missing."
_NO_MARK = "The PDF's end mark (%%EOF) is missing; some pages may be missing."
_JUNK = "The PDF is followed by data that does not belong to it, which was left out of account."
_CUT = "The PDF is truncated: its end (%%EOF) is missing. Upload it again."


def check_ending(window: Window) -> tuple[str, ...]:
    """Return warnings about a PDF's end. Raises `DamagedError` if the file is truncated.

    Readers open many truncated PDFs, but only with the remaining pages.
    """
    linearized = _LINEARIZED.search(window.at(0, 2048))
    if linearized is not None and int(linearized[1]) > window.size:
        raise DamagedError(_CUT)
    end, after_mark = _last_mark(window)
    if end is None:
        tail = window.tail(_TAIL)
        if (start := tail.rfind(b"startxref")) >= 0 and not _OBJECT.search(tail[start:]):
            return (_NO_MARK,)
        raise DamagedError(_CUT)
    if _OBJECT.search(after_mark):
        raise DamagedError(_CUT)
    junk = (_JUNK,) if window.size - end > 1024 else ()
    before = max(0, end - _TAIL)
    return junk if _table_begins(window, window.at(before, end - before)) else (*junk, _REPAIRED)


def _last_mark(window: Window) -> tuple[int | None, bytes]:
    """Return where the last end mark begins, and up to `MAX_READ` bytes from there on."""
    end = window.size
    while end > 0:
        start = max(0, end - MAX_READ)
        data = window.at(start, end - start)
        place = data.rfind(_END)
        if place >= 0:
            return start + place, window.at(start + place, MAX_READ)
        end = start + _OVERLAP if start else 0
    return None, b""


def _table_begins(window: Window, tail: bytes) -> bool:
    """Return whether the last `startxref` points to a cross-reference table or stream."""
    starts = _START.findall(tail)
    if not starts:
        return False
    shift = max(0, window.at(0, 1032).find(b"%PDF-"))
    return any(_TABLE.match(window.at(int(starts[-1]) + moved, 64)) for moved in {0, shift})
