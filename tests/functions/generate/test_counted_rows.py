"""Long tables: asked in windows of pages, joined without doubles, and counted against the pages."""

from __future__ import annotations

import asyncio
import json

import pytest
import pytest_asyncio

from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import RULED, SETTINGS, System, warned
from tests.pdf_text import pdf_with_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

RULES = """
[[recipe]]
name = "stock"
for = { prefix = "stock/" }
takes = "pdf"
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
