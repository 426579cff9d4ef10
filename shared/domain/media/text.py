"""Is it text, in which encoding, and of which kind?"""

from __future__ import annotations

import codecs
import re

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_STRAY_CONTROLS = 0.01
"""Share of control characters that text may hold: terminal logs and broken exports have a few, binary data many."""
_FOREIGN_BYTES = 0.25
"""Above this share of bytes over 0x7F, text in one byte per character is hardly a Western European one."""

_HTML = re.compile(rb"\A\s*(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<html[\s>])", re.IGNORECASE | re.DOTALL)
_SVG = re.compile(
    rb"\A(?:\s+|<\?xml.*?\?>|<!--.*?-->|<!doctype\s+svg[^>[]*(?:\[.*?\]\s*)?>)*<svg[\s>]", re.I | re.DOTALL
)
_DECLARED = re.compile(rb"(?:encoding|charset)\s*=\s*[\"']?([A-Za-z][A-Za-z0-9._-]{2,20})")
"""How XML and HTML name their encoding."""


def encoding_of(head: bytes) -> str | None:
    """The codec that reads `head`: None when it is no text, "unknown" when it is text in some other encoding.

    A character cut by the end of `head` is forgiven.
    """
    for bom, codec in _BOMS:
        if head.startswith(bom):
            return codec if _reads(head, codec) else None
    wide = _utf_16_without_mark(head)
    if wide is not None:
        return wide
    if len(_CONTROLS.findall(head)) > _STRAY_CONTROLS * len(head):
        return None
    if _reads(head, "utf-8"):
        return "utf-8"
    if _CONTROLS.search(head):
        return None
    declared = _declared(head)
    if declared is not None:
        return declared
    high = sum(byte > 0x7F for byte in head)
    return "windows-1252" if high <= _FOREIGN_BYTES * len(head) and _reads(head, "windows-1252") else "unknown"


def kind_inside(head: bytes, encoding: str) -> str | None:
    """The MIME type that the text itself tells ("image/svg+xml" too, which is not sent), or None."""
    plain = head if encoding == "utf-8" else head.decode(encoding, "ignore").encode()
    plain = plain.removeprefix(codecs.BOM_UTF8)[:4096]
    if plain.startswith(b"{\\rtf"):
        return "text/rtf"
    if _SVG.match(plain):
        return "image/svg+xml"
    if _HTML.match(plain):
        return "text/html"
    return "text/xml" if plain.lstrip().startswith(b"<?xml") else None


def _declared(head: bytes) -> str | None:
    found = _DECLARED.search(head[:2048])
    if found is None:
        return None
    name = found[1].decode("ascii")
    try:
        b"a".decode(name)
    except (LookupError, UnicodeError):
        return None
    return codecs.lookup(name).name if _reads(head, name) else None


def _reads(head: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)("strict").decode(head, final=False)
    except UnicodeError:
        return False
    return True


def _utf_16_without_mark(head: bytes) -> str | None:
    """UTF-16 of mostly Latin text shows as zeros in every second place."""
    even, odd = head[0::2], head[1::2]
    if len(odd) < 2:
        return None
    zeros_even, zeros_odd = even.count(0) / len(even), odd.count(0) / len(odd)
    for codec, high, low, letters in (
        ("utf-16-le", zeros_odd, zeros_even, even),
        ("utf-16-be", zeros_even, zeros_odd, odd),
    ):
        few_controls = len(_CONTROLS.findall(letters)) <= _STRAY_CONTROLS * len(letters)
        if high > 0.7 and low < 0.02 and few_controls and _reads(head[: len(head) & ~1], codec):
            return codec
    return None
