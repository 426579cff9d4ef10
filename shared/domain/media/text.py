"""Recognise text, its encoding and its kind.

Everything here is linear in the bytes it is given: no pattern has a repetition within a repetition.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes([*range(0x07), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F])
_MAX_END_MARKS = 512
"""End marks (0x1A, NUL) at the end of a text: DOS and CP/M filled blocks with them."""
_HEADER = 64
"""Bytes of a file in which a binary format has its header."""
_FEWEST_ZEROS = 4
"""Zeros that a binary format has among the numbers of its header; in a text there may be a stray one."""
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_FEWEST_WIDE_CHARACTERS = 32
"""Fewer two-byte values may be letters by chance."""
_WIDE_SAMPLE = 8192
"""Bytes in which letters of UTF-16 and UTF-32 are looked for."""
_IN_ALL_SCRIPTS = re.compile("[\t\n\r -~\u3000-\u3002]")
"""Blanks, digits, stops and Latin letters: read with the wrong byte order, or at random, a text has next to none."""
_LEAST_COMMON = 0.04
"""Their share in a text of any script."""
_OF_TEXTS = frozenset("LMNPSZ")
"""Unicode categories of what texts consist of, by their first letter. Of the others, texts only have Cf."""
_INVISIBLE = "\ufeff\0\x1a\xad\u200b\u200c\u200d\u2060"
_HIGH = bytes(range(0x80, 0x100))
_MAX_CONTROLS_SHARE = 0.01
"""Share of control characters in text: terminal logs and broken exports have a few, binary data many."""
_MAX_CONTROLS_IN_SHORT_TEXT = 8
"""Control characters that even a short text may have, as long as most of it is none."""
_MAX_HIGH_BYTES_SHARE = 0.25
"""With a higher share of bytes over 0x7F, a single-byte text is hardly Western European."""
_DECLARED = re.compile(rb"(?:encoding|charset)\s*=\s*[\"']?([A-Za-z][A-Za-z0-9._-]{2,20})")
"""How XML and HTML name their encoding."""
_NO_ENCODINGS = {"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape", "utf_7"}
"""Python codecs in which nobody writes files."""
_JAPANESE_SHIFTS = (b"\x1b$B", b"\x1b$@", b"\x1b(J")
_BLANKS = re.compile(rb"\s*")
_PROLOG_PARTS = (b"<!--", b"-->"), (b"<?", b"?>")
_XML_DECLARATION = re.compile(rb"<\?xml\s")
_RTF = re.compile(rb"\{\\rtf\d{0,2}\s{0,8}[\\{]")
_MAIL = re.compile(rb"(?:From [^\r\n]{1,200}\r?\n)?[A-Za-z][A-Za-z0-9-]{0,60}:[ \t]?[^\r\n]{0,1000}\r?\n")
_ENVELOPE = re.compile(rb"(?:From [^\r\n]{1,200}|\d{1,10}[ \t]{0,8})\r?\n")
"""The line before a mail in a mailbox (mbox), and before one of Apple Mail (emlx)."""
_FIELD = re.compile(rb"([!-9;-~]{1,76}):")
_MAILER_FIELDS = {b"mime-version", b"received", b"message-id", b"return-path", b"delivered-to"}
"""Header fields that programs write, and people do not."""
_HEADER_BYTES = 16 << 10
_HTML = re.compile(rb"<(?:!doctype\s{1,8}html|html[\s>])", re.IGNORECASE)
_SVG_TYPE = re.compile(rb"<!doctype\s{1,8}svg", re.IGNORECASE)
_SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_ONLY_IN_SVG = re.compile(rb"http://www\.w3\.org/2000/svg|</svg", re.IGNORECASE)


def encoding_of(head: bytes) -> str | None:
    """Return the codec that reads `head`: None if it is not text, "unknown" if the encoding is not known.

    Tolerates a character cut at the end of `head`, end marks, and a few stray control characters. "windows-1252" also
    stands for UTF-8 with stray bytes.
    """
    for bom, codec in _BOMS:
        if head.startswith(bom):
            if decodes(head, codec):
                return codec
            is_mixed = bom == codecs.BOM_UTF8 and may_be_text(len(head), count_controls(head) * 10)
            return "windows-1252" if is_mixed else None
    wide = _utf_16_without_mark(head)
    if wide is not None:
        return wide
    body = _without_end_marks(head)
    controls = count_controls(body)
    if not may_be_text(len(body), controls):
        return _wide_by_letters(head)
    if any(shift in body for shift in _JAPANESE_SHIFTS) and decodes(body, "iso2022_jp"):
        return "iso2022_jp"
    if decodes(body, "utf-8"):
        return "utf-8"
    if not may_be_text(len(body), controls * 10) or _has_binary_header(body):
        # Without UTF-8's own check digits, control characters weigh more: a white picture has few beyond its header.
        return _wide_by_letters(head)
    declared = _declared_encoding(body)
    if declared is not None:
        return declared
    high = len(body) - len(body.translate(None, _HIGH))
    western = high <= _MAX_HIGH_BYTES_SHARE * len(body) and decodes(body, "windows-1252")
    return "windows-1252" if western or _mostly_utf_8(body) else "unknown"


def _mostly_utf_8(body: bytes) -> bool:
    """Return whether most non-ASCII characters are valid UTF-8, as in a file joined from several."""
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    valid = decoder.decode(body, final=False)
    cut_off = len(decoder.getstate()[0])
    stray = len(body) - cut_off - len(valid.encode())
    return stray * 4 <= len(valid) - len(valid.encode("ascii", "ignore"))


def _without_end_marks(head: bytes) -> bytes:
    """Strip end marks: any number of 0x1A, and NULs up to half the length of the text."""
    marked = head.rstrip(b"\x1a")
    body = marked.rstrip(b"\0\x1a")
    if len(marked) - len(body) > len(body) // 2:
        body = marked
    return body if len(head) - len(body) <= _MAX_END_MARKS else head


def begins_as_text(head: bytes, encoding: str | None) -> bool:
    """Whether the first bytes, read in this encoding, are no header of a binary format."""
    return encoding is not None and (encoding.startswith(("utf-16", "utf-32")) or not _has_binary_header(head))


def _has_binary_header(data: bytes) -> bool:
    return data.count(0, 0, _HEADER) >= _FEWEST_ZEROS


def may_be_text(size: int, controls: int) -> bool:
    """Return whether `size` bytes with this many control characters may be a text."""
    return size > 0 and (
        controls <= _MAX_CONTROLS_SHARE * size or (controls <= _MAX_CONTROLS_IN_SHORT_TEXT and controls * 6 <= size)
    )


def count_controls(data: bytes) -> int:
    """Return the number of control characters, other than those for layout."""
    return len(data) - len(data.translate(None, _CONTROLS))


def kind_by_content(head: bytes, encoding: str, name: str = "") -> str | None:
    """Return the MIME type that the text itself shows (even "image/svg+xml", which is not sent), or None.

    A text that merely begins with `<svg>` or `<?xml` in prose has no type of its own.
    """
    plain = head if encoding == "utf-8" else head.decode(encoding, "ignore").encode()
    plain = plain.removeprefix(codecs.BOM_UTF8)
    if _RTF.match(plain):
        return "text/rtf"
    start, svg_type = _skip_prolog(plain)
    if _SVG.match(plain, start) and (svg_type or name.lower().endswith(".svg") or _ONLY_IN_SVG.search(plain, start)):
        return "image/svg+xml"
    if _HTML.match(plain, start):
        return "text/html"
    return "text/xml" if _XML_DECLARATION.match(plain, _skip_blanks(plain, 0)) else None


def has_words(whole: bytes, encoding: str | None) -> bool:
    """Return whether a text has anything but white space. `whole` is the complete text."""
    if encoding in (None, "unknown"):
        return True
    return any(
        not character.isspace() for character in whole.decode(encoding, "replace") if character not in _INVISIBLE
    )


def looks_like_mail(head: bytes) -> bool:
    """Return whether a text begins like an e-mail header (RFC 5322), for files that are named like e-mails."""
    return _MAIL.match(head) is not None


def starts_with_mail_header(head: bytes) -> bool:
    """Return whether a text begins with an e-mail header that a mail program wrote, for files of any name."""
    envelope = _ENVELOPE.match(head)
    names = set[bytes]()
    for line in head[envelope.end() if envelope else 0 :][:_HEADER_BYTES].splitlines()[:-1]:
        if not line:
            break
        if not names or line[:1] not in (b" ", b"\t"):
            field = _FIELD.match(line)
            if field is None:
                return False
            names.add(field[1].lower())
    return b"from" in names and not names.isdisjoint(_MAILER_FIELDS)


def decodes(data: bytes, codec: str) -> bool:
    """Return whether `codec` decodes the bytes, except for a character cut at their end."""
    try:
        codecs.getincrementaldecoder(codec)("strict").decode(data, final=False)
    except UnicodeError:
        return False
    return True


def _skip_prolog(plain: bytes) -> tuple[int, bool]:
    """Return the position after white space, comments, instructions and an SVG document type.

    Also return whether there was such a document type.
    """
    at, svg_type = _skip_blanks(plain, 0), False
    while at < len(plain):
        closed = next((end for start, end in _PROLOG_PARTS if plain.startswith(start, at)), None)
        if closed is None and not svg_type and _SVG_TYPE.match(plain, at):
            closed, svg_type = b">", True
            subset, end = plain.find(b"[", at), plain.find(b">", at)
            if 0 <= subset < end:
                at, closed = subset, b"]"
        elif closed is None and svg_type and plain.startswith(b">", at):
            # The end of a document type with an internal subset.
            at = _skip_blanks(plain, at + 1)
            continue
        if closed is None or (closing := plain.find(closed, at)) < 0:
            break
        at = _skip_blanks(plain, closing + len(closed))
    return at, svg_type


def _skip_blanks(plain: bytes, at: int) -> int:
    match = _BLANKS.match(plain, at)
    return match.end() if match else at


def _declared_encoding(head: bytes) -> str | None:
    match = _DECLARED.search(head[:2048])
    if match is None:
        return None
    name = match[1].decode("ascii")
    try:
        b"a".decode(name)
    except (LookupError, UnicodeError):
        return None
    codec = codecs.lookup(name).name
    return codec if codec.replace("-", "_") not in _NO_ENCODINGS and decodes(head, codec) else None


def _utf_16_without_mark(head: bytes) -> str | None:
    """Recognise UTF-16 without a byte order mark: in mostly Latin text, every second byte is zero."""
    even, odd = head[0::2], head[1::2]
    if len(odd) < 2:
        return None
    zeros_even, zeros_odd = even.count(0) / len(even), odd.count(0) / len(odd)
    for codec, high, low, letters in (
        ("utf-16-le", zeros_odd, zeros_even, even),
        ("utf-16-be", zeros_even, zeros_odd, odd),
    ):
        few_controls = count_controls(letters) <= _MAX_CONTROLS_SHARE * len(letters)
        if high > 0.7 and low < 0.02 and few_controls and decodes(head[: len(head) & ~1], codec):
            return codec
    return None


def _wide_by_letters(head: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 without a mark in any script: all of it is letters, with blanks or stops among them.

    Only for what is no text otherwise.
    """
    best, most = None, 0
    bytewise = _is_utf_8_with_zeros(head)
    for codec in _WIDE:
        if bytewise and codec.startswith("utf-16"):
            # Two bytes of Latin text are a Chinese character. Four are no character at all, so UTF-32 needs no doubt.
            continue
        try:
            sample = codecs.getincrementaldecoder(codec)("strict").decode(head[:_WIDE_SAMPLE], final=False)
        except UnicodeError:
            continue
        common = len(_IN_ALL_SCRIPTS.findall(sample))
        enough = len(sample) >= _FEWEST_WIDE_CHARACTERS and common >= _LEAST_COMMON * len(sample)
        if enough and common > most and all(map(_is_of_text, sample)):
            best, most = codec, common
    return best


def _is_utf_8_with_zeros(head: bytes) -> bool:
    """Return whether, but for zeros, this is a text of single bytes: words or records that zeros part or fill."""
    body = head.replace(b"\0", b"")
    return count_controls(body) <= _MAX_CONTROLS_SHARE * len(body) and decodes(body, "utf-8")


def _is_of_text(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in _OF_TEXTS or category == "Cf" or character.isspace()
