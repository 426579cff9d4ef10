"""Long tables: asked in windows of pages, joined without doubles, and counted against the pages."""

from __future__ import annotations

import asyncio
import io
import json
from decimal import Decimal
from typing import Any, cast

import pypdfium2
import pytest
import pytest_asyncio
from PIL import Image, ImageDraw

from local.standins.faults import Fault
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import RULED, SAMPLES, SETTINGS, System, warned
from tests.pdf_text import pdf_with_text

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

RULES = """
[[recipe]]
name = "stock"
for = { prefix = "stock/" }
takes = ["pdf", "image"]
prompt = "List every row of the table."
count_rows = true
outputs = ["json"]

[recipe.response_schema]
type = "object"
required = ["rows"]
[recipe.response_schema.properties.rows]
type = "array"
[recipe.response_schema.properties.rows.items]
type = "object"
required = ["id", "name", "price"]
[recipe.response_schema.properties.rows.items.properties]
id = { type = "string" }
name = { type = "string" }
price = { type = "number" }

[[recipe]]
name = "stock-wide"
use = "stock"
for = { prefix = "wide/" }
split_pages = 40
"""


def table(rows: int, a_page: int) -> bytes:
    lines = [
        f"{number:05} | Part {chr(65 + number % 26)} {number % 7} | {number % 90 + 0.25:.2f}" for number in range(rows)
    ]
    pages = [lines[start : start + a_page] for start in range(0, rows, a_page)]
    return pdf_with_text([["Stock list", *page, f"Page {number}"] for number, page in enumerate(pages, 1)], leading=7)


def scan(rows: int, a_page: int) -> bytes:
    """A table as a scanner gives it: pages that are pictures, without a text layer."""
    pages = []
    for start in range(0, rows, a_page):
        page = Image.new("L", (600, 800), 255)
        pen = ImageDraw.Draw(page)
        for at, number in enumerate(range(start, min(rows, start + a_page))):
            pen.text((40, 20 + 18 * at), f"{number:05} Part {number % 7} {number % 90}.25", fill=0)
        pages.append(page)
    whole = io.BytesIO()
    pages[0].save(whole, "PDF", save_all=True, append_images=pages[1:])
    return whole.getvalue()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def ruled(system: System) -> None:
    await asyncio.to_thread(system.objects.bucket(SETTINGS).blob("recipes.toml").upload_from_string, RULES)
    system.clock.advance(60)


async def whole_ids(system: System, task: Task) -> list[str]:
    files = await system.published(task)
    return [row["id"] for row in json.loads(files["json"])["rows"]]


async def test_all_rows_of_eighty_pages_are_in_the_answer_once(system: System) -> None:
    task = await system.answered("stock/list.pdf", table(3_200, 40), bucket=RULED)
    assert task.error is None, task.error
    assert await whole_ids(system, task) == [f"{number:05}" for number in range(3_200)]
    assert not [warning for warning in warned(task) if "row" in warning.lower()]
    assert len(system.model.asked) == 9


async def test_rows_that_a_window_leaves_out_are_named_with_their_pages(system: System) -> None:
    task = await system.answered("wide/list.pdf", table(2_000, 40), bucket=RULED)
    found = await whole_ids(system, task)
    assert len(found) == len(set(found)) < 2_000
    (warning,) = [warning for warning in warned(task) if warning.startswith("Rows are missing")]
    assert f"{2_000 - len(found):,} of the 2,000 that the file holds" in warning
    assert "pages 21 to 25, 46 to 50" in warning


async def test_a_short_file_is_asked_about_at_once_and_counted_too(system: System) -> None:
    task = await system.answered("stock/short.pdf", table(1_000, 100), bucket=RULED)
    assert len(system.model.asked) == 1
    (warning,) = [warning for warning in warned(task) if warning.startswith("Rows are missing")]
    assert "200 of the 1,000 that the file holds, on pages 9 to 10" in warning


def counts_asked(system: System) -> list[dict[str, Any]]:
    bodies = [body for _, body in system.model.asked]
    return [body for body in bodies if "Count the rows" in str(body["contents"])]


async def test_the_rows_of_a_scan_are_counted_by_a_cheap_question_about_each_window(system: System) -> None:
    task = await system.answered("stock/scan.pdf", scan(1_000, 40), bucket=RULED)
    assert task.error is None, task.error
    ids = await whole_ids(system, task)
    assert len(ids) == len(set(ids)) == 1_000
    assert not [warning for warning in warned(task) if "Rows" in warning]
    asked = counts_asked(system)
    assert (len(asked), len(system.model.asked)) == (3, 6)
    assert {body["generationConfig"]["maxOutputTokens"] for body in asked} == {4_096}
    assert "and 3 more count the rows of scanned pages: 6 calls" in warned(task)[0]
    rounds = cast(Any, task.usage)["rounds"]
    assert len(rounds) == 6
    assert Decimal(cast(Any, task.usage)["cost"]) == sum(Decimal(entry["cost"]) for entry in rounds)


async def test_rows_that_a_window_of_a_scan_leaves_out_are_named_with_its_pages(system: System) -> None:
    task = await system.answered("wide/scan.pdf", scan(1_800, 40), bucket=RULED)
    assert len(counts_asked(system)) == 2
    (warning,) = [warning for warning in warned(task) if warning.startswith("Rows are missing")]
    assert warning == (
        "Rows are missing, as the model counted those of the scanned pages: 120 of 920 on pages 1 to 23; "
        "120 of 920 on pages 23 to 45."
    )


async def test_the_rows_of_a_short_scan_are_counted_too(system: System) -> None:
    task = await system.answered("wide/short-scan.pdf", scan(1_000, 40), bucket=RULED)
    assert task.error is None, task.error
    assert (len(counts_asked(system)), len(system.model.asked)) == (1, 2)
    why, short = warned(task)
    assert why == "An additional call counts the rows of the file, because most of its pages have no text."
    assert short == (
        "Rows are missing, as the model counted those of the scanned pages: 200 of 1,000 on pages 1 to 25."
    )
    assert "part 1 of" not in str(system.model.asked[-1][1]["contents"])


async def test_the_count_of_a_short_scan_is_not_asked_for_again_though_its_pages_cannot_be_read(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.tap.faults.add([Fault(service="gemini", match="streamGenerateContent", status=503, skip=1, times=1)])
    uri = await system.drop("wide/once.pdf", scan(400, 40), bucket=RULED)
    await system.until(uri, lambda task: task.waiting is not None)
    assert counts_asked(system)
    monkeypatch.setattr("shared.examiner._PAGES_WITHOUT_TEXT", "shared.examiner_child.rows:no_such_function")
    task = await system.ended(uri)
    assert task.error is None, task.error
    assert len(await whole_ids(system, task)) == 400
    assert len(counts_asked(system)) == 1


async def test_the_rows_of_a_picture_are_counted_too(system: System) -> None:
    row = {"id": "1", "name": "Tea", "price": 2.5}
    counted, answered = {"pages": [{"page": 1, "rows": 3}]}, {"rows": [row, row]}
    system.model.script += [{"text": json.dumps(counted)}, {"text": json.dumps(answered)}]
    task = await system.answered("stock/page.png", SAMPLES / "picture.png", bucket=RULED)
    assert task.error is None, task.error
    assert (len(counts_asked(system)), len(system.model.asked)) == (1, 2)
    why, short = warned(task)
    assert why == "An additional call counts the rows of the file, because it is a picture."
    assert short.startswith("Rows are missing")
    assert short.endswith("1 of 3 on page 1.")


async def test_an_answer_does_not_fail_because_its_rows_could_not_be_counted(system: System) -> None:
    system.model.script.append({"text": "Too many to count."})
    task = await system.answered("stock/uncounted.pdf", scan(480, 40), bucket=RULED)
    assert len(await whole_ids(system, task)) == 480
    (warning,) = [warning for warning in warned(task) if "rows on" in warning]
    assert warning == "The rows on pages 1 to 7 were not counted: the model gave no count of them."


async def test_a_file_with_text_is_asked_for_no_count(system: System) -> None:
    await system.answered("stock/read.pdf", table(800, 40), bucket=RULED)
    assert counts_asked(system) == []


async def test_a_cover_without_text_does_not_take_the_other_pages_for_scanned(system: System) -> None:
    whole = io.BytesIO()
    with pypdfium2.PdfDocument(scan(1, 40)) as cover, pypdfium2.PdfDocument(table(1_000, 112)) as pages:
        cover.import_pages(pages)
        cover.save(whole)
    task = await system.answered("stock/covered.pdf", whole.getvalue(), bucket=RULED)
    assert (len(counts_asked(system)), len(system.model.asked)) == (0, 1)
    (warning,) = warned(task)
    assert "200 of the 1,000 that the file holds" in warning


async def test_a_count_that_was_stored_is_not_asked_for_again(system: System) -> None:
    system.tap.faults.add([Fault(service="gemini", match="streamGenerateContent", status=503, skip=3, times=1)])
    uri = await system.drop("stock/interrupted.pdf", scan(480, 40), bucket=RULED)
    task = await system.ended(uri)
    assert task.error is None, task.error
    assert len(await whole_ids(system, task)) == 480
    assert len(counts_asked(system)) == 2
