"""Examine PDFs with PDFium, which rebuilds damaged tables and opens files with an empty password."""

from __future__ import annotations

import pypdfium2
from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY, FPDF_LoadMemDocument

from shared.domain.media.facts import Facts
from shared.domain.media.pdf import check_ending
from shared.domain.media.random_access import DamagedError, Window
from shared.examiner_child.files import ExaminedFile

_LOCKED = "The PDF is encrypted. Save it without a password and upload it again."
_UNREADABLE = (
    "The PDF has no pages that can be found: it is empty, truncated or damaged. Open it, save it anew as PDF, and "
    "upload that."
)


def examine_document(file: ExaminedFile, window: Window, facts: Facts) -> Facts:
    """Return how many pages a PDF has. Raises `DamagedError` if it is truncated, locked or has no pages."""
    warnings = check_ending(window)
    # PDFium keeps the last error of any document, and a document without pages sets none. This document sets one.
    FPDF_LoadMemDocument(b"%", 1, None)
    try:
        with pypdfium2.PdfDocument(file) as document:
            pages = len(document)
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in (FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY)
        raise DamagedError(_LOCKED if locked else _UNREADABLE) from error
    return facts.model_copy(update={"pages": pages, "warnings": (*facts.warnings, *warnings)})
