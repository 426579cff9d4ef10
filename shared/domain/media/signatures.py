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

_ACCESS = UnsupportedKind("an Access database", "Export the tables as CSV and drop those.")
_MEASUREMENTS = UnsupportedKind(
    "a file of measurements (NetCDF, HDF4, FITS or GRIB)", "Export it as CSV or PNG and drop that."
)
_LOTUS = UnsupportedKind("an old Lotus 1-2-3 spreadsheet", "Save it as XLSX or CSV and drop that.")
_DRAWING = UnsupportedKind("a Windows drawing (WMF or EMF)", _TO_PNG)

RAW_IMAGE = UnsupportedKind("a raw camera image", _TO_PNG)
RAW_ENDINGS = (".dng", ".nef", ".nrw", ".arw", ".sr2", ".cr2", ".pef", ".srw", ".3fr", ".iiq", ".dcr", ".kdc", ".erf")
"""Raw images have the signature of TIFF, with a thumbnail as the first page."""

_PREFIXES: tuple[tuple[bytes, UnsupportedKind | str], ...] = (
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\0\0\0\x0cjP  ", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"\0\0\0\x0cJXL ", UnsupportedKind("a JPEG XL image", _TO_PNG)),
    (b"\xff\x0a", UnsupportedKind("a JPEG XL image", _TO_PNG)),
    (b"MThd", UnsupportedKind("a MIDI score", _TO_AUDIO)),
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
    (b"MPCK", "audio/x-musepack"),
    (b"MP+", "audio/x-musepack"),
    (b"tBaK", "audio/x-tak"),
    (b"FRM8", "audio/x-dff"),
    (b"Creative Voice File\x1a", "audio/x-voc"),
    (b"\x7f\xfe\x80\x01", "audio/vnd.dts"),
    (b"\xfe\x7f\x01\x80", "audio/vnd.dts"),
    (b"\x1f\xff\xe8\0", "audio/vnd.dts"),
    (b"\xff\x1f\0\xe8", "audio/vnd.dts"),
    (b"DTSHDHDR", "audio/vnd.dts"),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01", "video/mxf"),
    (b"\x1f\x07\0", "video/dv"),
    (b"\x1f\x8b", UnsupportedKind("a gzip archive", _UNPACK)),
    (b"BZh", UnsupportedKind("a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ\0", UnsupportedKind("an xz archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", UnsupportedKind("a 7-Zip archive", _UNPACK)),
    (b"Rar!\x1a\x07", UnsupportedKind("a RAR archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", UnsupportedKind("a Zstandard archive", _UNPACK)),
    (b"\x7fELF", UnsupportedKind("a Linux program (ELF)", _NOT_UNDERSTOOD)),
    (b"\xcf\xfa\xed\xfe", UnsupportedKind("a macOS program", _NOT_UNDERSTOOD)),
    (b"\xca\xfe\xba\xbe", UnsupportedKind("a Java class or macOS program", _NOT_UNDERSTOOD)),
    (b"\0asm", UnsupportedKind("a WebAssembly program", _NOT_UNDERSTOOD)),
    (b"SQLite format 3\0", UnsupportedKind("an SQLite database", _TO_CSV)),
    (b"PAR1", UnsupportedKind("a Parquet table", _TO_CSV)),
    (b"ARROW1\0\0", UnsupportedKind("an Arrow table", _TO_CSV)),
    (b"Obj\x01", UnsupportedKind("an Avro table", _TO_CSV)),
    (b"\x89HDF\r\n\x1a\n", UnsupportedKind("an HDF5 file", _TO_CSV)),
    (b"\x93NUMPY", UnsupportedKind("a NumPy array", _TO_CSV)),
    (
        b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d",
        UnsupportedKind("a OneNote section", "Export it as PDF or DOCX and drop that."),
    ),
    (
        b"\xa1\x2f\xff\x43\xd9\xef\x76\x4c",
        UnsupportedKind("a OneNote index", "Export the notes as PDF or DOCX and drop that."),
    ),
    (b"!BDN", UnsupportedKind("an Outlook data file (PST)", "Save its messages as EML or MSG and drop those.")),
    (b"L\0\0\0\1\x14\2\0", UnsupportedKind("a Windows shortcut", _TARGET)),
    (b"book\0\0\0\0mark", UnsupportedKind("a macOS alias", _TARGET)),
    (
        b"bplist00",
        UnsupportedKind(
            "a property list of macOS: a link, settings or a saved page",
            "Drop the file that it leads to, or save the page as PDF and drop that.",
        ),
    ),
    (b"\0\1\0\0Standard Jet DB\0", _ACCESS),
    (b"\0\1\0\0Standard ACE DB\0", _ACCESS),
    (b"$FL2@(#)", UnsupportedKind("an SPSS table", _TO_CSV)),
    (b"<stata_dta>", UnsupportedKind("a Stata table", _TO_CSV)),
    (bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf", UnsupportedKind("a SAS table", _TO_CSV)),
    (b"CDF\1", _MEASUREMENTS),
    (b"CDF\2", _MEASUREMENTS),
    (b"CDF\5", _MEASUREMENTS),
    (b"\x0e\x03\x13\1", _MEASUREMENTS),
    (b"GRIB", _MEASUREMENTS),
    (b"SIMPLE  =", _MEASUREMENTS),
    (b"\x09\0\4\0", office.OLD_WORKBOOK),
    (b"\x09\2\6\0", office.OLD_WORKBOOK),
    (b"\x09\4\6\0", office.OLD_WORKBOOK),
    (b"\0\0\2\0\6\4\6\0", _LOTUS),
    (b"\0\0\x1a\0", _LOTUS),
    (
        b"\0\0\2\0\x20\x51\6\0",
        UnsupportedKind("an old Quattro Pro spreadsheet", "Save it as XLSX or CSV and drop that."),
    ),
    (b"\xffWPC", UnsupportedKind("a WordPerfect document", _TO_DOCX)),
    (b"\x31\xbe\0\0", UnsupportedKind("an old Microsoft Write document", _TO_DOCX)),
    (b"\x32\xbe\0\0", UnsupportedKind("an old Microsoft Write document", _TO_DOCX)),
    (b"HWP Document File", office.HANGUL),
    (
        b"\x78\x9f\x3e\x22",
        UnsupportedKind(
            "what Outlook attaches for itself (winmail.dat)", "Save the message as MSG or EML and drop that."
        ),
    ),
    (b"\xd7\xcd\xc6\x9a", _DRAWING),
    (b"\1\0\x09\0\0\3", _DRAWING),
    (b"DDS ", UnsupportedKind("a DDS image", _TO_PNG)),
    (b"\x0a\5\1", UnsupportedKind("a PCX image", _TO_PNG)),
    (b"\x01\xda", UnsupportedKind("an SGI image", _TO_PNG)),
    (b"\x76\x2f\x31\1", UnsupportedKind("an OpenEXR image", _TO_PNG)),
    (b"YUV4MPEG2 ", UnsupportedKind("a film without compression (Y4M)", _TO_VIDEO)),
    (b"AT&TFORM", UnsupportedKind("a DjVu document", _TO_PDF)),
    (b"ITSF", UnsupportedKind("a Windows help file (CHM)", _TO_PDF)),
    (b"\x06\x06\xed\xf5", UnsupportedKind("an InDesign document", _TO_PDF)),
    (b"AC10", UnsupportedKind("an AutoCAD drawing (DWG)", _TO_PDF)),
    (b"icns", UnsupportedKind("a macOS icon", _TO_PNG)),
    (b"gimp xcf", UnsupportedKind("a GIMP image", _TO_PNG)),
    (b"FUJIFILMCCD-RAW", RAW_IMAGE),
    (b"IIRO", RAW_IMAGE),
    (b"IIRS", RAW_IMAGE),
    (b"IIU\0", RAW_IMAGE),
    (b"II\xbc\x01", UnsupportedKind("a JPEG XR image", _TO_PNG)),
    (b"BPG\xfb", UnsupportedKind("a BPG image", _TO_PNG)),
    (b"FWS", UnsupportedKind("a Flash animation (SWF)", _TO_VIDEO)),
    (b"CWS", UnsupportedKind("a Flash animation (SWF)", _TO_VIDEO)),
    (b"MSCF", UnsupportedKind("a Windows cabinet archive", _UNPACK)),
    (b"!<arch>\n", UnsupportedKind("a Debian package or another archive", _UNPACK)),
    (b"\xed\xab\xee\xdb", UnsupportedKind("an RPM package", _UNPACK)),
    (b"xar!", UnsupportedKind("a macOS package", _UNPACK)),
    (b'\x04"M\x18', UnsupportedKind("an LZ4 archive", _UNPACK)),
    (b"LZIP", UnsupportedKind("an lzip archive", _UNPACK)),
    (b"\x1f\x9d", UnsupportedKind("a compress (.Z) archive", _UNPACK)),
    (b"\xfe\xed\xfa\xce", UnsupportedKind("a macOS program", _NOT_UNDERSTOOD)),
    (b"\xfe\xed\xfa\xcf", UnsupportedKind("a macOS program", _NOT_UNDERSTOOD)),
    (b"\xce\xfa\xed\xfe", UnsupportedKind("a macOS program", _NOT_UNDERSTOOD)),
    (b"\xd4\xc3\xb2\xa1", UnsupportedKind("a capture of network traffic", "Export it as text and drop that.")),
    (b"\x0a\x0d\x0d\x0a", UnsupportedKind("a capture of network traffic", "Export it as text and drop that.")),
    (b"wOFF", UnsupportedKind("a font", _NOT_UNDERSTOOD)),
    (b"wOF2", UnsupportedKind("a font", _NOT_UNDERSTOOD)),
    (b"OTTO", UnsupportedKind("a font", _NOT_UNDERSTOOD)),
    (b"\0\1\0\0\0", UnsupportedKind("a font", _NOT_UNDERSTOOD)),
)

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
    for prefix, type_ in _PREFIXES:
        if head.startswith(prefix) and not (reads_as_text and prefix.isascii() and not _CONTROLS.search(prefix)):
            return type_
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
