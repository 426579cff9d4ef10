"""Take the text, tables, notes, comments and pictures out of Word documents (DOCX)."""

from __future__ import annotations

import binascii
import zipfile
from typing import Any, BinaryIO

import mammoth

from shared.domain.media.reading import DamagedError
from shared.extractor_child.archive import Archive
from shared.extractor_child.document import Document
from shared.extractor_child.markup import to_markdown
from shared.extractor_child.pictures import add_picture

_MOST_XML = 24 << 20
"""Of the text part, which is held as a tree of objects: about a thousand pages."""
_STYLES = "comment-reference => sup\nu => em"
_PICTURE_BYTES = 64 << 20


def extract_word(file: BinaryIO, document: Document) -> None:
    archive = Archive(file)
    archive.refuse_entities()
    if any(archive.size(name) > _MOST_XML for name in archive.names() if name.lower().startswith("word/document")):
        raise DamagedError("The Word document is too long to be taken apart. Save it as PDF, and upload that.")
    marks: dict[str, str] = {}

    def keep(image: Any) -> dict[str, str]:
        address = f"picture:{len(marks)}"
        with image.open() as opened:
            data = opened.read(_PICTURE_BYTES)
        marks[address] = add_picture(document, data, image.alt_text or "")
        return {"src": address}

    def keep_if_there(image: Any) -> dict[str, str]:
        try:
            return keep(image)
        except (KeyError, OSError, zipfile.BadZipFile, binascii.Error, ValueError):
            return {"src": ""}

    file.seek(0)
    options = {"convert_image": mammoth.images.img_element(keep_if_there), "style_map": _STYLES}
    html = mammoth.convert_to_html(file, **options).value
    document.add(to_markdown(html, lambda source, title: marks.get(source, "")))
