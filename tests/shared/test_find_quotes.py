"""Quotes are looked up in the text of PDFs and plain texts, in a child process that may die."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.domain.checks.quotes import Found
from shared.domain.media import InMemory
from shared.domain.media.kinds import media_type
from shared.domain.recipe.evidence import Quote
from shared.examiner import Examiner, Threaded
from shared.sandbox import Sandbox
from tests.pdf_text import line_on_scale, pdf_with_text

SAMPLES = Path(__file__).parents[1] / "samples"
PAGES = [[f"Item {page}-{line}: {page}{line}.50 EUR" for line in range(10)] for page in range(1, 6)]


@pytest.fixture
async def examiner() -> AsyncIterator[Examiner]:
    sandbox = Sandbox()
    yield Examiner(sandbox)
    await sandbox.close()


async def find_in(examiner: Examiner, data: bytes, quotes: list[Quote], mime: str = "application/pdf") -> list[Found]:
    async def here(call: Callable[[], bytes]) -> bytes:
        return call()

    return await examiner.find_quotes(Threaded(InMemory(data), here), media_type(mime, "windows-1252"), quotes)


async def test_fifty_true_quotes_are_found_with_their_pages_and_lines(examiner: Examiner) -> None:
    quotes = [Quote("x", words, page) for page, lines in enumerate(PAGES, 1) for words in lines]
    found = await find_in(examiner, pdf_with_text(PAGES), quotes)
    for number, entry in enumerate(found):
        assert (entry.match, entry.page) == ("exact", number // 10 + 1)
        ((top, left, bottom, right),) = entry.boxes
        assert top < line_on_scale(number % 10) <= bottom + 5
        assert 95 <= left <= 110
        assert right < 500


async def test_a_wrong_page_is_put_right_and_an_invented_quote_is_missing(examiner: Examiner) -> None:
    quotes = [
        Quote("a", "Item 4-7", 1),
        Quote("b", "Item 9-9", 1),
        Quote("c", "item 2-1", None),
        Quote("d", "Item 1-1", 99),
    ]
    found = await find_in(examiner, pdf_with_text(PAGES), quotes)
    assert [(entry.match, entry.page) for entry in found] == [
        ("exact", 4),
        ("missing", None),
        ("normalised", 2),
        ("exact", 1),
    ]


@pytest.mark.parametrize("rotate", [90, 180, 270])
async def test_boxes_lie_on_the_page_as_it_is_shown(examiner: Examiner, rotate: int) -> None:
    (entry,) = await find_in(examiner, pdf_with_text([["Total 12"]], rotate=rotate), [Quote("a", "Total 12", 1)])
    ((top, left, bottom, right),) = entry.boxes
    upright = (bottom - top) < (right - left)
    assert upright == (rotate == 180)
    assert (left > 500) == (rotate in (90, 180))
    assert (top > 500) == (rotate in (180, 270))


async def test_arabic_is_found_whose_letters_are_drawn_in_another_order(examiner: Examiner) -> None:
    quotes = [Quote("a", words, 1) for words in ("شاي أخضر", "المبلغ الإجمالي هو ٤٥٦٫٧٨ دينار", "456.78", "شاي أزرق")]
    green, total, number, blue = await find_in(examiner, (SAMPLES / "cells.pdf").read_bytes(), quotes)
    assert [entry.match for entry in (green, total, number, blue)] == ["exact", "exact", "normalised", "missing"]
    ((top, left, bottom, right),) = total.boxes
    assert bottom - top < 30
    assert left < 780 < 900 < right


async def test_a_quote_over_two_pages_is_found_on_the_first(examiner: Examiner) -> None:
    pages = [["Lease", "The rent is due on the", "Page 1"], ["Lease", "first day of each month.", "Page 2"]]
    (entry,) = await find_in(examiner, pdf_with_text(pages), [Quote("a", "due on the first day of each month", 2)])
    assert (entry.match, entry.page, len(entry.boxes)) == ("normalised", 1, 1)


async def test_words_that_were_drawn_one_by_one_are_in_one_box(examiner: Examiner) -> None:
    (entry,) = await find_in(examiner, (SAMPLES / "cells.pdf").read_bytes(), [Quote("a", "efficient file", 1)])
    assert len(entry.boxes) == 1


async def test_a_scan_has_no_text_to_look_into(examiner: Examiner) -> None:
    found = await find_in(examiner, pdf_with_text([[], []]), [Quote("a", "Total 12", 1)])
    assert [entry.match for entry in found] == ["unchecked"]


async def test_a_text_is_searched_in_its_own_encoding(examiner: Examiner) -> None:
    quotes = [Quote("a", "Käse", None), Quote("b", "Wein", None)]
    found = await find_in(examiner, "Der Käse\nkostet 12.".encode("windows-1252"), quotes, "text/plain")
    assert [(entry.match, entry.page) for entry in found] == [("exact", None), ("missing", None)]


@pytest.mark.parametrize(("name", "mime"), [("speech.wav", "audio/wav"), ("notes.txt", "application/pdf")])
async def test_a_file_that_cannot_be_searched_is_unchecked(examiner: Examiner, name: str, mime: str) -> None:
    found = await find_in(examiner, (SAMPLES / name).read_bytes(), [Quote("a", "x", 1)], mime)
    assert [entry.match for entry in found] == ["unchecked"]


async def test_no_more_quotes_are_looked_up_than_a_thousand(examiner: Examiner) -> None:
    found = await find_in(examiner, pdf_with_text(PAGES), [Quote("a", "Item 1-1", 1)] * 1_001)
    assert [entry.match for entry in found[998:]] == ["exact", "exact", "unchecked"]
