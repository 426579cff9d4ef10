"""Recognise files that Gemini does not take by their first bytes, so that refusals name them and what to do."""

from __future__ import annotations

import re
from typing import NamedTuple


class Foreign(NamedTuple):
    """A kind of file that is not sent: its name, and what the user can do."""

    label: str
    way_out: str


_UNPACK = "Unpack it and drop the files that are inside."
_TO_PDF = "Save it as PDF and drop that."
_TO_PNG = "Convert it to PNG or JPEG and drop that."
_TO_AUDIO = "Convert it to FLAC, MP3 or WAV and drop that."
_TO_VIDEO = "Convert it to MP4 and drop that."
_NO_WAY = "Only audio, images, video, PDF and text can be understood."

_CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no text contains."""

_PREFIXES: tuple[tuple[bytes, Foreign], ...] = (
    (b"GIF87a", Foreign("a GIF image", _TO_PNG)),
    (b"GIF89a", Foreign("a GIF image", _TO_PNG)),
    (b"II*\0", Foreign("a TIFF image", _TO_PNG)),
    (b"MM\0*", Foreign("a TIFF image", _TO_PNG)),
    (b"II+\0", Foreign("a TIFF image", _TO_PNG)),
    (b"MM\0+", Foreign("a TIFF image", _TO_PNG)),
    (b"8BPS", Foreign("a Photoshop image", _TO_PNG)),
    (b"\0\0\0\x0cjP  ", Foreign("a JPEG 2000 image", _TO_PNG)),
    (b"\xff\x4f\xff\x51", Foreign("a JPEG 2000 image", _TO_PNG)),
    (b"\0\0\0\x0cJXL ", Foreign("a JPEG XL image", _TO_PNG)),
    (b"\xff\x0a", Foreign("a JPEG XL image", _TO_PNG)),
    (b"\0\0\1\0", Foreign("an icon (ICO)", _TO_PNG)),
    (b"MThd", Foreign("a MIDI score", _TO_AUDIO)),
    (b"#!AMR", Foreign("an AMR recording", _TO_AUDIO)),
    (b".snd", Foreign("a Sun AU recording", _TO_AUDIO)),
    (b"caff", Foreign("a Core Audio recording", _TO_AUDIO)),
    (b"MAC ", Foreign("a Monkey's Audio recording", _TO_AUDIO)),
    (b"wvpk", Foreign("a WavPack recording", _TO_AUDIO)),
    (b"DSD ", Foreign("a DSD recording", _TO_AUDIO)),
    (b".RMF", Foreign("a RealMedia file", _TO_VIDEO)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign("an old Microsoft Office document", _TO_PDF)),
    (b"\x1f\x8b", Foreign("a gzip archive", _UNPACK)),
    (b"BZh", Foreign("a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ\0", Foreign("an xz archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Foreign("a 7-Zip archive", _UNPACK)),
    (b"Rar!\x1a\x07", Foreign("a RAR archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Foreign("a Zstandard archive", _UNPACK)),
    (b"\x7fELF", Foreign("a Linux program (ELF)", _NO_WAY)),
    (b"\xcf\xfa\xed\xfe", Foreign("a macOS program", _NO_WAY)),
    (b"\xca\xfe\xba\xbe", Foreign("a Java class or macOS program", _NO_WAY)),
    (b"\0asm", Foreign("a WebAssembly program", _NO_WAY)),
    (b"SQLite format 3\0", Foreign("an SQLite database", "Export the table as CSV and drop that.")),
    (b"PAR1", Foreign("a Parquet table", "Export the table as CSV and drop that.")),
    (b"wOFF", Foreign("a font", _NO_WAY)),
    (b"wOF2", Foreign("a font", _NO_WAY)),
    (b"OTTO", Foreign("a font", _NO_WAY)),
    (b"\0\1\0\0\0", Foreign("a font", _NO_WAY)),
)

_INSIDE_ZIP: tuple[tuple[bytes, Foreign], ...] = (
    (b"word/", Foreign("a Word document", _TO_PDF)),
    (b"ppt/", Foreign("a PowerPoint presentation", _TO_PDF)),
    (b"xl/", Foreign("an Excel workbook", "Save its sheets as CSV, or the whole as PDF, and drop that.")),
    (b"application/vnd.oasis.opendocument", Foreign("an OpenDocument file", _TO_PDF)),
    (b"application/epub+zip", Foreign("an EPUB book", _TO_PDF)),
    (b"AndroidManifest.xml", Foreign("an Android program", _NO_WAY)),
)

POSTSCRIPT = Foreign("a PostScript document", _TO_PDF)
ZIP = Foreign("a ZIP archive", _UNPACK)
TAR = Foreign("a tar archive", _UNPACK)
PROGRAM = Foreign("a Windows program", _NO_WAY)
BITMAP = Foreign("a BMP image", _TO_PNG)
SVG = Foreign("an SVG drawing", _TO_PNG)
AVIF = Foreign("an AVIF image", _TO_PNG)
MATROSKA = Foreign(
    "a Matroska file", "Convert it to MP4 or WebM, without encoding it again where possible, and drop that."
)
TRANSPORT_STREAM = Foreign("an MPEG transport stream", _TO_VIDEO)
OGG_VIDEO = Foreign("an Ogg video", _TO_VIDEO)
WINDOWS_AUDIO = Foreign("a Windows Media recording", _TO_AUDIO)
RIFF_OTHER = Foreign("a RIFF file of an unknown kind", _NO_WAY)
QUICKTIME_IMAGE = Foreign("a media file of a brand that is not known", _TO_VIDEO)
BINARY = Foreign("binary data of an unknown kind", _NO_WAY)
UNKNOWN_ENCODING = Foreign("text in an encoding that cannot be told", "Save it as UTF-8 and drop that.")


_POSTSCRIPT = re.compile(rb"%!PS(?:-Adobe-\d\.\d(?: EPSF-\d\.\d| [A-Z][A-Za-z]{0,20})?)?[ \t]{0,8}(?:\r|\n|\Z)")


def foreign(head: bytes, *, reads_as_text: bool) -> Foreign | None:
    """What `head` begins, when that is something known that is not sent.

    A text may begin with any letters: of one, only marks that no text has decide.
    """
    if _POSTSCRIPT.match(head):
        return POSTSCRIPT
    if head[257:262] == b"ustar" and head[262:265] in (b"\x0000", b"  \0"):
        return TAR
    for prefix, foreign_type in _PREFIXES:
        if head.startswith(prefix) and not (reads_as_text and prefix.isascii() and not _CONTROLS.search(prefix)):
            return foreign_type
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return next((foreign_type for mark, foreign_type in _INSIDE_ZIP if mark in head), ZIP)
    if reads_as_text:
        return None
    if head.startswith(b"MZ") and len(head) > 64 and b"\0" in head[:64]:
        return PROGRAM
    if head.startswith(b"BM") and len(head) >= 18 and head[6:10] == b"\0\0\0\0" and head[15:18] == b"\0\0\0":
        return BITMAP
    if len(head) > 376 and all(head[at] == 0x47 for at in (0, 188, 376)):
        return TRANSPORT_STREAM
    return None
