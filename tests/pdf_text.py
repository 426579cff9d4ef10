"""PDF files with lines of text, for tests that look into it."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 600, 800
"""Points."""
_SIZE, _LEADING, _LEFT, _TOP = 12, 20, 60, 740


def pdf_with_text(pages: Sequence[Sequence[str]], *, rotate: int = 0, leading: int = _LEADING) -> bytes:
    """Return a PDF whose pages hold these lines in Helvetica, `leading` points apart.

    `rotate` turns every page clockwise, in degrees.
    """
    count = len(pages)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(count))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in enumerate(pages):
        content = b"BT /F1 %d Tf %d %d Td %d TL\n" % (min(_SIZE, leading - 1), _LEFT, _TOP, leading)
        content += b"".join(b"(%s) Tj T*\n" % _escaped(line) for line in lines) + b"ET"
        page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Rotate %d" % (WIDTH, HEIGHT, rotate)
        bodies.append(page + b" /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (5 + 2 * number))
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return pdf_of_objects(bodies)


def line_on_scale(number: int) -> int:
    """Return how far down the baseline of a page's line is, on a scale of 1000."""
    return round((HEIGHT - _TOP + number * _LEADING) * 1000 / HEIGHT)


def _escaped(line: str) -> bytes:
    text = line.encode("windows-1252")
    return text.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def pdf_of_objects(bodies: Sequence[bytes]) -> bytes:
    """Return a PDF of these objects, numbered from 1, with a classic table; the first one is the catalogue."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
    return bytes(out)
