"""The text of a PDF's page is read in lines as they are seen, however its letters were drawn."""

from __future__ import annotations

from pathlib import Path

import pypdfium2

from shared.domain.checks.rows import count_rows
from shared.examiner_child.page_text import PageText

CELLS = Path(__file__).parents[1] / "samples" / "cells.pdf"
"""Two tables as a browser prints them: an Arabic one, and one with narrow cells."""


def lines() -> list[str]:
    with pypdfium2.PdfDocument(CELLS) as document:
        page = document[0].get_textpage()
        text = PageText(page).lines
        page.close()
    return text.splitlines()


def test_the_cells_of_a_row_are_in_one_line_with_a_blank_between_them() -> None:
    assert {"0000 Tea 1 1,111.50", "0002 Cable 3 1,311.50", "0009 Tea 1 2,011.50"}.issubset(lines())


def test_a_line_is_read_from_right_to_left_and_its_numbers_from_left_to_right() -> None:
    assert lines()[1] == "0001 شاي أخضر 1,037.50 2"
    assert "٤٥٦٫٧٨" in lines()[12]


def test_the_rows_of_both_tables_are_counted() -> None:
    arabic = [[f"{n:04}", ["تفاح أحمر", "شاي أخضر", "كرسي خشبي"][n % 3], f"{1000.5 + n * 37}"] for n in range(12)]
    narrow = [[f"{n:04}", ["Tea", "Office efficient file", "Cable"][n % 3], f"{1111.5 + n * 100}"] for n in range(12)]
    assert not count_rows(["\n".join(lines())], [*arabic, *narrow]).missing
    assert [row.line for row in count_rows(["\n".join(lines())], [*arabic, *narrow[:-1]]).missing] == [
        "0011 Cable 3 2,211.50"
    ]


def test_a_character_beyond_the_first_plane_is_one_character() -> None:
    """Here the font says that its letter A is 𝔸."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>"
    names = b"1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar <41> <D835DD38> endbfchar"
    drawn = b"BT /F 20 Tf 20 50 Td (AB) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100]"
        b" /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        font,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(names), names),
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % numbered for numbered in enumerate(objects, 1))
    with pypdfium2.PdfDocument(b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R /Size 7 >>\n%%EOF\n") as document:
        page = document[0].get_textpage()
        assert PageText(page).lines == "𝔸B"
        page.close()
