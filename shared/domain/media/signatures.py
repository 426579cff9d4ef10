"""Recognise files that Gemini does not take by their first bytes, so that refusals name them and what to do."""

from __future__ import annotations

import re

from shared.domain.media import office
from shared.domain.media.office import Foreign

_UNPACK = "Unpack it and drop the files that are inside."
_TO_PDF = "Save it as PDF and drop that."
_TO_PNG = "Convert it to PNG or JPEG and drop that."
_TO_AUDIO = "Convert it to FLAC, MP3 or WAV and drop that."
_TO_VIDEO = "Convert it to MP4 and drop that."
_NO_WAY = "Only audio, images, video, PDF and text can be understood."

_CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no text contains."""

_PREFIXES: tuple[tuple[bytes, Foreign | str], ...] = (
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\0\0\0\x0cjP  ", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"\0\0\0\x0cJXL ", Foreign("a JPEG XL image", _TO_PNG)),
    (b"\xff\x0a", Foreign("a JPEG XL image", _TO_PNG)),
    (b"\0\0\1\0", "image/x-icon"),
    (b"MThd", Foreign("a MIDI score", _TO_AUDIO)),
    (b"#!AMR", "audio/amr"),
    (b".snd", "audio/basic"),
    (b"caff", "audio/x-caf"),
    (b"MAC ", "audio/x-ape"),
    (b"wvpk", "audio/x-wavpack"),
    (b"DSD ", "audio/x-dsf"),
    (b".RMF", "video/vnd.rn-realvideo"),
    (b".ra\xfd", "audio/x-pn-realaudio"),
    (b"TTA1", "audio/x-tta"),
    (b"riff\x2e\x91\xcf\x11", "audio/x-w64"),
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

POSTSCRIPT = Foreign("a PostScript document", _TO_PDF)
ZIP = Foreign("a ZIP archive", _UNPACK)
TAR = Foreign("a tar archive", _UNPACK)
PROGRAM = Foreign("a Windows program", _NO_WAY)
SVG = Foreign("an SVG drawing", _TO_PNG)
RIFF_OTHER = Foreign("a RIFF file of an unknown kind", _NO_WAY)
QUICKTIME_IMAGE = Foreign("a media file of a brand that is not known", _TO_VIDEO)
BINARY = Foreign("binary data of an unknown kind", _NO_WAY)


_POSTSCRIPT = re.compile(rb"%!PS(?:-Adobe-\d\.\d(?: EPSF-\d\.\d| [A-Z][A-Za-z]{0,20})?)?[ \t]{0,8}(?:\r|\n|\Z)")


def foreign(head: bytes, *, reads_as_text: bool, behind: bytes = b"") -> Foreign | str | None:
    """What `head` begins, when that is something known that is not sent, or the MIME type that is converted.

    `behind` are the bytes by which archives and compound files are told apart. A text may begin with any letters: of
    one, only marks that no text has decide.
    """
    if _POSTSCRIPT.match(head):
        return POSTSCRIPT
    if head[257:262] == b"ustar" and head[262:265] in (b"\x0000", b"  \0"):
        return TAR
    for prefix, foreign_type in _PREFIXES:
        if head.startswith(prefix) and not (reads_as_text and prefix.isascii() and not _CONTROLS.search(prefix)):
            return foreign_type
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return office.in_archive(head, behind) or ZIP
    if head.startswith(office.COMPOUND):
        return office.in_compound_file(head, behind)
    if reads_as_text:
        return None
    if head.startswith(b"MZ") and len(head) > 64 and b"\0" in head[:64]:
        return PROGRAM
    if head.startswith(b"BM") and len(head) >= 18 and head[6:10] == b"\0\0\0\0" and head[15:18] == b"\0\0\0":
        return "image/bmp"
    if any(_is_transport_stream(head, *layout) for layout in ((0, 188), (4, 192), (0, 204))):
        return "video/mp2t"
    return "audio/x-loas" if _is_loas(head) else None


def _is_transport_stream(head: bytes, start: int, packet: int) -> bool:
    return len(head) > start + 2 * packet and all(head[start + at * packet] == 0x47 for at in range(3))


def _is_loas(head: bytes) -> bool:
    """Whether three frames of AAC in LOAS follow each other (ISO/IEC 14496-3, table 1.36)."""
    at = 0
    for _ in range(3):
        frame = head[at : at + 3]
        if len(frame) < 3 or frame[0] != 0x56 or frame[1] & 0xE0 != 0xE0:
            return False
        at += 3 + ((frame[1] & 0x1F) << 8 | frame[2])
    return True
