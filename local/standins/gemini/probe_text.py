"""Texts: how many characters and lines, and how it begins. Nothing in them can hang or crash this."""

from __future__ import annotations

import codecs
import os
from typing import BinaryIO

from local.standins.gemini.media import Finding, Media, kind_of
from local.standins.gemini.tokens import count_dense

_TEXT_KEPT = 2_000
_BLOCK_BYTES = 1 << 20
_READ_THROUGH_BYTES = 32 << 20
"""Of a larger text the characters are estimated from this much of it."""


def plain(content: BinaryIO, mime_type: str) -> Media:
    """Return what a text holds; of a type that no model takes, the size alone."""
    size, kind = content.seek(0, os.SEEK_END), kind_of(mime_type)
    content.seek(0)
    media = Media(mime_type=mime_type, size=size, kind=kind)
    return media if kind is None else media.model_copy(update=dict(_read(content, size)))


def _read(content: BinaryIO, size: int) -> Finding:
    first = content.read(4)
    encoding = "utf-16" if first[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    content.seek(0)
    characters = dense = lines = read = 0
    beginning = ""
    while read < _READ_THROUGH_BYTES and (block := content.read(_BLOCK_BYTES)):
        text = decoder.decode(block)
        read += len(block)
        characters += len(text)
        dense += count_dense(text)
        lines += text.count("\n")
        beginning = beginning or text[:_TEXT_KEPT]
    if 0 < read < size:
        characters, dense, lines = (count * size // read for count in (characters, dense, lines))
    if size and not beginning.endswith("\n"):
        lines += 1
    return Finding(container="text", characters=characters, dense=dense, lines=lines, text=beginning.strip())
