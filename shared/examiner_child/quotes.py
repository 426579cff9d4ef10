"""Look quotes up in the text of a PDF or a plain text, in the examiner's child process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pypdfium2
from pypdfium2.raw import FPDF_PageToDevice, FPDFText_GetUnicode

from shared.domain.checks.quotes import Found, SearchedText
from shared.domain.media.random_access import InMemory
from shared.examiner_child.files import ExaminedFile
from shared.sandbox_child import SourceFile

_SCALE = 1000
_MOST_LINES = 20
"""Boxes of one quote."""


def find_quotes(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return a `Found` for each of `arguments["quotes"]`, which are pairs of words and the page that they name."""
    quotes = [(str(words), page) for words, page in arguments["quotes"]]
    if arguments["format"] == "text":
        data = payload if source is None else source.range(0, source.size)
        return _in_text(data.decode(arguments["encoding"], "replace"), quotes), b""
    file = ExaminedFile(InMemory(payload).read, len(payload)) if source is None else None
    with pypdfium2.PdfDocument(file or ExaminedFile(source.range, source.size)) as document:  # type: ignore[union-attr]
        return _in_document(_Pages(document), quotes), b""


def _in_text(text: str, quotes: list[tuple[str, int | None]]) -> list[Found]:
    searched = SearchedText(text)
    spans = (searched.find(words) for words, _ in quotes)
    return [Found("missing") if span is None else Found(span.match) for span in spans]


def _in_document(pages: _Pages, quotes: list[tuple[str, int | None]]) -> list[Found]:
    found = [pages.find(words, page) for words, page in quotes]
    if any(entry.match != "missing" for entry in found) or pages.have_text():
        return found
    # A scanned page has no text to search.
    return [Found("unchecked")] * len(found)


class _Pages:
    """The pages of a document. The text of a page is read when it is first searched."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._document = document
        self._texts: dict[int, SearchedText] = {}
        self._characters = 0

    def find(self, words: str, page: int | None) -> Found:
        """Return where the quote is: on the page that it names, else on the nearest page that has it."""
        for number in self._by_distance(page):
            span = self._text(number).find(words)
            if span is not None:
                return Found(span.match, number + 1, tuple(self._boxes(number, span.start, span.end - span.start)))
        return Found("missing")

    def have_text(self) -> bool:
        return self._characters > 0

    def _by_distance(self, page: int | None) -> Iterator[int]:
        count = len(self._document)
        first = min(page or 1, count) - 1
        yield from sorted(range(count), key=lambda number: abs(number - first))

    def _text(self, number: int) -> SearchedText:
        if number not in self._texts:
            page = self._document[number].get_textpage()
            letters = [chr(FPDFText_GetUnicode(page, index)) for index in range(page.count_chars())]
            self._characters += sum(not letter.isspace() for letter in letters)
            self._texts[number] = SearchedText("".join(letters))
            page.close()
        return self._texts[number]

    def _boxes(self, number: int, start: int, count: int) -> Iterator[tuple[int, int, int, int]]:
        page = self._document[number]
        text = page.get_textpage()
        for index in range(min(text.count_rects(start, count), _MOST_LINES)):
            left, bottom, right, top = text.get_rect(index)
            corners = [_on_scale(page, left, top), _on_scale(page, right, bottom)]
            (x1, y1), (x2, y2) = corners
            yield min(y1, y2), min(x1, x2), max(y1, y2), max(x1, x2)
        text.close()


def _on_scale(page: pypdfium2.PdfPage, x: float, y: float) -> tuple[int, int]:
    """Return a point of the page, turned as it is shown, on a scale of 1000 by 1000."""
    across, down = ctypes.c_int(), ctypes.c_int()
    FPDF_PageToDevice(page, 0, 0, _SCALE, _SCALE, 0, x, y, ctypes.byref(across), ctypes.byref(down))
    return min(max(across.value, 0), _SCALE), min(max(down.value, 0), _SCALE)
