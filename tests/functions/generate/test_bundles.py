"""A bundle of documents: listed with types and pages, and cut into a PDF each."""

from __future__ import annotations

import io
import json
from typing import Any

import pypdfium2
import pytest

from tests.functions.generate.conftest import System, answers, warned
from tests.pdf_text import pdf_with_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCAN = pdf_with_text([[f"Sheet {number}"] for number in range(1, 6)])


def listed(*documents: tuple[str, int, int]) -> dict[str, Any]:
    rows = [
        {"type": kind, "title": f"The {kind}", "first_page": first, "last_page": last}
        for kind, first, last in documents
    ]
    return {"text": json.dumps({"documents": rows})}


def sheets(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as document:
        return [page.get_textpage().get_text_bounded().strip() for page in document]


async def test_a_bundle_is_listed(system: System) -> None:
    task = await system.answered("stack.pdf", SCAN, dropsight_recipe="classify")
    documents = json.loads(answers(task)[0])["documents"]
    assert [(entry["first_page"], entry["last_page"]) for entry in documents] == [(1, 3), (4, 5)]
    assert set(await system.published(task)) == {"json", "csv", "task.json"}


async def test_each_document_of_a_bundle_becomes_a_pdf_of_its_own_and_no_task(system: System) -> None:
    system.model.script.append(listed(("Invoice", 1, 2), ("Letter / reply", 3, 5)))
    task = await system.answered("bundle.pdf", SCAN, dropsight_recipe="split-bundle")
    files = await system.published(task)
    assert set(files) == {"json", "01-invoice.pdf", "02-letter-reply.pdf", "task.json"}
    assert sheets(files["01-invoice.pdf"]) == ["Sheet 1", "Sheet 2"]
    assert sheets(files["02-letter-reply.pdf"]) == ["Sheet 3", "Sheet 4", "Sheet 5"]
    assert any(uri.endswith("bundle.pdf.01-invoice.pdf") for uri in task.outputs)
    assert warned(task) == ()
    assert len(system.model.asked) == 1


async def test_pages_that_are_missing_or_counted_twice_are_named(system: System) -> None:
    system.model.script.append(listed(("invoice", 1, 2), ("letter", 2, 3), ("receipt", 5, 9)))
    task = await system.answered("odd.pdf", SCAN, dropsight_recipe="split-bundle")
    files = await system.published(task)
    assert {"01-invoice.pdf", "02-letter.pdf"} <= set(files)
    assert "03-receipt.pdf" not in files
    assert warned(task) == (
        "Document 3 was not cut out: the file has no pages 5 to 9.",
        "Pages that belong to no document: 4, 5.",
        "Pages that belong to several documents: 2.",
    )


async def test_documents_that_are_too_large_together_are_cut_out_up_to_a_bound(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.model.script.append(listed(("invoice", 1, 2), ("letter", 3, 5)))
    monkeypatch.setattr("functions.generate.result.bundle._MOST_BYTES", 2_000)
    task = await system.answered("large.pdf", SCAN, dropsight_recipe="split-bundle")
    files = await system.published(task)
    assert "01-invoice.pdf" in files
    assert "02-letter.pdf" not in files
    assert warned(task) == ("From 02-letter.pdf on, no documents were cut out: together they are too large.",)
