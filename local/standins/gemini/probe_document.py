"""Documents: a PDF's pages, first text and rows of tables, as PDFium reads them, which opens what Chrome opens.

Nobody reads a scan here, but its lines are seen: each is a row that is called by what its pixels look like.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import zlib
from pathlib import Path

import pypdfium2
from pypdfium2 import PdfiumError
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

from local.standins.gemini.media import Finding, Undecodable

_TEXT_KEPT = 2_000
_PAGES_READ = 3
_HEAD_BYTES = 1024
_MAX_ROWS = 20_000
_PAGES_SCANNED = 100


def probe_pdf(file: Path, size: int) -> Finding:
    with file.open("rb") as content:
        if b"%PDF-" not in content.read(_HEAD_BYTES):
            raise Undecodable("The document is no PDF." if size else "The document has no pages.")
    try:
        document = pypdfium2.PdfDocument(file)
    except PdfiumError as error:
        locked = "password" in str(error).lower()
        raise Undecodable(
            "The document is protected by a password." if locked else "The document has no pages."
        ) from error
    try:
        if not (pages := len(document)):
            raise Undecodable("The document has no pages.")
        text = ""
        for number in range(min(pages, _PAGES_READ)):
            if len(text) < _TEXT_KEPT:
                text += _page_text(document, number) + " "
        of_pages = _rows_of_pages(document, text)
        rows = tuple(itertools.islice(itertools.chain.from_iterable(of_pages), _MAX_ROWS))
        text = re.sub(r"\s+", " ", text).strip()[:_TEXT_KEPT]
        counts = tuple(map(len, of_pages))
        return Finding(container="PDF", pages=pages, text=text, rows=rows, rows_of_pages=counts)
    finally:
        document.close()


def _rows_of_pages(document: pypdfium2.PdfDocument, first_text: str) -> list[list[str]]:
    """Return the lines of tables on each page; none if the first pages tell of no table."""
    if "|" in first_text:
        texts = (_page_text(document, number) for number in range(len(document)))
        return [[line.strip() for line in text.splitlines() if "|" in line] for text in texts]
    if not first_text.strip() and any(_has_picture(document[number]) for number in range(min(3, len(document)))):
        return [_scanned_lines(document[number]) for number in range(min(_PAGES_SCANNED, len(document)))]
    return []


def _has_picture(page: pypdfium2.PdfPage) -> bool:
    return next(iter(page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE])), None) is not None


def _scanned_lines(page: pypdfium2.PdfPage) -> list[str]:
    """Return the lines of a picture: runs of its rows of pixels in which something is dark."""
    picture = page.render(scale=1, grayscale=True).to_pil().convert("L")
    # The bytes of each row of pixels, 0 where it is dark.
    pixels = picture.point([0] * 128 + [255] * 128).tobytes()
    width = picture.width
    rows = [pixels[start : start + width] for start in range(0, len(pixels), width)]
    runs = (list(run) for dark, run in itertools.groupby(rows, lambda row: 0 in row) if dark)
    marks = (zlib.crc32(b"".join(run)) for run in runs)
    return [f"{mark:08x} | line | {mark % 1000}" for mark in marks]


def _page_text(document: pypdfium2.PdfDocument, number: int) -> str:
    """Empty for a page whose text cannot be extracted: it is still a page to look at."""
    with contextlib.suppress(PdfiumError):
        return str(document[number].get_textpage().get_text_bounded())
    return ""
