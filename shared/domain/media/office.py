"""Identify documents that are ZIP archives or compound files (OLE2)."""

from __future__ import annotations

from typing import NamedTuple

from shared.domain.media.random_access import RandomAccess

_OOXML = "application/vnd.openxmlformats-officedocument"
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ARCHIVE = b"PK"
_DIRECTORY_BYTES = 256 << 10
"""Bytes at the end of an archive that are read for its directory."""
_MAX_SECTORS = 64
"""How many sectors of a compound file's directory are read; each has four or 32 entries."""
_SECTOR_BYTES = (512, 4096)
_HEADER_SECTORS = 109
"""Sectors of the allocation table that the header lists ([MS-CFB], section 2.2)."""


class UnsupportedKind(NamedTuple):
    """A kind of file that is not supported: its name in a sentence, and advice for the user."""

    label: str
    advice: str


_DOC = UnsupportedKind("an old Word document (.doc)", "Save it as DOCX or PDF and drop that.")
OLD_WORKBOOK = UnsupportedKind("an old Excel workbook (.xls)", "Save it as XLSX or CSV and drop that.")
_PPT = UnsupportedKind("an old PowerPoint presentation (.ppt)", "Save it as PPTX or PDF and drop that.")
HANGUL = UnsupportedKind("a Hangul document (HWP)", "Save it as DOCX or PDF and drop that.")
_KIND_OF_STREAM = (
    ("WordDocument", _DOC),
    ("Workbook", OLD_WORKBOOK),
    ("Book", OLD_WORKBOOK),
    ("PowerPoint Document", _PPT),
    ("HwpSummaryInformation", HANGUL),
    ("VisioDocument", UnsupportedKind("an old Visio drawing", "Save it as PDF and drop that.")),
)
_KIND_OF_CLASS = {
    bytes.fromhex("06090200"): _DOC, bytes.fromhex("00090200"): _DOC, bytes.fromhex("20080200"): OLD_WORKBOOK,
    bytes.fromhex("10080200"): OLD_WORKBOOK, bytes.fromhex("108d8164"): _PPT,
}  # fmt: skip
"""By the first bytes of the class id in the root entry."""
_ENCRYPTED = UnsupportedKind("an Office document with a password", "Save it without the password and drop that.")
_OTHER_COMPOUND = UnsupportedKind(
    "an old Microsoft Office document or another compound file", "Save it in today's format, or as PDF, and drop that."
)
_OLD_OPENOFFICE = UnsupportedKind(
    "an old OpenOffice document (.sxw, .sxc, .sxi)", "Save it as ODT, ODS or ODP and drop that."
)
_IWORK = UnsupportedKind(
    "a Pages, Numbers or Keynote document", "Export it as PDF or in an Office format and drop that."
)
_BINARY_SHEETS = UnsupportedKind("a binary Excel workbook (.xlsb)", "Save it as XLSX and drop that.")
_NOT_UNDERSTOOD = "Only audio, images, video, PDF, text and documents can be understood."
_PROGRAMS = (
    (b"AndroidManifest.xml", UnsupportedKind("an Android program", _NOT_UNDERSTOOD)),
    (b"META-INF/MANIFEST.MF", UnsupportedKind("a Java program", _NOT_UNDERSTOOD)),
)
_DRAWINGS = (
    (b"visio/", UnsupportedKind("a Visio drawing", "Save it as PDF and drop that.")),
    (b"FixedDocSeq.fdseq", UnsupportedKind("an XPS document", "Save it as PDF and drop that.")),
    (b"FixedDocumentSequence.fdseq", UnsupportedKind("an XPS document", "Save it as PDF and drop that.")),
)
_IN_ARCHIVE: tuple[tuple[bytes, str], ...] = (
    (b"word/", f"{_OOXML}.wordprocessingml.document"),
    (b"ppt/", f"{_OOXML}.presentationml.presentation"),
    (b"xl/", f"{_OOXML}.spreadsheetml.sheet"),
)
_IWORK_NAME_ENDINGS = (b"Index/Document.iwa", b"uildVersionHistory.plist", b"index.apxl")
"""Endings of names. The document may be in a folder of its archive."""
_MARKER_NAMES = (
    b"[Content_Types].xml",
    b"word/",
    b"ppt/",
    b"xl/",
    b"META-INF/container.xml",
    b"Index/Document.iwa",
    b"visio/",
)
_MIMETYPES: tuple[tuple[bytes, UnsupportedKind | str], ...] = (
    (b"application/vnd.sun.xml.", _OLD_OPENOFFICE),
    (b"application/hwp+zip", HANGUL),
    (b"application/epub+zip", "application/epub+zip"),
    (b"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet"),
    (b"application/vnd.oasis.opendocument.", "application/vnd.oasis.opendocument.presentation"),
)


def read_directory(source: RandomAccess, head: bytes) -> bytes:
    """Return the directory of an archive or compound file, up to a limit; empty for other files."""
    if head.startswith(_ARCHIVE):
        start = max(0, source.size - _DIRECTORY_BYTES)
        return source.read(start, source.size - start)
    return _compound_directory(source, head) if head.startswith(COMPOUND) and len(head) >= 512 else b""


def identify_archive(head: bytes, directory: bytes) -> UnsupportedKind | str | None:
    """Return the kind of document that a ZIP archive is; None if it is not a document."""
    at = head.find(b"mimetypeapplication/", 0, 1024)
    if at >= 0:
        # The first entry of OpenDocument and EPUB is their MIME type, uncompressed.
        content = head[at + len(b"mimetype") :]
        for mark, mime in _MIMETYPES:
            if content.startswith(mark):
                return mime
    names = _names(directory)
    if not names:
        # The directory is truncated or too long, so the first bytes are searched instead.
        names = {name for name in _MARKER_NAMES if name in head}
    if b"[Content_Types].xml" in names:
        if b"xl/workbook.bin" in names:
            return _BINARY_SHEETS
        for folder, mime in _IN_ARCHIVE:
            if any(name.startswith(folder) for name in names):
                return mime
    return _by_names(names)


def _by_names(names: set[bytes]) -> UnsupportedKind | str | None:
    """Return the kind of document of an archive with these names, other than Office documents."""
    if b"META-INF/container.xml" in names:
        return "application/epub+zip"
    if b"content.xml" in names and b"META-INF/manifest.xml" in names:
        return "application/vnd.oasis.opendocument.text"
    if any(name.endswith(_IWORK_NAME_ENDINGS) for name in names):
        return _IWORK
    for beginning, drawing in _DRAWINGS:
        if any(name.startswith(beginning) for name in names):
            return drawing
    return next((program for name, program in _PROGRAMS if name in names), None)


def _names(directory: bytes) -> set[bytes]:
    """Return the names in an archive's directory; empty if its beginning is missing."""
    end = directory.rfind(b"PK\5\6")
    at = end - int.from_bytes(directory[end + 12 : end + 16], "little") if end >= 0 else -1
    names: set[bytes] = set()
    while 0 <= at < end and directory[at : at + 4] == b"PK\1\2":
        name, extra, note = (int.from_bytes(directory[at + start : at + start + 2], "little") for start in (28, 30, 32))
        # Some Windows programs separate folders with backslashes.
        names.add(directory[at + 46 : at + 46 + name].replace(b"\\", b"/"))
        at += 46 + name + extra + note
    return names


def identify_compound_file(head: bytes, directory: bytes) -> UnsupportedKind | str:
    """Return the kind of document that a compound file is, by the class of its root or the names of its streams."""
    entries = (directory or head).upper()
    if _utf_16("__properties_version1.0") in entries or _utf_16("__substg1.0_") in entries:
        return "application/vnd.ms-outlook"
    if _utf_16("EncryptedPackage") in entries:
        return _ENCRYPTED
    by_class = _KIND_OF_CLASS.get(directory[80:84])
    return by_class or next((kind for name, kind in _KIND_OF_STREAM if _utf_16(name) in entries), _OTHER_COMPOUND)


def _utf_16(name: str) -> bytes:
    """Return a name as the directory stores it, in capitals."""
    return name.upper().encode("utf-16-le")


def _compound_directory(source: RandomAccess, head: bytes) -> bytes:
    """Return the first sectors of a compound file's directory, which can be anywhere in the file."""
    width = 1 << min(int.from_bytes(head[30:32], "little"), 16)
    if width not in _SECTOR_BYTES:
        return b""
    sector = int.from_bytes(head[48:52], "little")
    entries, table = bytearray(), dict[int, bytes]()
    for _ in range(_MAX_SECTORS):
        if (sector + 1) * width >= source.size:
            break
        entries += source.read((sector + 1) * width, width)
        part, at = divmod(sector, width // 4)
        if part >= _HEADER_SECTORS:
            break
        if part not in table:
            table_sector = int.from_bytes(head[76 + 4 * part : 80 + 4 * part], "little")
            table[part] = source.read((table_sector + 1) * width, width)
        sector = int.from_bytes(table[part][4 * at : 4 * at + 4], "little")
    return bytes(entries)
