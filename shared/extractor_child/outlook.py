"""Extract the header, text and attachments of Outlook messages (MSG, [MS-OXMSG])."""

from __future__ import annotations

import codecs
import datetime
import re
from typing import BinaryIO

import olefile

from shared.domain.media.random_access import DamagedError
from shared.extractor_child.document import Document
from shared.extractor_child.mail import Attach
from shared.extractor_child.markup import to_markdown
from shared.extractor_child.rich_text import extract_rich_text

_SUBJECT, _BODY, _HTML, _RTF, _HEADERS = "0037", "1000", "1013", "1009", "007D"
_FROM, _FROM_SMTP, _FROM_ADDRESS, _TO, _CC = "0C1A", "5D01", "0C1F", "0E04", "0E03"
_DATA, _LONG_NAME, _SHORT_NAME, _ATTACHED_MIME = "3701", "3707", "3704", "370E"
_NAME, _SMTP, _ADDRESS = "3001", "39FE", "3003"
_SENT, _CODE_PAGE, _PAGE_OF_HTML, _RECIPIENT_TYPE = 0x0039_0040, 0x3FFD_0003, 0x3FDE_0003, 0x0C15_0003
"""Properties ([MS-OXPROPS]): their numbers, and with fixed values also their types."""
_FIXED_IN_MESSAGE, _FIXED_IN_ATTACHED_MESSAGE, _FIXED_IN_ATTACHMENT = 32, 24, 8
"""Bytes before the properties of fixed length ([MS-OXMSG], section 2.4.1). Recipients have as many as attachments."""
_EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)
_MAX_BYTES = 64 << 20
_MAX_DEPTH = 3
_DATE = re.compile(r"^Date:[ \t]{0,8}([^\r\n]{1,200})", re.MULTILINE | re.IGNORECASE)


def extract_outlook(file: BinaryIO, document: Document, attach: Attach) -> None:
    try:
        with olefile.OleFileIO(file) as opened:
            _add_message(opened, [], document, attach)
    except (OSError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise DamagedError("The Outlook message cannot be read: it is truncated or damaged.") from error


def _add_message(opened: olefile.OleFileIO, path: list[str], document: Document, attach: Attach) -> None:
    message = _Properties(opened, path)
    address = message.text(_FROM_SMTP) or message.text(_FROM_ADDRESS)
    sender = f"{message.text(_FROM)} <{address}>" if "@" in address else message.text(_FROM)
    dated = _DATE.search(message.text(_HEADERS))
    names = {entry[len(path)] for entry in opened.listdir() if entry[: len(path)] == path and len(entry) > len(path)}
    recipients = [
        _Properties(opened, [*path, name], message) for name in sorted(names) if name.startswith("__recip_version1.0_")
    ]
    header = {
        "From": sender,
        "To": _recipients(recipients, 1) or message.text(_TO),
        "Cc": _recipients(recipients, 2) or message.text(_CC),
        "Bcc": _recipients(recipients, 3),
        "Date": message.sent() or (dated[1] if dated else ""),
        "Subject": message.text(_SUBJECT),
    }
    document.add("\n".join(f"**{name}:** {' '.join(value.split())}" for name, value in header.items() if value))
    _add_body(message, document)
    for name in sorted(names):
        if name.startswith("__attach_version1.0_"):
            _add_attachment(opened, _Properties(opened, [*path, name], message), [*path, name], document, attach)


def _recipients(recipients: list[_Properties], kind: int) -> str:
    """Return the recipients of a kind ([MS-OXOMSG], section 2.2.3.1), with their addresses if known."""
    shown = (recipient.person() for recipient in recipients if recipient.number(_RECIPIENT_TYPE) == kind)
    return "; ".join(filter(None, shown))


def _add_body(message: _Properties, document: Document) -> None:
    if body := message.text(_BODY):
        document.add(body)
    elif page := message.data(_HTML) or message.text(_HTML).encode(message.html_codec, "replace"):
        document.add(to_markdown(page.decode(message.html_codec, "replace")))
    elif packed := message.data(_RTF):
        extract_rich_text(_unpacked(packed), document)


def _add_attachment(
    opened: olefile.OleFileIO, attached: _Properties, path: list[str], document: Document, attach: Attach
) -> None:
    name = attached.text(_LONG_NAME) or attached.text(_SHORT_NAME)
    if (data := attached.data(_DATA)) is not None:
        attach(data, name, attached.text(_ATTACHED_MIME), document)
    elif len(path) < _MAX_DEPTH * 2 and opened.exists([*path, f"__substg1.0_{_DATA}000D"]):
        document.add(f"### Attached e-mail {name}".rstrip())
        _add_message(opened, [*path, f"__substg1.0_{_DATA}000D"], document, attach)


class _Properties:
    """The properties of a message or attachment."""

    def __init__(self, opened: olefile.OleFileIO, path: list[str], within: _Properties | None = None) -> None:
        """`within` is the message of a recipient or attachment, and gives its code page."""
        self._opened, self._path = opened, path
        general, of_pages = self.number(_CODE_PAGE), self.number(_PAGE_OF_HTML)
        self.codec: str = within.codec if within is not None else _codec(general or of_pages)
        self.html_codec: str = _codec(of_pages or general)

    def text(self, number: str) -> str:
        for kind, codec in (("001F", "utf-16-le"), ("001E", self.codec)):
            if (data := self._stream(f"__substg1.0_{number}{kind}")) is not None:
                return data.decode(codec, "replace").rstrip("\0")
        return ""

    def data(self, number: str) -> bytes | None:
        return self._stream(f"__substg1.0_{number}0102")

    def number(self, tag: int) -> int:
        return int.from_bytes((self._fixed(tag) or b"")[:4], "little")

    def person(self) -> str:
        """Return the name and the address of a recipient."""
        name, address = self.text(_NAME), self.text(_SMTP) or self.text(_ADDRESS)
        return f"{name} <{address}>" if name and "@" in address and address != name else name or address

    def sent(self) -> str:
        ticks = int.from_bytes(self._fixed(_SENT) or b"", "little")
        try:
            return (
                (_EPOCH + datetime.timedelta(microseconds=ticks // 10)).strftime("%Y-%m-%d %H:%M UTC") if ticks else ""
            )
        except OverflowError:
            return ""

    def _fixed(self, tag: int) -> bytes | None:
        """Return the eight bytes of a fixed-length property."""
        data = self._stream("__properties_version1.0") or b""
        first = _FIXED_IN_MESSAGE if not self._path else _FIXED_IN_ATTACHED_MESSAGE
        if self._path and self._path[-1].startswith(("__attach", "__recip")):
            first = _FIXED_IN_ATTACHMENT
        for start in range(first, len(data) - 15, 16):
            if int.from_bytes(data[start : start + 4], "little") == tag:
                return data[start + 8 : start + 16]
        return None

    def _stream(self, name: str) -> bytes | None:
        path = [*self._path, name]
        if not self._opened.exists(path) or self._opened.get_type(path) != olefile.STGTY_STREAM:
            return None
        data = bytes(self._opened.openstream(path).read(_MAX_BYTES))
        if len(data) < min(self._opened.get_size(path), _MAX_BYTES):
            raise DamagedError("The Outlook message is truncated: a part of it is missing. Save it anew.")
        return data


def _codec(page: int) -> str:
    """Return the Python name of a Windows code page; windows-1252 if Python does not know it."""
    name = {65001: "utf-8", 20127: "ascii", 50220: "iso2022_jp", 51932: "euc_jp", 20866: "koi8_r"}.get(
        page, f"cp{page}"
    )
    try:
        return codecs.lookup(f"iso8859-{page - 28_590}" if 28_591 <= page <= 28_605 else name).name
    except LookupError:
        return "cp1252"


_LZFU_START = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
"""What the window is filled with at first ([MS-OXRTFCP], section 2.1.3.1.4)."""


def _unpacked(data: bytes) -> bytes:
    """Decompress rich text ([MS-OXRTFCP])."""
    if data[8:12] == b"MELA":
        return data[16:]
    window = bytearray(_LZFU_START.ljust(4096, b"\0"))
    at, out, write = 16, bytearray(), len(_LZFU_START)
    while at < len(data) and len(out) < _MAX_BYTES:
        flags, at = data[at], at + 1
        for bit in range(8):
            if at >= len(data):
                break
            if not flags >> bit & 1:
                piece, at = data[at : at + 1], at + 1
            else:
                token, at = int.from_bytes(data[at : at + 2], "big"), at + 2
                start, length = token >> 4, (token & 0xF) + 2
                if start == write:
                    return bytes(out)
                piece = b""
                for step in range(length):
                    byte = window[(start + step) % 4096 : (start + step) % 4096 + 1]
                    window[write : write + 1] = byte
                    write, piece = (write + 1) % 4096, piece + byte
                out += piece
                continue
            out += piece
            window[write : write + 1] = piece
            write = (write + 1) % 4096
    return bytes(out)
