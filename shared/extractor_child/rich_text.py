"""Extract the text and pictures of rich text (RTF)."""

from __future__ import annotations

import re

from striprtf.striprtf import rtf_to_text

from shared.domain.media.random_access import DamagedError
from shared.extractor_child.document import Document
from shared.extractor_child.pictures import add_picture

_PICTURE = re.compile(rb"\\(?:png|jpeg)blip\b")
_HEX = re.compile(rb"[0-9A-Fa-f\s]*")
_MAX_WORDS = 4096
"""Bytes of settings between the kind of a picture and its data."""
_SETTING = re.compile(rb"(?:\\[a-z]{1,32}-?\d{0,10}[ \r\n]?|\{\\\*[^{}]{0,2000}\}|\s)*")
_MOST = 64 << 20
_BINARY = re.compile(rb"\\(?:bin(\d{1,9}) ?|.)", re.DOTALL)
_GROUPS = re.compile(
    rb"\{\s?(?:\\\*)?\\(footnote|annotation|shptxt|header[flr]?|footer[flr]?)(?![a-z])\s?|\\[\\{}]|[{}]"
)
"""Braces; with a word, those of groups that striprtf leaves out: notes, comments, text boxes, headers and footers."""
_LABELS = {
    b"footnote": b"Note",
    b"annotation": b"Comment",
    b"shptxt": b"Text box",
    b"header": b"Header",
    b"footer": b"Footer",
}
_IN_PLACE = (b"footnote", b"annotation")
_BRACE = re.compile(rb"\\.|[{}]", re.DOTALL)
_FONTS = re.compile(rb"\{\s?\\fonttbl")
_CODE_PAGE = re.compile(rb"\\ansicpg\d{1,5}")


def extract_rich_text(data: bytes, document: Document) -> None:
    plain, pictures = _without_pictures(_without_binary(data[:_MOST]))
    body, asides = _with_asides(plain)
    try:
        document.add(_text_of(body))
        if asides:
            # In one call, because each call reads all fonts. In lines, because fields are searched up to a line's end.
            document.add(_text_of(_preamble(plain) + b"\\par\\par\n".join(dict.fromkeys(asides)) + b"}"))
    except (ValueError, LookupError, RecursionError) as error:
        raise DamagedError("The rich text cannot be read: it is damaged.") from error
    for picture in pictures:
        document.add(add_picture(document, picture, ""))


def _preamble(data: bytes) -> bytes:
    """Return an RTF header with the code page and the fonts of this document."""
    if (fonts := _FONTS.search(data)) is not None:
        return data[: _end_of_group(data, fonts.end()) + 1]
    page = _CODE_PAGE.search(data)
    return b"{\\rtf1\\ansi" + (page[0] if page else b"") + b" "


def _text_of(data: bytes) -> str:
    return str(rtf_to_text(data.decode("latin-1"), errors="replace"))  # type: ignore[no-untyped-call,unused-ignore]


def _without_binary(data: bytes) -> bytes:
    """Return the text without the binary data after `\\bin`, which may contain braces."""
    if b"\\bin" not in data:
        return data
    kept, begin, at = bytearray(), 0, 0
    while (match := _BINARY.search(data, at)) is not None:
        at = match.end()
        if match[1] is not None:
            kept += data[begin : match.start()]
            begin = at = at + int(match[1])
    return bytes(kept + data[begin:])


def _with_asides(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return the text with its notes and comments inline, followed by the text boxes, headers and footers.

    Takes time linear in the data, however deeply groups are nested.
    """
    text, depth, at = _TextAndAsides(), 0, 0
    for match in _GROUPS.finditer(data):
        if match[0] == b"}":
            if text.depth == depth:
                text.write(data[at : match.start()])
                text.close()
                at = match.end()
            depth -= 1
        elif match[0].startswith(b"{"):
            depth += 1
            if match[1] is not None:
                text.write(data[at : match.start()])
                text.open(match[1], depth)
                at = match.end()
    text.write(data[at:])
    while text.depth is not None:
        text.write(b"}" * (depth - text.depth))
        depth = text.depth - 1
        text.close()
    return bytes(text.body), text.moved


class _TextAndAsides:
    """Collects a text, and separately the groups that are moved to its end."""

    def __init__(self) -> None:
        self.body, self.moved = bytearray(), list[bytes]()
        self._open: list[tuple[int | None, bytearray]] = [(None, self.body)]
        """The depth of each group that is open, and where its text goes."""

    @property
    def depth(self) -> int | None:
        """Of the innermost group that is open."""
        return self._open[-1][0]

    def write(self, piece: bytes) -> None:
        self._open[-1][1].extend(piece)

    def open(self, word: bytes, depth: int) -> None:
        name = next(name for name in _LABELS if word.startswith(name))
        # Without it, a control word before the group would absorb the letters after it.
        self.write(b" " if name in _IN_PLACE else b"{}")
        self._open.append((depth, self._open[-1][1] if name in _IN_PLACE else bytearray()))
        self.write(b"{[" + _LABELS[name] + b": ")

    def close(self) -> None:
        self.write(b"]}")
        _, shown = self._open.pop()
        if shown is not self._open[-1][1]:
            self.moved.append(bytes(shown))


def _end_of_group(data: bytes, start: int) -> int:
    """Return the position of the brace that closes the group around `start`; the end of the data if there is none."""
    depth = 1
    for brace in _BRACE.finditer(data, start):
        depth += {b"{": 1, b"}": -1}.get(brace[0], 0)
        if not depth:
            return brace.start()
    return len(data)


def _without_pictures(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return the text without the hex data of its pictures, and the pictures."""
    kept, pictures, at = bytearray(), list[bytes](), 0
    for match in _PICTURE.finditer(data):
        if match.start() < at:
            continue
        setting = _SETTING.match(data, match.end(), match.end() + _MAX_WORDS)
        start = setting.end() if setting else match.end()
        digits = _HEX.match(data, start)
        end = digits.end() if digits else start
        pairs = b"".join(data[start:end].split())
        kept += data[at:start]
        at = end
        pictures.append(bytes.fromhex(pairs[: len(pairs) & ~1].decode("ascii")))
    return bytes(kept + data[at:]), pictures
