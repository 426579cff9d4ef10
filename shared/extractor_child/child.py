"""The functions that the extractor calls in its child process."""

from __future__ import annotations

import io
from functools import partial
from importlib import import_module
from typing import Any

from shared.domain.media import InMemory, MediaType, identify
from shared.domain.media.kinds import Format
from shared.domain.media.random_access import DamagedError
from shared.domain.media.utf8_conversion import in_utf_8
from shared.examiner_child.files import ExaminedFile
from shared.extractor_child.document import Document, ExtractedFile, TooLongError
from shared.sandbox_child import SourceFile

_WHOLE_BYTES = 128 << 20
"""Files of formats that are read whole may have so many bytes."""
_READERS: dict[Format, str] = {
    "word": "word:extract_word", "slides": "slides:extract_slides", "sheets": "sheets:extract_sheets",
    "opendocument": "opendocument:extract_opendocument", "book": "book:extract_book",
    "outlook": "outlook:extract_outlook", "mail": "mail:extract_mail", "rich-text": "rich_text:extract_rich_text",
    "heif-sequence": "sequences:render_sequence",
}  # fmt: skip
"""The function that reads a format, by its module; all others are pictures."""
_READ_IN_PARTS = ("word", "slides", "sheets", "opendocument", "book", "outlook")
"""Formats whose readers take an open file; the others take all bytes."""
_WITH_ATTACHMENTS = ("mail", "outlook")
_MAX_DEPTH = 2
"""Documents within mails within mails that are taken apart."""


def extract(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return the text, pictures and attachments of a document: a JSON list of the files, and then their bytes."""
    assert source is not None
    kind = MediaType.model_validate(arguments["media_type"])
    file = ExaminedFile(source.range, source.size, cached_bytes=16 << 20)
    document = Document()
    try:
        _extract(kind, file, document, depth=0)
    except TooLongError:
        return {"too_long": True}, b""
    except DamagedError as damage:
        return {"problem": str(damage)}, b""
    files = document.files
    if not files and not document.text:
        return {"problem": f"The file is {kind.label} that holds no text and no pictures."}, b""
    if document.text:
        files = [ExtractedFile("text/markdown", document.text.encode("utf-8", "replace"), ""), *files]
    listed = [{**file._asdict(), "data": len(file.data)} for file in files]
    return {"files": listed, "notes": document.all_notes()}, b"".join(file.data for file in files)


def _extract(kind: MediaType, file: ExaminedFile, document: Document, *, depth: int) -> None:
    # Each library is loaded by the first document that needs it.
    module, name = _READERS.get(kind.format, "pictures:render").split(":")
    read = getattr(import_module(f"shared.extractor_child.{module}"), name)
    opened = io.BufferedReader(file, 64 << 10) if kind.format in _READ_IN_PARTS else _whole(file)
    attach = [partial(_attach, depth=depth + 1)] if kind.format in _WITH_ATTACHMENTS else []
    read(opened, document, *attach)


def _whole(file: ExaminedFile) -> bytes:
    if file.size > _WHOLE_BYTES:
        raise DamagedError(
            f"The file has more than {_WHOLE_BYTES >> 20} MiB, and cannot be converted. Make it smaller."
        )
    return file.range(0, file.size)


def _attach(data: bytes, name: str, declared: str, document: Document, *, depth: int) -> None:
    """Add an attachment: pictures as pictures, texts and documents as text, PDFs as separate files."""
    kind = identify(InMemory(data), name, declared) if data else None
    label = name or "without a name"
    document.add(f"### Attachment: {label}")
    if not isinstance(kind, MediaType):
        document.notes.append(f"The attachment {label} was left out: it cannot be read.")
    elif kind.format == "text":
        document.add(in_utf_8(data, kind.encoding if kind.encoding not in (None, "unknown") else "utf-8").decode())
    elif kind.format == "pdf":
        _attach_pdf(data, label, document)
    elif kind.family == "image" and kind.format != "heif-sequence":
        from shared.extractor_child.pictures import add_picture

        document.add(add_picture(document, data, name))
    elif kind.preparation == "extract" and depth <= _MAX_DEPTH:
        try:
            _extract(kind, ExaminedFile(InMemory(data).read, len(data)), document, depth=depth)
        except DamagedError as damage:
            document.notes.append(f"The attachment {label} was left out: {damage}")
    else:
        document.notes.append(f"The attachment {label} ({kind.label}) was left out. Upload it by itself.")


def _attach_pdf(data: bytes, label: str, document: Document) -> None:
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as opened:
            pages = len(opened)
    except pypdfium2.PdfiumError:
        document.notes.append(f"The attachment {label} was left out: the PDF is locked or damaged.")
        return
    document.add(document.add_file(ExtractedFile("application/pdf", data, label, pages=pages)))


def encoding(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return the Python name of a text's most likely encoding; None if none fits, or all is blank."""
    from charset_normalizer import from_bytes

    best = from_bytes(payload).best()
    return (None if best is None or not str(best).strip() else best.encoding), b""
