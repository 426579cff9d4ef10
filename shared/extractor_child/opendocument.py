"""Extract the text, tables, notes, comments and pictures of OpenDocument files (ODT, ODS, ODP)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from shared.domain.media.random_access import DamagedError
from shared.extractor_child.archive import Archive
from shared.extractor_child.document import Document
from shared.extractor_child.pictures import add_picture

_NS = "{urn:oasis:names:tc:opendocument:xmlns:"
_TEXT, _TABLE, _DRAW, _OFFICE = f"{_NS}text:1.0}}", f"{_NS}table:1.0}}", f"{_NS}drawing:1.0}}", f"{_NS}office:1.0}}"
_PRESENTATION, _MANIFEST = f"{_NS}presentation:1.0}}", f"{_NS}manifest:1.0}}"
_SVG = f"{_NS}svg-compatible:1.0}}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_NOT_READ = {f"{_TEXT}tracked-changes", f"{_TEXT}sequence-decls", f"{_OFFICE}forms", f"{_TABLE}shapes"}
_MAX_REPEATED = 100
"""Equal rows or cells after each other that are written out: sheets are filled to their end with empty ones."""
_MAX_DEPTH = 200
_OLD_ROOT = "{http://openoffice.org/2000/office}document-content"
_OLD = "The file is an old OpenOffice document (.sxw, .sxc, .sxi). Save it as ODT, ODS or ODP, and upload that."


def extract_opendocument(file: BinaryIO, document: Document) -> None:
    archive = Archive(file)
    archive.refuse_entities()
    manifest = archive.xml("META-INF/manifest.xml")
    if manifest is not None and manifest.find(f".//{_MANIFEST}encryption-data") is not None:
        raise DamagedError("The document is protected with a password. Save it without, and upload that.")
    if not archive.has("content.xml"):
        raise DamagedError("The OpenDocument file holds no content: it is damaged.")
    reader = _Reader(archive, document)
    try:
        with archive.open("content.xml") as content:
            reader.read(content)
    except ElementTree.ParseError as error:
        raise DamagedError("The content of the OpenDocument file is no XML: it is damaged.") from error


class _Reader:
    """Reads the content block by block, and forgets each block when it is done."""

    def __init__(self, archive: Archive, document: Document) -> None:
        self._archive, self._document = archive, document
        self._slides = 0
        self._readers: dict[str, Callable[[Element], None]] = {
            f"{_TEXT}h": self._heading,
            f"{_TEXT}p": lambda block: document.add(self._inline(block)),
            f"{_TEXT}list": lambda block: document.add("\n".join(self._list(block, 0))),
            f"{_TABLE}table": self._table,
            f"{_DRAW}page": self._slide,
        }

    def read(self, content: BinaryIO) -> None:
        stack: list[Element] = []
        for event, element in ElementTree.iterparse(content, events=("start", "end")):  # noqa: S314
            if event == "start":
                if element.tag == _OLD_ROOT:
                    raise DamagedError(_OLD)
                stack.append(element)
                if len(stack) > _MAX_DEPTH:
                    raise DamagedError("The document's parts are nested too deeply.")
                if element.tag == f"{_TABLE}table" and self._is_sheet(stack):
                    self._document.add(f"## Sheet: {element.get(f'{_TABLE}name', '')}")
                continue
            stack.pop()
            if self._is_sheet([*stack, element]):
                self._rest_of_sheet(element)
                element.clear()
            elif stack and element.tag == f"{_TABLE}table-row" and self._is_sheet(stack[:4]):
                # Rows of a sheet are kept as text, which takes less memory than elements.
                element.attrib["cells"] = "\x1f".join(self._cells(element))
                del element[:]
            elif len(stack) == 3 and stack[1].tag == f"{_OFFICE}body":
                self._block(element)
                element.clear()

    @staticmethod
    def _is_sheet(stack: list[Element]) -> bool:
        return len(stack) == 4 and stack[2].tag == f"{_OFFICE}spreadsheet" and stack[3].tag == f"{_TABLE}table"

    def _rest_of_sheet(self, sheet: Element) -> None:
        rows = (row.get("cells", "").split("\x1f") for row in sheet.iter(f"{_TABLE}table-row") for _ in _repeats(row))
        if not self._document.add_table(rows):
            self._document.add("(no cells)")
        for shapes in sheet.iter(f"{_TABLE}shapes"):
            self._inside(shapes)

    def _block(self, block: Element) -> None:
        if block.tag in _NOT_READ:
            return
        if (reader := self._readers.get(block.tag)) is not None:
            reader(block)
        elif block.tag == f"{_DRAW}frame":
            self._frame(block)
        else:
            self._inside(block)

    def _inside(self, block: Element) -> None:
        for part in block:
            self._block(part)

    def _heading(self, block: Element) -> None:
        level = block.get(f"{_TEXT}outline-level", "1")
        if text := self._inline(block).strip():
            self._document.add(f"{'#' * min(int(level) if level.isdecimal() else 1, 6)} {text}")

    def _slide(self, page: Element) -> None:
        self._slides += 1
        self._document.add(f"## Slide {self._slides}: {page.get(f'{_DRAW}name', '')}".rstrip(": "))
        for part in page:
            if part.tag == f"{_PRESENTATION}notes":
                notes = [self._inline(text) for text in part.iter(f"{_TEXT}p")]
                if any(text.strip() for text in notes):
                    self._document.add("**Notes:**\n\n" + "\n\n".join(notes))
            else:
                self._block(part)

    def _frame(self, frame: Element) -> None:
        for part in frame:
            if part.tag == f"{_DRAW}image":
                self._document.add(self._picture(frame, part))
                # The other images are the same picture in other formats.
                break
            self._block(part)

    def _picture(self, frame: Element, image: Element) -> str:
        described = (frame.findtext(f"{_SVG}{kind}") for kind in ("title", "desc"))
        title = next((text for text in described if text), frame.get(f"{_DRAW}name", ""))
        data = self._archive.read(image.get(_LINK, "").removeprefix("./"))
        return add_picture(self._document, data, title) if data is not None else ""

    def _table(self, table: Element) -> None:
        self._document.add_table(self._cells(row) for row in table.iter(f"{_TABLE}table-row") for _ in _repeats(row))

    def _cells(self, row: Element) -> list[str]:
        cells: list[str] = []
        for cell in row:
            if cell.tag not in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                continue
            lines = (line for part in cell for line in self._lines_of_cell(part))
            text = " ".join(line.strip() for line in lines if line.strip()) or cell.get(f"{_OFFICE}value", "")
            comments = [self._all_of(comment) for comment in cell.findall(f"{_OFFICE}annotation")]
            text += "".join(f" (comment: {' '.join(comment.split())})" for comment in comments)
            cells += [text for _ in _repeats(cell)]
        return cells

    def _lines_of_cell(self, part: Element) -> Iterator[str]:
        if part.tag in (f"{_TEXT}p", f"{_TEXT}h"):
            yield self._inline(part)
        elif part.tag == f"{_TEXT}list":
            yield from self._list(part, 0)

    def _list(self, block: Element, level: int) -> Iterator[str]:
        for item in block:
            for part in item:
                if part.tag == f"{_TEXT}list":
                    yield from self._list(part, level + 1)
                elif text := self._inline(part).strip():
                    yield f"{'  ' * level}- {text}"

    def _inline(self, block: Element) -> str:
        """Return the text of a paragraph, with its notes and comments inline, in brackets."""
        pieces = [block.text or ""]
        for part in block:
            pieces += [self._inline_part(part), part.tail or ""]
        return "".join(pieces)

    def _inline_part(self, part: Element) -> str:
        match part.tag.removeprefix(_TEXT):
            case "s":
                count = part.get(f"{_TEXT}c", "1")
                return " " * min(int(count) if count.isdecimal() else 1, 80)
            case "tab":
                return "\t"
            case "line-break":
                return "\n"
            case "note":
                body = part.find(f"{_TEXT}note-body")
                return f" [Note: {self._all_of(body)}]" if body is not None else ""
        if part.tag == f"{_OFFICE}annotation":
            return f" [Comment: {self._all_of(part)}]"
        if part.tag == f"{_DRAW}frame":
            images = part.findall(f"{_DRAW}image")
            return self._picture(part, images[0]) if images else self._all_of(part)
        return self._inline(part)

    def _all_of(self, part: Element) -> str:
        return " ".join(self._inline(text).strip() for text in part.iter(f"{_TEXT}p"))


def _repeats(element: Element) -> range:
    number = element.get(f"{_TABLE}number-rows-repeated") or element.get(f"{_TABLE}number-columns-repeated") or "1"
    return range(min(int(number) if number.isdecimal() else 1, _MAX_REPEATED))
