"""Read the text of a PDF's page in lines, as they are seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import pypdfium2
from pypdfium2.raw import FPDFText_GetUnicode

_BREAK = "\r\n"
_JOINED_GAP = 0.15
"""Of the height of a letter: what stands closer than that is one word."""
_NEAR_GAP = 2.0
"""Of the height of a letter: what stands farther apart than that may be in two columns."""
_RIGHT_TO_LEFT = ("R", "AL")
_LEFT_TO_RIGHT = ("L", "EN", "AN")


class Box(NamedTuple):
    """Where a character stands on its page, in points from the lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    def is_beside(self, other: Box) -> bool:
        """Whether both stand in one line: half of the lower one's height is next to the other."""
        shared = min(self.top, other.top) - max(self.bottom, other.bottom)
        return 2 * shared >= min(self.top - self.bottom, other.top - other.bottom)

    def touches(self, other: Box) -> bool:
        """Whether there is no blank between two characters of one line."""
        return self._gap(other) < _JOINED_GAP * min(self.top - self.bottom, other.top - other.bottom)

    def is_near(self, other: Box) -> bool:
        """Whether two pieces of one line are neighbouring words, and not those of two columns."""
        return self._gap(other) < _NEAR_GAP * max(self.top - self.bottom, other.top - other.bottom)

    def around(self, other: Box) -> Box:
        """Return the box that encloses both."""
        return Box(
            min(self.left, other.left),
            min(self.bottom, other.bottom),
            max(self.right, other.right),
            max(self.top, other.top),
        )

    def _gap(self, other: Box) -> float:
        return max(other.left - self.right, self.left - other.right)


class OrderedText(NamedTuple):
    """A text made of a page's characters."""

    text: str
    places: list[int]
    """Of each character of the text, the place among the page's; of a blank or the end of a line, that before it."""


class PageText:
    """The text of a page."""

    def __init__(self, page: pypdfium2.PdfTextPage) -> None:
        self._page = page

    @cached_property
    def characters(self) -> str:
        """The characters in PDFium's order and count, so that their places lead to their boxes."""
        text = str(self._page.get_text_range())
        count = self._page.count_chars()
        if len(text) == count:
            return text
        # PDFium leaves out of a text what it cannot encode.
        return "".join(chr(FPDFText_GetUnicode(self._page, index)) for index in range(count))

    def box(self, place: int) -> Box:
        return Box(*self._page.get_charbox(place, loose=True))

    @cached_property
    def lines(self) -> str:
        """The text with the cells of a row in one line."""
        text = self._joined if self.right_to_left is None else self.right_to_left.text
        # PDFium counts the halves of a character beyond U+FFFF as two.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    @property
    def _joined(self) -> str:
        """PDFium ends a line after each piece of text that is drawn apart from the next: a cell, or half a number."""
        pieces: list[str] = []
        start = 0
        while (at := self.characters.find(_BREAK, start)) >= 0:
            after = at + len(_BREAK)
            at_edge = at == 0 or after >= len(self.characters)
            pieces += [self.characters[start:at], "\n" if at_edge else self._between(at - 1, after)]
            start = after
        return "".join([*pieces, self.characters[start:]])

    def _between(self, before: int, after: int) -> str:
        first, second = self.box(before), self.box(after)
        if not first.is_beside(second):
            return "\n"
        return "" if first.touches(second) else " "

    @cached_property
    def right_to_left(self) -> OrderedText | None:
        """The text by the places of its letters, if it has Arabic, Hebrew or the like; else None.

        Such letters are often drawn in another order than they are read.
        """
        directions = [unicodedata.bidirectional(letter) for letter in self.characters]
        if not any(direction in _RIGHT_TO_LEFT for direction in directions):
            return None
        shown = [index for index, letter in enumerate(self.characters) if not letter.isspace() and letter != "\0"]
        boxes = {index: self.box(index) for index in shown}
        text: list[str] = []
        places: list[int] = []
        for line in _in_lines(boxes):
            for index in _as_read(line, directions):
                if places and text[-1] != "\n" and not boxes[places[-1]].touches(boxes[index]):
                    text.append(" ")
                    places.append(places[-1])
                text.append(self.characters[index])
                places.append(index)
            text.append("\n")
            places.append(places[-1])
        return OrderedText("".join(text), places)


def _in_lines(boxes: dict[int, Box]) -> Iterable[list[int]]:
    """Yield the characters of each line, from the top of the page down, each line from right to left."""
    line: list[int] = []
    for index in sorted(boxes, key=lambda index: -(boxes[index].top + boxes[index].bottom)):
        if line and not boxes[line[0]].is_beside(boxes[index]):
            yield sorted(line, key=lambda index: -boxes[index].right)
            line = []
        line.append(index)
    if line:
        yield sorted(line, key=lambda index: -boxes[index].right)


def _as_read(line: list[int], directions: list[str]) -> list[int]:
    """Return the characters of a line, which come from right to left, as they are read: numbers from left to right."""
    strong = [directions[index] for index in line if directions[index] in (*_RIGHT_TO_LEFT, "L")]
    if 2 * strong.count("L") > len(strong):
        return line[::-1]
    runs: list[tuple[bool, list[int]]] = []
    for forwards, group in groupby(line, lambda index: directions[index] in (*_LEFT_TO_RIGHT, "CS", "ES", "ET")):
        runs.append((forwards, list(group)))
    return [index for forwards, run in runs for index in (run[::-1] if forwards else run)]
