"""Makes what is no media, and what is called by another name."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile

from tests.samples.ugly_parts.listing import (
    TYPE,
    completes,
    converts,
    encoded,
    fails,
    good,
)
from tests.shared.made_documents import docx, paragraph, pptx, shape, xlsx


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/").replace("_dot_", ".")), data)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("notes.txt")
        entry.size = 6
        archive.addfile(entry, io.BytesIO(b"hello\n"))
    return out.getvalue()


def strangers() -> None:
    exe = b"MZ\x90\0" + bytes(56) + struct.pack("<I", 64) + b"PE\0\0\x64\x86" + bytes(200)
    archive = zipped(notes_dot_txt=b"hello")
    office, markdown = "application/vnd.openxmlformats-officedocument", "text/markdown"
    letter = docx(paragraph("Dear Ms Tanaka, the parcel left."))
    converts("letter.docx", letter, f"{office}.wordprocessingml.document", markdown)
    sheet = xlsx(Parcels=[["To", "Left"], ["Tanaka", "Tuesday"]])
    converts("sheet.xlsx", sheet, f"{office}.spreadsheetml.sheet", markdown)
    slides = pptx(shape("Parcels", "title") + shape("They left."))
    converts("slides.pptx", slides, f"{office}.presentationml.presentation", markdown)
    fails("old-letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), TYPE, "Microsoft Office")
    fails("archive.zip", archive, TYPE, "ZIP archive")
    fails("archive.tar", tarred(), TYPE, "tar archive")
    fails("archive.tar.gz", gzip.compress(tarred(), mtime=0), TYPE, "gzip archive")
    fails("program", b"\x7fELF\x02\x01\x01" + bytes(57), TYPE, "ELF")
    fails("database.sqlite", b"SQLite format 3\0\x10\0\x01\x01" + bytes(84), TYPE, "SQLite")
    fails("exe-called.wav", exe, TYPE, "Windows program")
    fails("zip-called.pdf", archive, TYPE, "ZIP archive")
    converts("gif-called.png", encoded("picture.gif"), "image/gif", "image/png")
    completes("png-called.mp3", encoded("1x1.png"), "image/png")
    completes("pdf-called.png", good("report.pdf"), "application/pdf", pages=2)
    completes("mp3-called.mp4", encoded("no-tag.mp3"), "audio/mp3")
    completes("wav-called.pdf", encoded("8-bit.wav"), "audio/wav")
    completes("mp4-called.mp3", encoded("moov-last.mp4"), "video/mp4")
    completes("jpeg-called.png", encoded("grey.jpg"), "image/jpeg")
    completes("html-called.txt", encoded("page.html"), "text/html")
    completes("text-called.pdf", b"The header of a file of this kind is %PDF-1 point something.\n", "text/plain")
    completes("not-found-called.mp3", b"<html><body>404 Not Found</body></html>\n", "text/html")
