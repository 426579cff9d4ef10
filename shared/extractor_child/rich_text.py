"""Take the text and pictures out of rich text (RTF)."""

from __future__ import annotations

import re

from striprtf.striprtf import rtf_to_text

from shared.domain.media.reading import DamagedError
from shared.extractor_child.document import Document
from shared.extractor_child.pictures import add_picture

_PICTURE = re.compile(rb"\\(?:png|jpeg)blip\b")
_HEX = re.compile(rb"[0-9A-Fa-f\s]*")
_MOST_WORDS = 4096
"""Bytes of settings between the kind of a picture and its data."""
_SETTING = re.compile(rb"(?:\\[a-z]{1,32}-?\d{0,10}[ \r\n]?|\{\\\*[^{}]{0,2000}\}|\s)*")
_MOST = 64 << 20
_BINARY = re.compile(rb"\\(?:bin(\d{1,9}) ?|.)", re.DOTALL)
_ASIDE = re.compile(rb"\{\s?(?:\\\*)?\\(footnote|annotation|shptxt|header[flr]?|footer[flr]?)(?![a-z])\s?")
"""Groups that striprtf leaves out: notes, comments, text boxes, and what stands on every page."""
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


def extract_rich_text(data: bytes, document: Document) -> None:
    plain, pictures = _without_pictures(_without_binary(data[:_MOST]))
    body, asides = _with_asides(plain)
    fonts = _FONTS.search(plain)
    preamble = plain[: _end_of_group(plain, fonts.end()) + 1] if fonts else b"{\\rtf1\\ansi "
    try:
        document.add(_text_of(body))
        for aside in dict.fromkeys(asides):
            document.add(_text_of(preamble + aside + b"}"))
    except (ValueError, LookupError, RecursionError) as error:
        raise DamagedError("The rich text cannot be read: it is damaged.") from error
    for picture in pictures:
        document.add(add_picture(document, picture, ""))


def _text_of(data: bytes) -> str:
    return str(rtf_to_text(data.decode("latin-1"), errors="replace"))  # type: ignore[no-untyped-call,unused-ignore]


def _without_binary(data: bytes) -> bytes:
    """Return the text without the bytes behind `\\bin`, which may be braces as well."""
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
    """Return the text with its notes and comments where they stand, and the text boxes, headers and footers."""
    kept, moved, at = bytearray(), list[bytes](), 0
    for match in _ASIDE.finditer(data):
        if match.start() < at:
            continue
        end = _end_of_group(data, match.end())
        name = next(name for name in _LABELS if match[1].startswith(name))
        shown = b"{[" + _LABELS[name] + b": " + data[match.end() : end] + b"]}"
        kept += data[at : match.start()]
        if name in _IN_PLACE:
            kept += b" " + shown
        else:
            moved.append(shown)
        at = end + 1
    return bytes(kept + data[at:]), moved


def _end_of_group(data: bytes, start: int) -> int:
    """Return where the brace is that ends the group in which `start` is; the end of the data if there is none."""
    depth = 1
    for brace in _BRACE.finditer(data, start):
        depth += {b"{": 1, b"}": -1}.get(brace[0], 0)
        if not depth:
            return brace.start()
    return len(data)


def _without_pictures(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return the text without the digits of its pictures, and the pictures."""
    kept, pictures, at = bytearray(), list[bytes](), 0
    for match in _PICTURE.finditer(data):
        if match.start() < at:
            continue
        setting = _SETTING.match(data, match.end(), match.end() + _MOST_WORDS)
        start = setting.end() if setting else match.end()
        digits = _HEX.match(data, start)
        end = digits.end() if digits else start
        pairs = b"".join(data[start:end].split())
        kept += data[at:start]
        at = end
        pictures.append(bytes.fromhex(pairs[: len(pairs) & ~1].decode("ascii")))
    return bytes(kept + data[at:]), pictures
