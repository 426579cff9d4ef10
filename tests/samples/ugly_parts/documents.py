"""Makes the ugly PDFs."""

from __future__ import annotations

import io
import struct
import zlib

from pypdf import PdfReader, PdfWriter

from tests.pdf_text import pdf_of_objects
from tests.samples.ugly_parts.listing import (
    FAILED,
    GOOD,
    completes,
    fails,
    good,
    splits,
)


def pdf(pages: int, root_extra: bytes = b"") -> bytes:
    """A PDF with empty pages and a classic table; the page count stands behind a long list of pages."""
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(pages))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R %s>>" % root_extra,
        b"<< /Type /Pages /MediaBox [0 0 200 200] /Kids [%s] /Count %d >>" % (kids, pages),
        *[b"<</Type/Page/Parent 2 0 R>>"] * pages,
    ]
    return pdf_of_objects(bodies)


def packed_pdf(pages: int) -> bytes:
    """A PDF 1.5 whose objects are compressed together and whose table is a stream with a row filter."""
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(pages))
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/MediaBox[0 0 200 200]/Kids[%s]/Count %d>>" % (kids, pages),
        *[b"<</Type/Page/Parent 2 0 R>>"] * pages,
    ]
    count, places, content = len(bodies), [], b""
    for body in bodies:
        places.append(len(content))
        content += body + b"\n"
    index = b" ".join(b"%d %d" % (number, place) for number, place in enumerate(places, 1)) + b"\n"
    stored = zlib.compress(index + content, 9)
    out = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    holder_at = len(out)
    holder = count + 1
    out += b"%d 0 obj\n<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream\nendobj\n" % (
        holder, count, len(index), len(stored), stored,
    )  # fmt: skip
    table_at = len(out)
    rows = [b"\0\0\0\0\0\0"]
    rows += [
        struct.pack(">BHBH", 2, 0, 0, 0)[:1] + struct.pack(">I", holder)[1:] + struct.pack(">H", place)
        for place in range(count)
    ]
    rows += [b"\1" + struct.pack(">I", at)[1:] + b"\0\0" for at in (holder_at, table_at)]
    above, filtered = bytes(6), b""
    for row in rows:
        filtered += b"\2" + bytes((value - up) & 0xFF for value, up in zip(row, above, strict=True))
        above = row
    table = zlib.compress(filtered, 9)
    out += b"%d 0 obj\n<</Type/XRef/Size %d/W[1 3 2]/Root 1 0 R/Filter/FlateDecode" % (holder + 1, holder + 2)
    out += b"/DecodeParms<</Predictor 12/Columns 6>>/Length %d>>\nstream\n%s\nendstream\nendobj\n" % (len(table), table)
    out += b"startxref\n%d\n%%%%EOF\n" % table_at
    return bytes(out)


def encrypted(algorithm: str, user: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(GOOD / "report.pdf"))
    writer.encrypt(user, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def documents() -> None:
    report = good("report.pdf")
    completes("thousand-pages.pdf", pdf(1000), "application/pdf", pages=1000)
    splits("1001-pages.pdf", pdf(1001), "1,001")
    splits("5000-pages.pdf", packed_pdf(5000), "5,000")
    completes("packed.pdf", packed_pdf(3), "application/pdf", pages=3)
    fails("zero-pages.pdf", pdf(0), FAILED, "no pages")
    fails("encrypted-rc4.pdf", encrypted("RC4-128", "secret"), FAILED, "encrypted")
    fails("encrypted-aes.pdf", encrypted("AES-256", "secret"), FAILED, "encrypted")
    completes("print-forbidden.pdf", encrypted("RC4-128", ""), "application/pdf", pages=2)
    completes("print-forbidden-rc4-40.pdf", encrypted("RC4-40", ""), "application/pdf", pages=2)
    completes("print-forbidden-aes.pdf", encrypted("AES-128", ""), "application/pdf", pages=2)
    completes("print-forbidden-aes-256.pdf", encrypted("AES-256-R5", ""), "application/pdf", pages=2)
    fails("encrypted-aes-128.pdf", encrypted("AES-128", "secret"), FAILED, "encrypted")
    fails("truncated.pdf", report[: len(report) // 2], FAILED, "truncated")
    completes("junk-before-header.pdf", b"\0scanner 7\0" * 9 + report, "application/pdf", pages=2)
    completes("damaged-table.pdf", report.replace(b"\nxref\n", b"\nxxxx\n"), "application/pdf", pages=2)
    wrong = report[: report.rindex(b"startxref")] + b"startxref\n7\n%%EOF\n"
    completes("wrong-startxref.pdf", wrong, "application/pdf", pages=2)
    completes("trailing-junk.pdf", report + b"\n<!-- sent by a web server -->\n" * 20, "application/pdf", pages=2)
    writer = PdfWriter(GOOD / "report.pdf", incremental=True)
    writer.add_blank_page(200, 200)
    out = io.BytesIO()
    writer.write(out)
    completes("appended.pdf", out.getvalue(), "application/pdf", pages=3)
    appended = out.getvalue()
    fails("truncated-append.pdf", appended[: len(report) + 120], FAILED, "truncated")
    completes("junk-behind.pdf", report + bytes(70_000), "application/pdf", pages=2)
    completes("no-end-mark.pdf", report[: report.rindex(b"%%EOF")], "application/pdf", pages=2)
    # These are made elsewhere. The locks open with the empty password, where the owner only forbids printing.
    for name in ("owner-only-r4-aes.pdf", "owner-only-r4.pdf", "owner-only-r6-aes.pdf", "objstm-indirect-length.pdf"):
        completes(name, None, "application/pdf", pages=3)
    completes("declares-encrypt-word.pdf", None, "application/pdf", pages=3)
    fails("user-r6.pdf", None, FAILED, "encrypted")
    fails("header-only.pdf", b"%PDF-1.7\n", FAILED, "truncated")
