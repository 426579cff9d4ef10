"""Check the encoding of a whole text, beyond its first bytes, and convert it to UTF-8.

head ──▶ `text.encoding_of` ──▶ `EncodingChecker` is fed the rest, block by block ──▶ the encoding of all of it
     ──▶ `in_utf_8`: what is sent to Gemini, which decodes UTF-8
"""

from __future__ import annotations

import codecs

from shared.domain.media.text import count_controls, may_be_text
from shared.domain.models.text_tokens import TextTokens

WHOLE = 8 << 20
"""The largest text that is read whole and converted, in bytes: twice what the largest model takes."""
_PIECE = 256 << 10
"""Bytes converted at once, which takes a few milliseconds."""
_READ_AS_WESTERN = {0xDC00 + byte: bytes([byte]).decode("windows-1252", "replace") for byte in range(0x80, 0x100)}
"""Maps the surrogate of an invalid UTF-8 byte to that byte in windows-1252."""
_LETTERS_WITHIN_CHARACTERS = ("utf-16", "utf-32", "utf-7", "iso2022", "hz")
"""Beginnings of the names of codecs in which the bytes of ASCII's letters also make up other characters."""
_END_MARKS = "\x1a\0"
_BYTE_ORDER_MARK = "\ufeff"


class EncodingChecker:
    """Checks a text block by block, and counts its tokens.

    `encoding` is the codec that reads all blocks; None once they are not text.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding, self._decoder = encoding, codecs.getincrementaldecoder(encoding)("strict")
        self._is_decodable, self._size, self._controls = True, 0, 0
        self._tokens = TextTokens()

    def feed(self, block: bytes) -> None:
        self._size += len(block)
        if not self._encoding.startswith(("utf-16", "utf-32")):
            self._controls += count_controls(block)
        try:
            text = self._decoder.decode(block, final=False) if self._is_decodable else None
        except UnicodeError:
            text, self._is_decodable = None, False
        if text is not None:
            self._tokens.add(text)
        elif codecs.lookup(self._encoding).name.startswith(_LETTERS_WITHIN_CHARACTERS):
            self._tokens.add_unread(len(block))
        else:
            self._tokens.add_bytes(block)

    def most_tokens(self, size: int) -> int:
        """Return how many tokens a text of `size` bytes has at most that began with the blocks."""
        cut_off = len(self._decoder.getstate()[0])
        return self._tokens.most + cut_off + size - self._size

    @property
    def encoding(self) -> str | None:
        if self._is_decodable and self._encoding != "windows-1252":
            # End marks fill one block of 128 bytes at most.
            return self._encoding if may_be_text(self._size, max(0, self._controls - 128)) else None
        if not may_be_text(self._size, self._controls):
            return None
        return "windows-1252" if self._encoding in ("utf-8", "windows-1252") else self._encoding


def in_utf_8(data: bytes, encoding: str) -> bytes:
    """Return the text in UTF-8, without byte order mark and end marks.

    In UTF-8 and `windows-1252`, each byte that is not valid UTF-8 is read as windows-1252, because files joined from
    several have both. In other encodings, undecodable bytes become replacement characters.
    """
    mixed = encoding in ("utf-8", "windows-1252")
    decoder = codecs.getincrementaldecoder("utf-8" if mixed else encoding)("surrogateescape" if mixed else "replace")
    converted: list[bytes] = []
    for start in range(0, len(data), _PIECE):
        text = decoder.decode(data[start : start + _PIECE], final=start + _PIECE >= len(data))
        if mixed and not text.isascii():
            text = text.translate(_READ_AS_WESTERN)
        converted.append(text.removeprefix(_BYTE_ORDER_MARK if start == 0 else "").encode("utf-8", "replace"))
    return b"".join(converted).rstrip(_END_MARKS.encode())


def encoding_warning(encoding: str | None, size: int) -> str | None:
    """Return a warning about a text that is not in UTF-8, or None."""
    if encoding in (None, "utf-8"):
        return None
    if size > WHOLE:
        return f"The text is in {encoding}, not UTF-8; unusual characters may be read wrongly."
    if encoding == "windows-1252":
        return (
            "The text is not all in UTF-8; the rest was read as Western European (windows-1252) and converted. Where "
            "that is not so, unusual characters are wrong."
        )
    return f"The text is in {encoding}, not UTF-8; it was converted."
