"""Tell documents apart that are archives (ZIP) or compound files (OLE2) inside."""

from __future__ import annotations

from typing import NamedTuple

from shared.domain.media.reading import RandomAccess

_OOXML = "application/vnd.openxmlformats-officedocument"
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ARCHIVE = b"PK"
_DIRECTORY_BYTES = 256 << 10
"""From the end of an archive, where its directory is."""
_MOST_SECTORS = 64
"""Sectors of a compound file's directory that are looked at; each has four or 32 entries."""
_ENTRY = 128
_HEADER_SECTORS = 109
"""Sectors of the allocation table that the header lists ([MS-CFB], section 2.2)."""


class Foreign(NamedTuple):
    """A kind of file that is not sent: its name, and what the user can do."""

    label: str
    way_out: str


_AS_DOCX = "Save it as DOCX or PDF and drop that."
_OLD = (
    ("WordDocument", Foreign("an old Word document (.doc)", _AS_DOCX)),
    ("Workbook", Foreign("an old Excel workbook (.xls)", "Save it as XLSX or CSV and drop that.")),
    ("Book", Foreign("an old Excel workbook (.xls)", "Save it as XLSX or CSV and drop that.")),
    ("PowerPoint Document", Foreign("an old PowerPoint presentation (.ppt)", "Save it as PPTX or PDF and drop that.")),
    ("VisioDocument", Foreign("an old Visio drawing", "Save it as PDF and drop that.")),
)
_LOCKED = Foreign("an Office document with a password", "Save it without the password and drop that.")
_OTHER = Foreign(
    "an old Microsoft Office document or another compound file", "Save it in today's format, or as PDF, and drop that."
)
_WORK = Foreign("a Pages, Numbers or Keynote document", "Export it as PDF or in an Office format and drop that.")
_BINARY_SHEETS = Foreign("a binary Excel workbook (.xlsb)", "Save it as XLSX and drop that.")
_PROGRAM = Foreign("an Android program", "Only audio, images, video, PDF, text and documents can be understood.")
_IN_ARCHIVE: tuple[tuple[bytes, str], ...] = (
    (b"word/", f"{_OOXML}.wordprocessingml.document"),
    (b"ppt/", f"{_OOXML}.presentationml.presentation"),
    (b"xl/", f"{_OOXML}.spreadsheetml.sheet"),
)
_MIMETYPES: tuple[tuple[bytes, str], ...] = (
    (b"application/epub+zip", "application/epub+zip"),
    (b"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet"),
    (b"application/vnd.oasis.opendocument.", "application/vnd.oasis.opendocument.presentation"),
)


def bytes_behind(source: RandomAccess, head: bytes) -> bytes:
    """Return the directory of an archive or compound file, as far as it is needed to tell what it holds."""
    if head.startswith(_ARCHIVE):
        start = max(0, source.size - _DIRECTORY_BYTES)
        return source.read(start, source.size - start)
    return _directory(source, head) if head.startswith(COMPOUND) and len(head) >= 512 else b""


def in_archive(head: bytes, behind: bytes) -> Foreign | str | None:
    """Return the document that a ZIP archive is; None if it is just an archive."""
    if head[26:28] == b"\x08\0" and head[30:38] == b"mimetype":
        # The first entry of OpenDocument and EPUB, stored as it is, says what they are.
        content = head[38 + int.from_bytes(head[28:30], "little") :]
        for mark, mime in _MIMETYPES:
            if content.startswith(mark):
                return mime
    listed = head + behind
    if b"[Content_Types].xml" in listed:
        if b"xl/workbook.bin" in listed:
            return _BINARY_SHEETS
        for mark, mime in _IN_ARCHIVE:
            if mark in listed:
                return mime
    if b"META-INF/container.xml" in listed and b".opf" in listed:
        return "application/epub+zip"
    if b"Index/Document.iwa" in listed:
        return _WORK
    return _PROGRAM if b"AndroidManifest.xml" in listed else None


def in_compound_file(head: bytes, directory: bytes) -> Foreign | str:
    """Return the document that a compound file is, by the names in its directory."""
    entries = directory or head
    if _utf_16("__properties_version1.0") in entries or _utf_16("__substg1.0_") in entries:
        return "application/vnd.ms-outlook"
    if _utf_16("EncryptedPackage") in entries:
        return _LOCKED
    return next((found for name, found in _OLD if _utf_16(name) in entries), _OTHER)


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-le")


def _directory(source: RandomAccess, head: bytes) -> bytes:
    """Return the first sectors of a compound file's directory, which may lie anywhere in it."""
    width = 1 << min(int.from_bytes(head[30:32], "little"), 16)
    sector = int.from_bytes(head[48:52], "little")
    entries, table = bytearray(), dict[int, bytes]()
    for _ in range(_MOST_SECTORS):
        if (sector + 1) * width >= source.size:
            break
        entries += source.read((sector + 1) * width, width)
        part, at = divmod(sector, width // 4)
        if part >= _HEADER_SECTORS:
            break
        if part not in table:
            where = int.from_bytes(head[76 + 4 * part : 80 + 4 * part], "little")
            table[part] = source.read((where + 1) * width, width)
        sector = int.from_bytes(table[part][4 * at : 4 * at + 4], "little")
    return bytes(entries)
