"""Look quotes up in the text of a PDF or a plain text, in the examiner's child process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import pypdfium2
from pypdfium2.raw import FPDF_PageToDevice

from shared.domain.checks.quotes import Found, Match, SearchedText
from shared.domain.media.random_access import InMemory
from shared.examiner_child.files import ExaminedFile
from shared.examiner_child.page_text import Box, PageText
from shared.sandbox_child import SourceFile

_SCALE = 1000
_MAX_LINES = 20
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
        self._pages: dict[int, _Page] = {}

    def find(self, words: str, page: int | None) -> Found:
        """Return where the quote stands: on the page that it names if it is there, else on the nearest one."""
        numbers = self._by_distance(page)
        for number in numbers:
            if (found := self._page(number).find(words)) is not None:
                return found._replace(page=number + 1)
        for number in numbers:
            if number + 1 < len(numbers) and (found := self._page(number).find_across(words, self._page(number + 1))):
                return found._replace(page=number + 1)
        return Found("missing")

    def have_text(self) -> bool:
        return any(page.has_text for page in self._pages.values())

    def _by_distance(self, page: int | None) -> list[int]:
        count = len(self._document)
        first = min(page or 1, count) - 1
        return sorted(range(count), key=lambda number: abs(number - first))

    def _page(self, number: int) -> _Page:
        if number not in self._pages:
            self._pages[number] = _Page(self._document, number)
        return self._pages[number]


class _Page:
    """The text of a page, in PDFium's order; and by the places of its letters, if it is read from right to left."""

    def __init__(self, document: pypdfium2.PdfDocument, number: int) -> None:
        self._document, self._number = document, number
        page = document[number].get_textpage()
        text = PageText(page)
        self.has_text = any(not letter.isspace() for letter in text.characters)
        self._text = SearchedText(text.characters)
        self._ordered = text.right_to_left
        self._ordered_text = SearchedText(self._ordered.text) if self._ordered is not None else None
        page.close()

    def find(self, words: str) -> Found | None:
        """Return where the quote stands on the page."""
        span = self._text.find(words)
        if span is not None:
            return self._found(span.match, [(span.start, span.end - span.start)])
        span = self._ordered_text.find(words) if self._ordered_text is not None else None
        if span is None or self._ordered is None:
            return None
        places = sorted({self._ordered.places[index] for index in range(span.start, span.end)})
        return self._found(span.match, _runs(places))

    def find_across(self, words: str, following: _Page) -> Found | None:
        """Return where the beginning of a quote stands that goes on on the next page."""
        span = self._text.find_across(words, following._text)
        return None if span is None else self._found(span.match, [(span.start, span.end - span.start)])

    def _found(self, match: Match, runs: Iterable[tuple[int, int]]) -> Found:
        page = self._document[self._number]
        text = page.get_textpage()
        pieces = (piece for start, count in runs for piece in _pieces(text, start, count))
        boxes = tuple(_on_scale(page, box) for box in _lines(pieces))
        text.close()
        return Found(match, None, boxes)


def _runs(places: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the start and the length of each run of neighbouring places."""
    for _, group in groupby(enumerate(places), lambda pair: pair[1] - pair[0]):
        run = [place for _, place in group]
        yield run[0], len(run)


def _pieces(text: pypdfium2.PdfTextPage, start: int, count: int) -> Iterator[Box]:
    """Yield the boxes of what was drawn at once: a line, a word, or a letter."""
    for index in range(text.count_rects(start, count)):
        yield Box(*text.get_rect(index))


def _lines(pieces: Iterable[Box]) -> list[Box]:
    """Return a box for each line of the pieces."""
    lines: list[Box] = []
    for piece in pieces:
        at = next((at for at, line in enumerate(lines) if line.is_beside(piece) and line.is_near(piece)), None)
        if at is not None:
            lines[at] = lines[at].around(piece)
        elif len(lines) < _MAX_LINES:
            lines.append(piece)
    return lines


def _on_scale(page: pypdfium2.PdfPage, box: Box) -> tuple[int, int, int, int]:
    """Return a box on the page, turned as it is shown, on a scale of 1000 by 1000."""
    (x1, y1), (x2, y2) = _point(page, box.left, box.top), _point(page, box.right, box.bottom)
    return min(y1, y2), min(x1, x2), max(y1, y2), max(x1, x2)


def _point(page: pypdfium2.PdfPage, x: float, y: float) -> tuple[int, int]:
    across, down = ctypes.c_int(), ctypes.c_int()
    FPDF_PageToDevice(page, 0, 0, _SCALE, _SCALE, 0, x, y, ctypes.byref(across), ctypes.byref(down))
    return min(max(across.value, 0), _SCALE), min(max(down.value, 0), _SCALE)
