"""Documents: a PDF's pages and first text, as PDFium reads them, which opens what Chrome opens."""

from __future__ import annotations

import contextlib
import itertools
import re
from pathlib import Path

import pypdfium2
from pypdfium2 import PdfiumError

from local.standins.gemini.media import Finding, Undecodable

_TEXT_KEPT = 2_000
_PAGES_READ = 3
_HEAD_BYTES = 1024
_MOST_ROWS = 20_000


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
        rows = _rows(document) if "|" in text else ()
        return Finding(container="PDF", pages=pages, text=re.sub(r"\s+", " ", text).strip()[:_TEXT_KEPT], rows=rows)
    finally:
        document.close()


def _rows(document: pypdfium2.PdfDocument) -> tuple[str, ...]:
    """Return the lines of tables on all pages."""
    texts = (_page_text(document, number) for number in range(len(document)))
    lines = (line.strip() for text in texts for line in text.splitlines() if "|" in line)
    return tuple(itertools.islice(lines, _MOST_ROWS))


def _page_text(document: pypdfium2.PdfDocument, number: int) -> str:
    """Empty for a page whose text cannot be extracted: it is still a page to look at."""
    with contextlib.suppress(PdfiumError):
        return str(document[number].get_textpage().get_text_bounded())
    return ""
