"""The names of Office Open XML. Its strict form uses other namespaces for the same elements."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from shared.extractor_child.archive import Archive

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_STRICT = {
    "http://purl.oclc.org/ooxml/wordprocessingml/main": W,
    "http://purl.oclc.org/ooxml/drawingml/main": A,
    "http://purl.oclc.org/ooxml/presentationml/main": P,
    "http://purl.oclc.org/ooxml/officeDocument/relationships": R,
    "http://purl.oclc.org/ooxml/drawingml/chart": C,
    "http://purl.oclc.org/ooxml/officeDocument/math": "{http://schemas.openxmlformats.org/officeDocument/2006/math}",
}


def usual(root: Element) -> Element:
    """Replace the namespaces of the strict form in an element with the usual ones; return the element."""
    for element in root.iter():
        element.tag = _usual(element.tag)
        for name in [name for name in element.attrib if name.startswith("{http://purl.oclc.org/")]:
            element.set(_usual(name), element.attrib.pop(name))
    return root


def _usual(name: str) -> str:
    space, _, local = name[1:].partition("}")
    return _STRICT[space] + local if space in _STRICT else name


def xml_of(archive: Archive, name: str) -> Element | None:
    """Return the root of a part with the usual namespaces; None if the part does not exist."""
    root = archive.xml(name) if name else None
    return None if root is None else usual(root)


def drawn_paragraphs(root: Element) -> Iterator[str]:
    """Yield the paragraphs of slides, text boxes and diagrams; list items are indented."""
    for paragraph in root.iter(f"{A}p"):
        properties = paragraph.find(f"{A}pPr")
        level = properties.get("lvl", "0") if properties is not None else "0"
        pieces = [
            "\n" if part.tag == f"{A}br" else part.text or ""
            for part in paragraph.iter()
            if part.tag in (f"{A}t", f"{A}br")
        ]
        if text := "".join(pieces).strip():
            indent = int(level) if level.isdecimal() else 0
            yield f"{'  ' * min(indent, 8)}- {text}" if indent else text
