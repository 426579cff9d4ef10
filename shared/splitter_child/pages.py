"""Cut PDFs into ranges of pages with PDFium."""

from __future__ import annotations

from typing import Any

import pypdfium2

from shared.converter_child.output import Output
from shared.domain.media.random_access import DamagedError
from shared.domain.splitting.plan import plan_pages
from shared.examiner_child.files import ExaminedFile
from shared.sandbox_child import SourceFile
from shared.splitter_child import CACHED_BYTES


def plan(arguments: dict[str, Any], _payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return ranges of pages as [first, last], counted from 1. No range exceeds the limits on pages and bytes."""
    assert source is not None
    most_pages, most_bytes = arguments["most_pages"], arguments["most_bytes"]
    ranges = plan_pages(1, arguments["pages"], most_pages)
    while len(ranges) <= arguments["most_parts"]:
        large = {each for each in ranges if _size(source, *each) > most_bytes}
        if alone := next((first for first, last in sorted(large) if first == last), None):
            raise DamagedError(f"Page {alone} alone has more than {most_bytes:,} bytes.")
        if not large:
            break
        halves = [plan_pages(*each, (each[1] - each[0]) // 2 + 1) if each in large else [each] for each in ranges]
        ranges = [each for pair in halves for each in pair]
    return ranges, b""


def cut(arguments: dict[str, Any], _payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Emit the PDF of the pages from `first` to `last`."""
    assert source is not None
    made = Output(source.emit)
    _write(source, arguments["first"], arguments["last"], made)
    made.finish()
    return None, b""


class _Counter:
    """A file that counts the bytes written to it."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        return len(data)


def _size(source: SourceFile, first: int, last: int) -> int:
    counter = _Counter()
    _write(source, first, last, counter)
    return counter.size


def _write(source: SourceFile, first: int, last: int, made: Output | _Counter) -> None:
    # Reopened for each range, because PDFium keeps what it has read until the document is closed.
    file = ExaminedFile(source.range, source.size, cached_bytes=CACHED_BYTES)
    with pypdfium2.PdfDocument(file) as document, pypdfium2.PdfDocument.new() as part:
        part.import_pages(document, list(range(first - 1, last)))
        part.save(made)
    if file.unavailable:
        raise OSError("a range of the file could not be read")
