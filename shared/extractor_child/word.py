"""Extract the text, tables, notes, comments and pictures of Word documents (DOCX), block by block.

The body is never in memory as a whole. Existing libraries lose content: mammoth, for example, drops formulas, charts,
ruby and headers, and needs 30 times the memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from shared.domain.media.random_access import DamagedError
from shared.extractor_child.archive import Archive
from shared.extractor_child.charts import add_chart
from shared.extractor_child.document import Document
from shared.extractor_child.mail import extract_mail
from shared.extractor_child.markup import to_markdown
from shared.extractor_child.ooxml import A, C, R, W, drawn_paragraphs, usual, xml_of
from shared.extractor_child.pictures import add_picture
from shared.extractor_child.word_lists import Lists, heading_levels

_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_V = "{urn:schemas-microsoft-com:vml}"
_NOT_READ = {f"{W}del", f"{W}moveFrom", f"{W}instrText", f"{W}rPr", f"{W}pPr", f"{W}delText", f"{W}sectPr"}
_BREAKS = {f"{W}tab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-", f"{W}ptab": "\t"}
_DEEPEST = 200
_DAMAGED = "The Word document does not say where its text is: it is damaged."


def extract_word(file: BinaryIO, document: Document) -> None:
    archive = Archive(file)
    archive.refuse_entities()
    main = next((path for kind, path in archive.targets("").values() if kind == "officeDocument"), "word/document.xml")
    if not archive.has(main):
        raise DamagedError(_DAMAGED)
    reader = _Reader(archive, main, document)
    reader.add_beside("header", "Header")
    with archive.open(main) as body:
        reader.read(body)
    reader.add_beside("footer", "Footer")


class _Reader:
    def __init__(self, archive: Archive, main: str, document: Document) -> None:
        self._archive, self._document = archive, document
        self._targets = archive.targets(main)
        parts = dict(self._targets.values())
        self._levels = heading_levels(xml_of(archive, parts.get("styles", "")))
        self._lists = Lists(xml_of(archive, parts.get("numbering", "")))
        self._notes: dict[str, dict[str, str]] = {}
        self._notes = {
            kind: self._texts(parts.get(f"{kind}s", ""), kind) for kind in ("footnote", "endnote", "comment")
        }

    def read(self, body: BinaryIO) -> None:
        depth = 0
        try:
            for event, element in ElementTree.iterparse(body, events=("start", "end")):  # noqa: S314
                depth += 1 if event == "start" else -1
                if depth > _DEEPEST:
                    raise DamagedError("The document's parts are nested too deeply.")
                if event == "end" and depth == 2:
                    self._block(usual(element))
                    element.clear()
        except ElementTree.ParseError as error:
            raise DamagedError("The text of the Word document is no XML: it is damaged.") from error

    def add_beside(self, kind: str, label: str) -> None:
        """Add the headers and footers, each once."""
        seen: set[str] = set()
        for what, path in list(self._targets.values()):
            root = xml_of(self._archive, path) if what == kind else None
            if root is None:
                continue
            with self._within(path):
                text = "\n".join(filter(str.strip, (self._inline(paragraph) for paragraph in root.iter(f"{W}p"))))
            if text and text not in seen:
                seen.add(text)
                self._document.add(f"[{label}: {text}]")

    def _block(self, block: Element) -> None:
        if block.tag == f"{W}p":
            self._paragraph(block)
        elif block.tag == f"{W}tbl":
            self._document.add_table(self._rows(block))
        elif block.tag == f"{W}altChunk":
            self._chunk(block)
        elif block.tag not in _NOT_READ:
            for part in block:
                self._block(part)

    def _paragraph(self, paragraph: Element) -> None:
        text = self._inline(paragraph).strip()
        if not text:
            return
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        level = self._levels.get(style.get(f"{W}val", "") if style is not None else "")
        if level is not None:
            text = f"{'#' * min(level + 1, 6)} {self._lists.mark(paragraph, style)}{' '.join(text.split())}"
        else:
            text = f"{self._lists.indent(paragraph)}{self._lists.mark(paragraph, style)}{text}"
        self._document.add(text)

    def _rows(self, table: Element) -> Iterator[list[str]]:
        for row in table.iter(f"{W}tr"):
            cells = [cell for part in row for cell in ([part] if part.tag == f"{W}tc" else part.iter(f"{W}tc"))]
            yield [" ".join(self._inline(paragraph) for paragraph in cell.iter(f"{W}p")) for cell in cells]

    def _inline(self, element: Element) -> str:
        return "".join(self._part(part) for part in element if part.tag not in _NOT_READ)

    def _part(self, part: Element) -> str:
        tag = part.tag
        if tag in (f"{W}t", f"{_M}t"):
            return part.text or ""
        if tag in _BREAKS:
            return _BREAKS[tag]
        if tag == f"{W}sym":
            return _symbol(part.get(f"{W}char", ""))
        if tag.startswith(W) and tag.endswith("Reference"):
            kind = tag.removeprefix(W).removesuffix("Reference")
            noted = self._notes.get(kind, {}).get(part.get(f"{W}id", ""))
            return f" [{'Comment' if kind == 'comment' else 'Note'}: {noted}]" if noted else ""
        if tag == f"{W}rt":
            return f" ({self._inline(part)})"
        if tag.endswith("}AlternateContent"):
            # Several forms of the same content, the newest first.
            return "".join(self._inline(form) for form in list(part)[:1])
        if tag in (f"{W}drawing", f"{W}pict", f"{W}object"):
            return self._drawing(part)
        return self._inline(part)

    def _drawing(self, drawing: Element) -> str:
        pieces: list[str] = []
        described = next((element for element in drawing.iter() if element.tag.endswith("}docPr")), None)
        title = (described.get("descr") or "") if described is not None else ""
        for element in drawing.iter():
            if element.tag in (f"{A}blip", f"{_V}imagedata"):
                path = self._path(element.get(f"{R}embed") or element.get(f"{R}id"))
                data = self._archive.read(path) if path else None
                pieces.append(add_picture(self._document, data, title) if data is not None else "")
            elif element.tag == f"{C}chart" and (root := xml_of(self._archive, self._path(element.get(f"{R}id")))):
                add_chart(root, self._document)
            elif element.tag == f"{_DIAGRAM}relIds" and (
                root := xml_of(self._archive, self._path(element.get(f"{R}dm")))
            ):
                pieces += ["\n", *drawn_paragraphs(root), "\n"]
            elif element.tag == f"{W}txbxContent":
                # Empty lines separate it from the paragraphs before and after it.
                pieces += ["\n", *(self._inline(paragraph) for paragraph in element.iter(f"{W}p")), "\n"]
        return "\n".join(filter(None, pieces))

    def _chunk(self, chunk: Element) -> None:
        """Add an embedded HTML page, which Word shows as part of the document."""
        path = self._path(chunk.get(f"{R}id"))
        ending = path.lower().rpartition(".")[2]
        data = self._archive.read(path) if ending in ("htm", "html", "xhtml", "txt", "mht", "mhtml") else None
        if data is not None and ending.startswith("mht"):
            extract_mail(data, self._document, lambda *_: None)
        elif data is not None:
            self._document.add(to_markdown(data.decode("utf-8", "replace")))
        else:
            self._document.notes.append(f"The part {path or 'without a name'} of the document was left out.")

    def _path(self, number: str | None) -> str:
        return self._targets.get(number or "", ("", ""))[1]

    def _texts(self, path: str, kind: str) -> dict[str, str]:
        """Return the notes or comments of a part by id."""
        root = xml_of(self._archive, path)
        texts: dict[str, str] = {}
        with self._within(path):
            for note in root.iter(f"{W}{kind}") if root is not None else ():
                words = " ".join(self._inline(paragraph) for paragraph in note.iter(f"{W}p"))
                texts[note.get(f"{W}id", "")] = " ".join(words.split())
        return texts

    @contextlib.contextmanager
    def _within(self, path: str) -> Iterator[None]:
        """Read a part other than the body, with the relationships of that part."""
        body, self._targets = self._targets, self._archive.targets(path) if path else {}
        try:
            yield
        finally:
            self._targets = body


def _symbol(code: str) -> str:
    """Return a character of a symbol font, given by its code."""
    try:
        return chr(int(code, 16) - (0xF000 if code.upper().startswith("F0") else 0))
    except ValueError:
        return ""
