"""Count the rows of an answer against the text of a PDF, in the examiner's child process."""

from __future__ import annotations

from typing import Any

import pypdfium2

from shared.domain.checks.rows import count_rows
from shared.domain.media.reading import InMemory
from shared.examiner_child.files import ExaminedFile
from shared.sandbox_child import SourceFile


def count_rows_of_pdf(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return a `RowCount` of `arguments["rows"]`, which are lists of the texts of cells."""
    file = ExaminedFile(InMemory(payload).read, len(payload)) if source is None else None
    with pypdfium2.PdfDocument(file or ExaminedFile(source.range, source.size)) as document:  # type: ignore[union-attr]
        pages = [document[number].get_textpage().get_text_bounded() for number in range(len(document))]
    return count_rows(pages, arguments["rows"]), b""
