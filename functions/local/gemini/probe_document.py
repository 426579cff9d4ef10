"""Documents: a PDF's pages and first text; the characters, lines and beginning of a text."""

from __future__ import annotations

import codecs
import io
import logging
import re
from typing import BinaryIO

import pypdf

from functions.local.gemini.media import Finding, Undecodable

_TEXT_KEPT = 2_000
_PAGES_READ = 3
_NO_TABLE = b"\nstartxref\n0\n%%EOF\n"
"""Says that a PDF has no table, so that one is made from its objects."""
_BLOCK_BYTES = 1 << 20
_READ_THROUGH_BYTES = 32 << 20
"""Of a larger text the characters are estimated from this much of it."""

logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def probe_pdf(content: BinaryIO, size: int) -> Finding:
    if b"%PDF-" not in content.read(1024):
        raise Undecodable("The document is no PDF." if size else "The document has no pages.")
    reader = _opened(content)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Undecodable("The document is protected by a password.")
    if not (pages := len(reader.pages)):
        raise Undecodable("The document has no pages.")
    text = ""
    for number in range(min(pages, _PAGES_READ)):
        if len(text) < _TEXT_KEPT:
            text += _page_text(reader, number) + " "
    return Finding(container="PDF", pages=pages, text=_squeezed(text))


def _opened(content: BinaryIO) -> pypdf.PdfReader:
    """As viewers do: where the table of contents is damaged, the objects are looked for one by one."""
    content.seek(0)
    try:
        return pypdf.PdfReader(content)
    except pypdf.errors.PdfReadError:
        content.seek(0)
        return pypdf.PdfReader(io.BytesIO(content.read() + _NO_TABLE))


def _page_text(reader: pypdf.PdfReader, number: int) -> str:
    try:
        return str(reader.pages[number].extract_text())
    except Exception:
        # A page whose text cannot be extracted is still a page to look at.
        return ""


def probe_text(content: BinaryIO, size: int) -> Finding:
    first = content.read(4)
    encoding = "utf-16" if first[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    content.seek(0)
    characters = lines = read = 0
    beginning = ""
    while read < _READ_THROUGH_BYTES and (block := content.read(_BLOCK_BYTES)):
        text = decoder.decode(block)
        read += len(block)
        characters += len(text)
        lines += text.count("\n")
        beginning = beginning or text[:_TEXT_KEPT]
    if 0 < read < size:
        characters, lines = characters * size // read, lines * size // read
    if size and not beginning.endswith("\n"):
        lines += 1
    return Finding(container="text", characters=characters, lines=lines, text=beginning.strip())


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()[:_TEXT_KEPT]
