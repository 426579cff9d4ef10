"""The content extracted from a document: Markdown, and the pictures and files that it refers to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.domain.media.utf8_conversion import WHOLE

MAX_FILES = 100
"""Pictures and attached files that are sent along."""
MAX_FILE_BYTES = 48 << 20
"""Bytes of all of them together."""
_BLANK_LINES = re.compile(r"\n{3,}")


class TooLongError(Exception):
    """The document has more text than any model accepts."""


class ExtractedFile(NamedTuple):
    """A picture or attachment in the form in which it is sent to Gemini."""

    mime: str
    data: bytes
    title: str
    width: int | None = None
    height: int | None = None
    pages: int | None = None


class Document:
    """Collects the content of a document, within the limits."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._characters = self._bytes = 0
        self._known: dict[str, int] = {}
        self.files: list[ExtractedFile] = []
        self.notes: list[str] = []
        self._left_out = 0

    def add(self, text: str) -> None:
        """Add a block of Markdown. Raises `TooLongError` if the text is too long for any model."""
        block = _BLANK_LINES.sub("\n\n", text.replace("\0", "")).strip("\n")
        if not block.strip():
            return
        self._characters += len(block)
        if self._characters > WHOLE:
            raise TooLongError
        self._blocks.append(block)

    def add_table(self, rows: Iterable[Sequence[str]]) -> int:
        """Add a table whose first row is its header, without empty rows. Return the number of rows added."""
        lines: list[str] = []
        header: list[str] = []
        width = size = 0
        for row in rows:
            cells = [cell_text(cell) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if not cells:
                continue
            width = max(width, len(cells))
            lines.append(f"| {' | '.join(cells)} |")
            size += len(lines[-1])
            if self._characters + size > WHOLE:
                raise TooLongError
            header = header or cells
        if lines:
            padded = [*header, *[""] * (width - len(header))]
            lines[0] = f"| {' | '.join(padded)} |\n|{' --- |' * width}"
            self.add("\n".join(lines))
        return len(lines)

    def add_file(self, file: ExtractedFile) -> str:
        """Add a picture or file; an identical one is added once. Return the mark that replaces it in the text."""
        digest = hashlib.sha256(file.data).hexdigest()
        number = self._known.get(digest)
        if number is None:
            if len(self.files) >= MAX_FILES or self._bytes + len(file.data) > MAX_FILE_BYTES:
                self._left_out += 1
                return f"[{_named('Picture', file.title)} (left out)]"
            self._bytes += len(file.data)
            self.files.append(file)
            number = self._known[digest] = len(self.files)
        what = "Picture" if file.mime.startswith("image/") else "Attached file"
        return f"[{_named(f'{what} {number}', file.title)}]"

    def leave_out(self, title: str) -> str:
        """Count a picture that cannot be sent. Return the mark that replaces it in the text."""
        self._left_out += 1
        return f"[{_named('Picture', title)} (left out)]"

    @property
    def text(self) -> str:
        return "\n\n".join(self._blocks)

    def all_notes(self) -> list[str]:
        if not self._left_out:
            return self.notes
        what = "1 picture was" if self._left_out == 1 else f"{self._left_out} pictures were"
        note = (
            f"{what} left out: up to {MAX_FILES} pictures and attached files of {MAX_FILE_BYTES >> 20} MiB together "
            "are sent, and no drawings such as EMF, WMF and SVG."
        )
        return [*self.notes, note]


def cell_text(value: str) -> str:
    """Return a cell's text in one line of a Markdown table."""
    return " ".join(value.split()).replace("|", "\\|")


def _named(what: str, title: str) -> str:
    plain = " ".join(title.split())[:200].replace("]", ")").replace("[", "(")
    return f"{what}: {plain}" if plain else what
