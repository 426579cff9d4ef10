"""Extract the text, tables, charts, speaker's notes and pictures of presentations (PPTX), slide by slide.

The parts are read one by one: python-pptx would load every film that a presentation embeds into memory.
"""

from __future__ import annotations

from typing import BinaryIO
from xml.etree.ElementTree import Element

from shared.domain.media.random_access import DamagedError
from shared.extractor_child.archive import Archive
from shared.extractor_child.charts import add_chart
from shared.extractor_child.document import Document
from shared.extractor_child.ooxml import A, C, P, R, drawn_paragraphs, xml_of
from shared.extractor_child.pictures import add_picture

_NO_TEXT = ("sldNum", "dt", "ftr", "hdr", "sldImg")
"""Placeholders for what stands on every slide."""
_TITLES = ("title", "ctrTitle")


def extract_slides(file: BinaryIO, document: Document) -> None:
    archive = Archive(file)
    archive.refuse_entities()
    main = next((path for kind, path in archive.targets("").values() if kind == "officeDocument"), None)
    root = xml_of(archive, main) if main else None
    if main is None or root is None:
        raise DamagedError("The presentation does not say what its slides are: it is damaged.")
    targets = archive.targets(main)
    listed = [element.get(f"{R}id", "") for element in root.iter(f"{P}sldId")]
    for number, path in enumerate((targets[slide][1] for slide in listed if slide in targets), 1):
        _add_slide(archive, path, number, document)
    if not listed:
        raise DamagedError("The presentation holds no slides.")


def _add_slide(archive: Archive, path: str, number: int, document: Document) -> None:
    slide = xml_of(archive, path)
    if slide is None:
        document.notes.append(f"Slide {number} is missing in the file.")
        return
    targets = archive.targets(path)
    title = next((_text(shape) for shape in slide.iter(f"{P}sp") if _placeholder(shape) in _TITLES), "")
    hidden = " (hidden)" if slide.get("show") in ("0", "false") else ""
    document.add(f"## Slide {number}{hidden}" + (f": {' '.join(title.split())}" if title.strip() else ""))
    tree = slide.find(f"{P}cSld/{P}spTree")
    for shape in tree if tree is not None else ():
        _add_shape(archive, shape, targets, document)
    for kind, part in targets.values():
        if kind == "notesSlide" and (notes := xml_of(archive, part)) is not None:
            spoken = [_text(shape) for shape in notes.iter(f"{P}sp") if _placeholder(shape) not in _NO_TEXT]
            if any(text.strip() for text in spoken):
                document.add("**Notes:**\n\n" + "\n\n".join(spoken))
        elif kind == "comments" and (comments := xml_of(archive, part)) is not None:
            texts = [text for element in comments.iter() if (text := element.text) and element.tag.endswith("}text")]
            document.add("\n".join(f"**Comment:** {text}" for text in [*texts, *drawn_paragraphs(comments)]))


def _add_shape(archive: Archive, shape: Element, targets: dict[str, tuple[str, str]], document: Document) -> None:
    if shape.tag == f"{P}sp":
        if _placeholder(shape) not in (*_NO_TEXT, *_TITLES):
            document.add(_text(shape))
        _add_pictures(archive, shape, targets, document)
    elif shape.tag == f"{P}pic":
        _add_pictures(archive, shape, targets, document)
    elif shape.tag == f"{P}graphicFrame":
        for table in shape.iter(f"{A}tbl"):
            document.add_table([_text(cell) for cell in row.iter(f"{A}tc")] for row in table.iter(f"{A}tr"))
        for element in shape.iter():
            part = targets.get(element.get(f"{R}id" if element.tag == f"{C}chart" else f"{R}dm", ""))
            if part is not None and (root := xml_of(archive, part[1])) is not None:
                add_chart(root, document) if part[0] == "chart" else document.add("\n".join(drawn_paragraphs(root)))
        _add_pictures(archive, shape, targets, document)
    else:
        # Groups, and alternatives for other versions. Of alternatives, the first is shown.
        inside = list(shape)[:1] if shape.tag.endswith("}AlternateContent") else list(shape)
        for part_of_group in inside:
            _add_shape(archive, part_of_group, targets, document)


def _add_pictures(archive: Archive, shape: Element, targets: dict[str, tuple[str, str]], document: Document) -> None:
    described = shape.find(f".//{P}cNvPr")
    title = (described.get("descr") or "") if described is not None else ""
    for blip in shape.iter(f"{A}blip"):
        _, part = targets.get(blip.get(f"{R}embed", ""), ("", ""))
        if part and (data := archive.read(part)) is not None:
            document.add(add_picture(document, data, title))


def _placeholder(shape: Element) -> str:
    placeholder = shape.find(f".//{P}nvPr/{P}ph")
    return "" if placeholder is None else placeholder.get("type", "body")


def _text(shape: Element) -> str:
    return "\n".join(drawn_paragraphs(shape))
