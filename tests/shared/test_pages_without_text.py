"""Pages of a PDF whose words nobody can count: those that show something and have no text."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable

import pypdfium2
import pytest
from PIL import Image

from shared.domain.errors import TransientFailure
from shared.domain.media import InMemory
from shared.examiner import Examiner, Threaded
from shared.sandbox import Sandbox
from tests.pdf_text import pdf_with_text


@pytest.fixture
async def examiner() -> AsyncIterator[Examiner]:
    sandbox = Sandbox()
    yield Examiner(sandbox)
    await sandbox.close()


async def here(call: Callable[[], bytes]) -> bytes:
    return call()


async def pages_without_text(examiner: Examiner, data: bytes) -> list[int]:
    return await examiner.pages_without_text(Threaded(InMemory(data), here))


def with_scan(pages: list[list[str]]) -> bytes:
    """A PDF of these pages of text, and a scanned page behind them."""
    scan, whole = io.BytesIO(), io.BytesIO()
    Image.new("L", (60, 80), 128).save(scan, "PDF")
    with (
        pypdfium2.PdfDocument(pdf_with_text(pages)) as document,
        pypdfium2.PdfDocument(scan.getvalue()) as scanned,
    ):
        document.import_pages(scanned)
        document.save(whole)
    return whole.getvalue()


async def test_a_scanned_page_among_others_has_no_text_and_an_empty_one_shows_nothing(examiner: Examiner) -> None:
    lines = ["Each of these lines has words", "and another one has some too"]
    assert await pages_without_text(examiner, with_scan([lines, [], ["Page 3"]])) == [3, 4]


async def test_a_damaged_file_has_no_pages_to_count(examiner: Examiner) -> None:
    assert await pages_without_text(examiner, b"%PDF-1.4 and no more") == []


async def test_who_needs_the_pages_learns_that_there_was_no_time_for_them(examiner: Examiner) -> None:
    source = Threaded(InMemory(with_scan([["Page 1"], []])), here)
    with pytest.raises(TransientFailure):
        await examiner.find_pages_without_text(source, seconds=0.001)
