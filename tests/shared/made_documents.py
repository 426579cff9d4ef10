"""Small documents in the formats of offices, made when they are wanted."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl

SAMPLES = Path(__file__).parents[1] / "samples"
PICTURE = (SAMPLES / "picture.png").read_bytes()
_TYPES = b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_NAMES = " ".join(
    f'xmlns:{prefix}="http://schemas.openxmlformats.org/{name}"'
    for prefix, name in (
        ("w", "wordprocessingml/2006/main"),
        ("a", "drawingml/2006/main"),
        ("p", "presentationml/2006/main"),
        ("c", "drawingml/2006/chart"),
        ("r", "officeDocument/2006/relationships"),
        ("wp", "drawingml/2006/wordprocessingDrawing"),
        ("m", "officeDocument/2006/math"),
    )
)
_ROOT = re.compile(r"<[wpac]:\w+")
_ODF = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("presentation", "presentation"),
    )
)


def zipped(parts: dict[str, bytes | str], *, stored: str = "") -> bytes:
    """An archive of these parts. `stored` is the one that is not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            entry.compress_type = zipfile.ZIP_STORED if name == stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()


def with_parts(archive: bytes, parts: dict[str, bytes | str]) -> bytes:
    """An archive with further parts."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return zipped({**{name: opened.read(name) for name in opened.namelist()}, **parts})


def relationships(**targets: str) -> str:
    """Relationships by their kinds; a number behind a kind tells several of it apart."""
    listed = "".join(
        f'<Relationship Id="{name}" Type="{_KIND}/{name.rstrip("0123456789")}" Target="{target}"/>'
        for name, target in targets.items()
    )
    return f'<Relationships xmlns="{_RELATIONSHIPS}">{listed}</Relationships>'


def docx(body: str, *, parts: dict[str, bytes | str] | None = None, **targets: str) -> bytes:
    """A Word document with this body, and parts that it refers to."""
    return zipped(
        {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": relationships(officeDocument="word/document.xml"),
            "word/document.xml": f"<w:document {_NAMES}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relationships(**targets),
            **{name: _named(data) for name, data in (parts or {}).items()},
        }
    )


def _named(part: bytes | str) -> bytes | str:
    """Declare the names in a part's root."""
    found = _ROOT.match(part) if isinstance(part, str) else None
    return part if found is None else f"{found[0]} {_NAMES}{found.string[found.end() :]}"


def paragraph(text: str, style: str = "") -> str:
    styled = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{styled}<w:r><w:t>{text}</w:t></w:r></w:p>"


def picture_in_word(number: str, title: str) -> str:
    drawn = f'<wp:inline><wp:docPr id="1" name="p" descr="{title}"/><a:blip r:embed="{number}"/></wp:inline>'
    return f"<w:p><w:r><w:drawing>{drawn}</w:drawing></w:r></w:p>"


def pptx(*slides: str, parts: dict[str, bytes | str] | None = None) -> bytes:
    """A presentation of these slides, each the content of a shape tree. `parts` may refer to them by number."""
    listed = "".join(f'<p:sldId id="{256 + at}" r:id="slide{at}"/>' for at in range(1, len(slides) + 1))
    targets = {f"slide{at}": f"slides/slide{at}.xml" for at in range(1, len(slides) + 1)}
    shown = {
        f"ppt/slides/slide{at}.xml": f"<p:sld {_NAMES}><p:cSld><p:spTree>{slide}</p:spTree></p:cSld></p:sld>"
        for at, slide in enumerate(slides, 1)
    }
    return zipped(
        {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": relationships(officeDocument="ppt/presentation.xml"),
            "ppt/presentation.xml": f"<p:presentation {_NAMES}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>",
            "ppt/_rels/presentation.xml.rels": relationships(**targets),
            **shown,
            **{name: _named(data) for name, data in (parts or {}).items()},
        }
    )


def shape(text: str, placeholder: str = "body") -> str:
    lines = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    kind = f'<p:nvSpPr><p:nvPr><p:ph type="{placeholder}"/></p:nvPr></p:nvSpPr>'
    return f"<p:sp>{kind}<p:txBody>{lines}</p:txBody></p:sp>"


def xlsx(**sheets: Sequence[Sequence[object]]) -> bytes:
    """A workbook of these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def opendocument(kind: str, content: str, *, parts: dict[str, bytes | str] | None = None) -> bytes:
    """An OpenDocument file; `kind` is text, spreadsheet or presentation, `content` what stands in it."""
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": (
                f'<office:document-content {_ODF} xmlns:xlink="http://www.w3.org/1999/xlink">'
                f"<office:body><office:{kind}>{content}</office:{kind}></office:body></office:document-content>"
            ),
            "META-INF/manifest.xml": '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
            **(parts or {}),
        },
        stored="mimetype",
    )


def epub(*chapters: str, title: str = "", parts: dict[str, bytes | str] | None = None) -> bytes:
    """A book of these chapters in XHTML."""
    items = "".join(
        f'<item id="c{at}" href="c{at}.xhtml" media-type="application/xhtml+xml"/>' for at in _range(chapters)
    )
    spine = "".join(f'<itemref idref="c{at}"/>' for at in _range(chapters))
    pages = {
        f"OEBPS/c{at}.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{chapter}</body></html>'
        for at, chapter in enumerate(chapters)
    }
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": (
                '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
                '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
            ),
            "OEBPS/book.opf": (
                '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
                f"<dc:title>{title}</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
            ),
            **pages,
            **(parts or {}),
        },
        stored="mimetype",
    )


def _range(chapters: tuple[str, ...]) -> range:
    return range(len(chapters))


_FREE, _END, _TABLE = b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", b"\xfd\xff\xff\xff"
_BIG = 4096
"""Streams of at least so many bytes have sectors of their own."""


def compound_file(entry: str, data: bytes = b"") -> bytes:
    """A compound file (OLE2) of one stream, which is padded with blanks."""
    return compound_tree({entry: data.ljust(_BIG, b" ")})


def compound_tree(streams: dict[str, bytes]) -> bytes:
    """A compound file of streams, some of them in a folder ("folder/name"); short ones are padded with zeros."""
    folders = sorted({path.rpartition("/")[0] for path in streams if "/" in path})
    paths = [*folders, *streams]
    sector, table, sectors = 1 + (len(paths) + 4) // 4, list[bytes](), b""
    entries = [_directory_entry("Root Entry", 5, child=_first_in("", paths))]
    for at, path in enumerate(paths, 1):
        folder, _, name = path.rpartition("/")
        following = next((n for n, other in enumerate(paths, 1) if n > at and other.rpartition("/")[0] == folder), -1)
        if path in folders:
            entries.append(_directory_entry(name, 1, child=_first_in(path, paths), following=following))
            continue
        padded = streams[path].ljust(_BIG, b"\0")
        padded += bytes(-len(padded) % 512)
        entries.append(_directory_entry(name, 2, start=sector, size=len(padded), following=following))
        sectors += padded
        count = len(padded) // 512
        table += [*(struct.pack("<I", next_one) for next_one in range(sector + 1, sector + count)), _END]
        sector += count
    listed = b"".join(entries)
    listed += bytes(-len(listed) % 512)
    of_directory = [*(struct.pack("<I", at) for at in range(2, 1 + len(listed) // 512)), _END]
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    header[24:34] = b"\x3e\0\x03\0\xfe\xff\x09\0\x06\0"
    header[44:52] = struct.pack("<II", 1, 1)
    header[56:80] = struct.pack("<I", _BIG) + _END + bytes(4) + _END + bytes(4) + bytes(4)
    header[80:] = _FREE * 108
    return bytes(header) + b"".join([_TABLE, *of_directory, *table]).ljust(512, b"\xff") + listed + sectors


def _first_in(folder: str, paths: list[str]) -> int:
    return next((at for at, path in enumerate(paths, 1) if path.rpartition("/")[0] == folder), -1)


def _directory_entry(
    name: str, kind: int, *, child: int = -1, start: int = -2, size: int = 0, following: int = -1
) -> bytes:
    wide = name.encode("utf-16-le") + b"\0\0"
    links = struct.pack("<HBBiii", len(wide), kind, 1, -1, following, child)
    return wide.ljust(64, b"\0") + links + bytes(36) + struct.pack("<iQ", start, size)


def outlook(text: str) -> bytes:
    """An Outlook message of nothing but this text."""
    return compound_file("__substg1.0_1000001F", text.encode("utf-16-le"))
