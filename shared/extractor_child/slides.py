"""Take the text, tables, charts, speaker's notes and pictures out of presentations (PPTX), slide by slide.

The parts are read one by one: python-pptx would load every film that a presentation embeds into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element

from shared.domain.media.reading import DamagedError
from shared.extractor_child.archive import Archive
from shared.extractor_child.document import Document
from shared.extractor_child.pictures import add_picture

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_STRICT = {
    "http://purl.oclc.org/ooxml/drawingml/main": _A,
    "http://purl.oclc.org/ooxml/presentationml/main": _P,
    "http://purl.oclc.org/ooxml/officeDocument/relationships": _R,
    "http://purl.oclc.org/ooxml/drawingml/chart": _C,
}
_NO_TEXT = ("sldNum", "dt", "ftr", "hdr", "sldImg")
"""Placeholders for what stands on every slide."""
_TITLES = ("title", "ctrTitle")


def extract_slides(file: BinaryIO, document: Document) -> None:
    archive = Archive(file)
    archive.refuse_entities()
    main = next((path for kind, path in archive.targets("").values() if kind == "officeDocument"), None)
    root = _xml(archive, main) if main else None
    if main is None or root is None:
        raise DamagedError("The presentation does not say what its slides are: it is damaged.")
    targets = archive.targets(main)
    listed = [element.get(f"{_R}id", "") for element in root.iter(f"{_P}sldId")]
    for number, path in enumerate((targets[slide][1] for slide in listed if slide in targets), 1):
        _add_slide(archive, path, number, document)
    if not listed:
        raise DamagedError("The presentation holds no slides.")


def _add_slide(archive: Archive, path: str, number: int, document: Document) -> None:
    slide = _xml(archive, path)
    if slide is None:
        document.notes.append(f"Slide {number} is missing in the file.")
        return
    targets = archive.targets(path)
    title = next((_text(shape) for shape in slide.iter(f"{_P}sp") if _placeholder(shape) in _TITLES), "")
    hidden = " (hidden)" if slide.get("show") in ("0", "false") else ""
    document.add(f"## Slide {number}{hidden}" + (f": {' '.join(title.split())}" if title.strip() else ""))
    tree = slide.find(f"{_P}cSld/{_P}spTree")
    for shape in tree if tree is not None else ():
        _add_shape(archive, shape, targets, document)
    for kind, part in targets.values():
        if kind == "notesSlide" and (notes := _xml(archive, part)) is not None:
            said = [_text(shape) for shape in notes.iter(f"{_P}sp") if _placeholder(shape) not in _NO_TEXT]
            if any(text.strip() for text in said):
                document.add("**Notes:**\n\n" + "\n\n".join(said))
        elif kind == "comments" and (comments := _xml(archive, part)) is not None:
            texts = [text for element in comments.iter() if (text := element.text) and element.tag.endswith("}text")]
            document.add("\n".join(f"**Comment:** {text}" for text in [*texts, *_paragraphs(comments)]))


def _add_shape(archive: Archive, shape: Element, targets: dict[str, tuple[str, str]], document: Document) -> None:
    if shape.tag == f"{_P}sp":
        if _placeholder(shape) not in (*_NO_TEXT, *_TITLES):
            document.add(_text(shape))
        _add_pictures(archive, shape, targets, document)
    elif shape.tag == f"{_P}pic":
        _add_pictures(archive, shape, targets, document)
    elif shape.tag == f"{_P}graphicFrame":
        for table in shape.iter(f"{_A}tbl"):
            document.add_table([_text(cell) for cell in row.iter(f"{_A}tc")] for row in table.iter(f"{_A}tr"))
        for element in shape.iter():
            part = targets.get(element.get(f"{_R}id" if element.tag == f"{_C}chart" else f"{_R}dm", ""))
            if part is not None and (root := _xml(archive, part[1])) is not None:
                _add_chart(root, document) if part[0] == "chart" else document.add("\n".join(_paragraphs(root)))
        _add_pictures(archive, shape, targets, document)
    else:
        # Groups, and alternatives for other versions, of which the first is shown.
        inside = list(shape)[:1] if shape.tag.endswith("}AlternateContent") else list(shape)
        for part_of_group in inside:
            _add_shape(archive, part_of_group, targets, document)


def _add_pictures(archive: Archive, shape: Element, targets: dict[str, tuple[str, str]], document: Document) -> None:
    described = shape.find(f".//{_P}cNvPr")
    title = (described.get("descr") or "") if described is not None else ""
    for blip in shape.iter(f"{_A}blip"):
        _, part = targets.get(blip.get(f"{_R}embed", ""), ("", ""))
        if part and (data := archive.read(part)) is not None:
            document.add(add_picture(document, data, title))


def _add_chart(root: Element, document: Document) -> None:
    """Add a chart as the table of its values."""
    title = " ".join("".join(_paragraphs(element)) for element in root.findall(f"{_C}chart/{_C}title"))
    document.add(f"**Chart{': ' + title if title else ''}**")
    series = list(root.iter(f"{_C}ser"))
    names = [next(iter(_points(one, "tx")), f"series {number}") for number, one in enumerate(series, 1)]
    labels = max((_points(one, "cat") or _points(one, "xVal") for one in series), key=len, default=[])
    values = [_points(one, "val") or _points(one, "yVal") for one in series]
    count = max((len(column) for column in [labels, *values]), default=0)
    rows = [[column[at] if at < len(column) else "" for column in [labels, *values]] for at in range(count)]
    document.add_table([["", *names], *rows] if rows else [])


def _points(series: Element, what: str) -> list[str]:
    return [value.text or "" for part in series.findall(f"{_C}{what}") for value in part.iter(f"{_C}v")]


def _placeholder(shape: Element) -> str:
    found = shape.find(f".//{_P}nvPr/{_P}ph")
    return "" if found is None else found.get("type", "body")


def _text(shape: Element) -> str:
    return "\n".join(_paragraphs(shape))


def _paragraphs(root: Element) -> Iterator[str]:
    for paragraph in root.iter(f"{_A}p"):
        properties = paragraph.find(f"{_A}pPr")
        level = properties.get("lvl", "0") if properties is not None else "0"
        pieces = [
            "\n" if part.tag == f"{_A}br" else part.text or ""
            for part in paragraph.iter()
            if part.tag in (f"{_A}t", f"{_A}br")
        ]
        if text := "".join(pieces).strip():
            indent = int(level) if level.isdecimal() else 0
            yield f"{'  ' * min(indent, 8)}- {text}" if indent else text


def _xml(archive: Archive, name: str) -> Element | None:
    """Return the root of a part, with the names of the strict form replaced by the usual ones."""
    root = archive.xml(name)
    for element in root.iter() if root is not None else ():
        space, _, local = element.tag[1:].partition("}")
        if space in _STRICT:
            element.tag = _STRICT[space] + local
    return root
