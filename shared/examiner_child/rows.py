"""Read the text of a PDF's pages, and count the rows of an answer against it, in the examiner's child process."""

from __future__ import annotations

from typing import Any

import pypdfium2

from shared.domain.checks.rows import count_rows
from shared.domain.media.random_access import InMemory
from shared.examiner_child.files import ExaminedFile
from shared.examiner_child.page_text import PageText
from shared.sandbox_child import SourceFile

_FEW_WORDS = 5
"""A page with fewer has no text: a scanner's own line, or a page number, does not tell what is on it."""


def count_rows_of_pdf(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return a `RowCount` of `arguments["rows"]`, which are lists of the texts of cells."""
    pages, _ = page_texts(arguments, payload, source)
    return count_rows(pages, arguments["rows"]), b""


def page_texts(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return the text of each page."""
    with _opened(payload, source) as document:
        return [_text(document[number]) for number in range(len(document))], b""


def pages_without_text(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return the pages, counted from 1, that show something but have no text."""
    with _opened(payload, source) as document:
        numbers = [number for number in range(len(document)) if _is_picture(document[number])]
    return [number + 1 for number in numbers], b""


def _is_picture(page: pypdfium2.PdfPage) -> bool:
    return len(_text(page).split()) < _FEW_WORDS and next(iter(page.get_objects()), None) is not None


def _text(page: pypdfium2.PdfPage) -> str:
    return PageText(page.get_textpage()).lines


def _opened(payload: bytes, source: SourceFile | None) -> pypdfium2.PdfDocument:
    file = ExaminedFile(InMemory(payload).read, len(payload)) if source is None else None
    return pypdfium2.PdfDocument(file or ExaminedFile(source.range, source.size))  # type: ignore[union-attr]
