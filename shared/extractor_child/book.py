"""Extract the text and pictures of EPUB books, in reading order."""

from __future__ import annotations

import posixpath
from typing import BinaryIO
from urllib.parse import unquote

from shared.domain.media.random_access import DamagedError
from shared.extractor_child.archive import Archive
from shared.extractor_child.document import Document
from shared.extractor_child.markup import to_markdown
from shared.extractor_child.pictures import add_picture

_ROOT = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_OPF, _DC = "{http://www.idpf.org/2007/opf}", "{http://purl.org/dc/elements/1.1/}"
_PAGES = ("application/xhtml+xml", "text/html")
_FONTS_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Ways to hide fonts, which are not read anyway."""


def extract_book(file: BinaryIO, document: Document) -> None:
    archive = Archive(file)
    _refuse_locked(archive)
    container = archive.xml("META-INF/container.xml")
    listed = next(container.iter(_ROOT), None) if container is not None else None
    path = unquote(listed.get("full-path", "")) if listed is not None else ""
    package = archive.xml(path) if path else None
    if package is None:
        raise DamagedError("The book does not say what its chapters are: it is damaged.")
    for name in ("title", "creator", "date", "publisher"):
        for element in package.iter(f"{_DC}{name}"):
            if text := (element.text or "").strip():
                document.add(f"# {text}" if name == "title" else text)
    folder = posixpath.dirname(path)
    items = {item.get("id"): item for item in package.iter(f"{_OPF}item")}
    for reference in package.iter(f"{_OPF}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in _PAGES:
            _add_chapter(archive, posixpath.join(folder, unquote(item.get("href", ""))), document)


def _add_chapter(archive: Archive, path: str, document: Document) -> None:
    data = archive.read(posixpath.normpath(path))
    if data is None:
        document.notes.append(f"The chapter {path} is missing in the book.")
        return

    def show(source: str, title: str) -> str:
        picture = archive.read(posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(source))))
        return add_picture(document, picture, title) if picture is not None else ""

    document.add(to_markdown(data.decode("utf-8", "replace"), show))


def _refuse_locked(archive: Archive) -> None:
    locks = archive.xml("META-INF/encryption.xml")
    methods = [
        element.get("Algorithm", "")
        for element in (locks.iter() if locks is not None else ())
        if element.tag.endswith("}EncryptionMethod")
    ]
    if any(method not in _FONTS_ONLY for method in methods):
        raise DamagedError("The book is protected against copying, and cannot be read.")
