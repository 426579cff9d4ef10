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


def extract_rich_text(data: bytes, document: Document) -> None:
    plain, pictures = _without_pictures(data[:_MOST])
    try:
        document.add(str(rtf_to_text(plain.decode("latin-1"), errors="replace")))  # type: ignore[no-untyped-call,unused-ignore]
    except (ValueError, LookupError, RecursionError) as error:
        raise DamagedError("The rich text cannot be read: it is damaged.") from error
    for picture in pictures:
        document.add(add_picture(document, picture, ""))


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
