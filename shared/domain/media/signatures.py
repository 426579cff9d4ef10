"""Recognise unsupported and convertible files by their first bytes, so that refusals name them and give advice."""

from __future__ import annotations

import re

from shared.domain.media import office
from shared.domain.media.office import UnsupportedKind

_UNPACK = "Unpack it and drop the files that are inside."
_TO_PDF = "Save it as PDF and drop that."
_TO_PNG = "Convert it to PNG or JPEG and drop that."
_TO_AUDIO = "Convert it to FLAC, MP3 or WAV and drop that."
_TO_VIDEO = "Convert it to MP4 and drop that."
_TO_CSV = "Export the table as CSV and drop that."
_TO_EPUB = "Convert it to EPUB or PDF and drop that."
_TO_DOCX = "Save it as DOCX or PDF and drop that."
_TARGET = "Drop the file that it leads to."
_NOT_UNDERSTOOD = "Only audio, images, video, PDF and text can be understood."

_CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no text contains."""

_DRAWING = UnsupportedKind("a Windows drawing (WMF or EMF)", _TO_PNG)

RAW_IMAGE = UnsupportedKind("a raw camera image", _TO_PNG)
RAW_ENDINGS = (".dng", ".nef", ".nrw", ".arw", ".sr2", ".cr2", ".pef", ".srw", ".3fr", ".iiq", ".dcr", ".kdc", ".erf")
"""Raw images have the signature of TIFF, with a thumbnail as the first page."""

_CONVERTIBLE: dict[str, tuple[bytes, ...]] = {
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "image/vnd.adobe.photoshop": (b"8BPS",),
    "image/jp2": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "audio/amr": (b"#!AMR",),
    "audio/basic": (b".snd",),
    "audio/x-caf": (b"caff",),
    "audio/x-ape": (b"MAC ",),
    "audio/x-wavpack": (b"wvpk",),
    "audio/x-dsf": (b"DSD ",),
    "video/vnd.rn-realvideo": (b".RMF",),
    "audio/x-pn-realaudio": (b".ra\xfd",),
    "audio/x-tta": (b"TTA1",),
    "audio/x-w64": (b"riff\x2e\x91\xcf\x11",),
    "audio/x-musepack": (b"MPCK", b"MP+"),
    "audio/x-tak": (b"tBaK",),
    "audio/x-dff": (b"FRM8",),
    "audio/x-voc": (b"Creative Voice File\x1a",),
    "audio/vnd.dts": (b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x1f\xff\xe8\0", b"\xff\x1f\0\xe8", b"DTSHDHDR"),
    "video/mxf": (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01",),
    "video/dv": (b"\x1f\x07\0",),
}
"""First bytes by MIME type."""
_UNSUPPORTED: dict[str, dict[str, tuple[bytes, ...]]] = {
    _TO_PNG: {
        "a JPEG XL image": (b"\0\0\0\x0cJXL ", b"\xff\x0a"),
        "a DDS image": (b"DDS ",),
        "a PCX image": (b"\x0a\5\1",),
        "an SGI image": (b"\x01\xda",),
        "an OpenEXR image": (b"\x76\x2f\x31\1",),
        "a macOS icon": (b"icns",),
        "a GIMP image": (b"gimp xcf",),
        "a JPEG XR image": (b"II\xbc\x01",),
        "a BPG image": (b"BPG\xfb",),
    },
    _TO_AUDIO: {"a MIDI score": (b"MThd",)},
    _UNPACK: {
        "a gzip archive": (b"\x1f\x8b",),
        "a bzip2 archive": (b"BZh",),
        "an xz archive": (b"\xfd7zXZ\0",),
        "a 7-Zip archive": (b"7z\xbc\xaf\x27\x1c",),
        "a RAR archive": (b"Rar!\x1a\x07",),
        "a Zstandard archive": (b"\x28\xb5\x2f\xfd",),
        "a Windows cabinet archive": (b"MSCF",),
        "a Debian package or another archive": (b"!<arch>\n",),
        "an RPM package": (b"\xed\xab\xee\xdb",),
        "a macOS package": (b"xar!",),
        "an LZ4 archive": (b'\x04"M\x18',),
        "an lzip archive": (b"LZIP",),
        "a compress (.Z) archive": (b"\x1f\x9d",),
    },
    _NOT_UNDERSTOOD: {
        "a Linux program (ELF)": (b"\x7fELF",),
        "a macOS program": (b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe"),
        "a Java class or macOS program": (b"\xca\xfe\xba\xbe",),
        "a WebAssembly program": (b"\0asm",),
        "a font": (b"wOFF", b"wOF2", b"OTTO", b"\0\1\0\0\0"),
    },
    _TO_CSV: {
        "an SQLite database": (b"SQLite format 3\0",),
        "a Parquet table": (b"PAR1",),
        "an Arrow table": (b"ARROW1\0\0",),
        "an Avro table": (b"Obj\x01",),
        "an HDF5 file": (b"\x89HDF\r\n\x1a\n",),
        "a NumPy array": (b"\x93NUMPY",),
        "an SPSS table": (b"$FL2@(#)",),
        "a Stata table": (b"<stata_dta>",),
        "a SAS table": (bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf",),
    },
    "Export it as PDF or DOCX and drop that.": {"a OneNote section": (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d",)},
    "Export the notes as PDF or DOCX and drop that.": {"a OneNote index": (b"\xa1\x2f\xff\x43\xd9\xef\x76\x4c",)},
    "Save its messages as EML or MSG and drop those.": {"an Outlook data file (PST)": (b"!BDN",)},
    _TARGET: {
        "a Windows shortcut": (b"L\0\0\0\1\x14\2\0",),
        "a macOS alias": (b"book\0\0\0\0mark",),
    },
    "Drop the file that it leads to, or save the page as PDF and drop that.": {
        "a property list of macOS: a link, settings or a saved page": (b"bplist00",)
    },
    "Export the tables as CSV and drop those.": {
        "an Access database": (b"\0\1\0\0Standard Jet DB\0", b"\0\1\0\0Standard ACE DB\0")
    },
    "Export it as CSV or PNG and drop that.": {
        "a file of measurements (NetCDF, HDF4, FITS or GRIB)": (
            b"CDF\1",
            b"CDF\2",
            b"CDF\5",
            b"\x0e\x03\x13\1",
            b"GRIB",
            b"SIMPLE  =",
        )
    },
    "Save it as XLSX or CSV and drop that.": {
        "an old Lotus 1-2-3 spreadsheet": (b"\0\0\2\0\6\4\6\0", b"\0\0\x1a\0"),
        "an old Quattro Pro spreadsheet": (b"\0\0\2\0\x20\x51\6\0",),
    },
    _TO_DOCX: {
        "a WordPerfect document": (b"\xffWPC",),
        "an old Microsoft Write document": (b"\x31\xbe\0\0", b"\x32\xbe\0\0"),
    },
    "Save the message as MSG or EML and drop that.": {
        "what Outlook attaches for itself (winmail.dat)": (b"\x78\x9f\x3e\x22",)
    },
    _TO_VIDEO: {
        "a film without compression (Y4M)": (b"YUV4MPEG2 ",),
        "a Flash animation (SWF)": (b"FWS", b"CWS"),
    },
    _TO_PDF: {
        "a DjVu document": (b"AT&TFORM",),
        "a Windows help file (CHM)": (b"ITSF",),
        "an InDesign document": (b"\x06\x06\xed\xf5",),
        "an AutoCAD drawing (DWG)": (b"AC10",),
    },
    "Export it as text and drop that.": {"a capture of network traffic": (b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a")},
}
"""First bytes by what is to be done with a file, and by its kind."""
_SIGNATURES: dict[bytes, UnsupportedKind | str] = {
    **{prefix: mime for mime, prefixes in _CONVERTIBLE.items() for prefix in prefixes},
    **{
        prefix: UnsupportedKind(name, advice)
        for advice, kinds in _UNSUPPORTED.items()
        for name, prefixes in kinds.items()
        for prefix in prefixes
    },
    **dict.fromkeys((b"\x09\0\4\0", b"\x09\2\6\0", b"\x09\4\6\0"), office.OLD_WORKBOOK),
    **dict.fromkeys((b"HWP Document File",), office.HANGUL),
    **dict.fromkeys((b"\xd7\xcd\xc6\x9a", b"\1\0\x09\0\0\3"), _DRAWING),
    **dict.fromkeys((b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0"), RAW_IMAGE),
}
"""All of them, in any order: none begins with another."""
_AT_PLACES: tuple[tuple[int, bytes, UnsupportedKind], ...] = (
    (128, b"DICM", UnsupportedKind("a DICOM image", _TO_PNG)),
    (60, b"BOOKMOBI", UnsupportedKind("a Kindle book", _TO_EPUB)),
    (60, b"TEXtREAd", UnsupportedKind("a Palm book", _TO_EPUB)),
    (40, b" EMF", _DRAWING),
    (32_769, b"CD001", UnsupportedKind("a disc image (ISO)", _UNPACK)),
    (2, b"-lh", UnsupportedKind("an LZH archive", _UNPACK)),
    (7, b"**ACE**", UnsupportedKind("an ACE archive", _UNPACK)),
)
"""Signatures at an offset."""
_MAX_ICONS = 256
"""The most pictures in one icon. Fonts of macOS have the same signature and a count of zero."""
_DOLBY_FRAME = 8192
"""Bytes within which the next frame of Dolby Digital must begin; the longest frame has 4,096."""

_SEALED = re.compile(rb"\x30[\x80-\x84].{0,4}\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", re.DOTALL)
"""PKCS #7 (RFC 2315, section 7): a sequence that begins with an object identifier of PKCS #7."""
_SEALED_FILE = UnsupportedKind(
    "a signed or encrypted file (S/MIME, PKCS #7)", "Open it in its own program, and drop the file that is inside."
)
_PORTABLE_PIXELS = re.compile(rb"P[4-6]\s(?:#[^\n]{0,200}\n)?\d{1,5}\s{1,3}\d{1,5}\s")
_WHOLE_PIXELS_HEADER = re.compile(rb"P([56])\n(?:#[^\n]{0,200}\n)?(\d{1,5}) (\d{1,5})\n(\d{1,5})\n")
"""As all programs write it. It has no byte that no text has, and a white picture behind it has none either."""
_STRAY_PIXEL_BYTES = 2
"""Bytes by which a whole file may be longer or shorter than its pixels: a line break at its end, or a byte lost."""
_PIXELS = UnsupportedKind("a portable pixel map (PBM, PGM or PPM)", _TO_PNG)

POSTSCRIPT = UnsupportedKind("a PostScript document", _TO_PDF)
ZIP = UnsupportedKind("a ZIP archive", _UNPACK)
TAR = UnsupportedKind("a tar archive", _UNPACK)
PROGRAM = UnsupportedKind("a Windows program", _NOT_UNDERSTOOD)
SVG = UnsupportedKind("an SVG drawing", _TO_PNG)
RIFF_OTHER = UnsupportedKind("a RIFF file of an unknown kind", _NOT_UNDERSTOOD)
BINARY = UnsupportedKind("binary data of an unknown kind", _NOT_UNDERSTOOD)


_POSTSCRIPT = re.compile(rb"%!PS(?:-Adobe-\d\.\d(?: EPSF-\d\.\d| [A-Z][A-Za-z]{0,20})?)?[ \t]{0,8}(?:\r|\n|\Z)")


def identify_by_signature(
    head: bytes, *, reads_as_text: bool, is_whole: bool = False, directory: bytes = b""
) -> UnsupportedKind | str | None:
    """Return the unsupported kind of the file that starts with `head`, or the MIME type of a convertible one, or None.

    `is_whole` says that `head` is all of the file, and `directory` is what `office.read_directory` returns. If `head`
    reads as text, only signatures count that no text can begin with.
    """
    if _POSTSCRIPT.match(head):
        return POSTSCRIPT
    if _is_pixel_map(head, is_whole=is_whole):
        return _PIXELS
    if head[257:262] == b"ustar" and head[262:265] in (b"\x0000", b"  \0"):
        return TAR
    for prefix, kind in _SIGNATURES.items():
        if head.startswith(prefix) and not (reads_as_text and prefix.isascii() and not _CONTROLS.search(prefix)):
            return kind
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return office.identify_archive(head, directory) or ZIP
    if head.startswith(office.COMPOUND):
        return office.identify_compound_file(head, directory)
    return None if reads_as_text else _in_binary(head)


def _in_binary(head: bytes) -> UnsupportedKind | str | None:
    for at, mark, kind in _AT_PLACES:
        if head.startswith(mark, at):
            return kind
    if _SEALED.match(head):
        return _SEALED_FILE
    if _PORTABLE_PIXELS.match(head):
        return _PIXELS
    if head.startswith(b"\x0b\x77") and head.find(b"\x0b\x77", 7, _DOLBY_FRAME) > 0:
        return "audio/ac3"
    if head.startswith(b"\0\0\1\0") and 0 < int.from_bytes(head[4:6], "little") <= _MAX_ICONS:
        return "image/x-icon"
    if head.startswith(b"MZ") and len(head) > 64 and b"\0" in head[:64]:
        return PROGRAM
    if head.startswith(b"BM") and len(head) >= 18 and head[6:10] == b"\0\0\0\0" and head[15:18] == b"\0\0\0":
        return "image/bmp"
    if any(_is_transport_stream(head, *layout) for layout in ((0, 188), (4, 192), (0, 204))):
        return "video/mp2t"
    return "audio/x-loas" if _is_loas(head) else None


def _is_pixel_map(head: bytes, *, is_whole: bool) -> bool:
    """Return whether a whole header of PGM or PPM has as many bytes behind it as its pixels take."""
    header = _WHOLE_PIXELS_HEADER.match(head)
    if header is None:
        return False
    width, height, brightest = map(int, header.groups()[1:])
    pixels = width * height * (3 if header[1] == b"6" else 1) * (2 if brightest > 255 else 1)
    behind = len(head) - header.end()
    return abs(behind - pixels) <= _STRAY_PIXEL_BYTES if is_whole else behind <= pixels


def _is_transport_stream(head: bytes, start: int, packet: int) -> bool:
    return len(head) > start + 2 * packet and all(head[start + at * packet] == 0x47 for at in range(3))


def _is_loas(head: bytes) -> bool:
    """Return whether the data begins with three consecutive LOAS frames (ISO/IEC 14496-3, table 1.36)."""
    at = 0
    for _ in range(3):
        frame = head[at : at + 3]
        if len(frame) < 3 or frame[0] != 0x56 or frame[1] & 0xE0 != 0xE0:
            return False
        at += 3 + ((frame[1] & 0x1F) << 8 | frame[2])
    return True
