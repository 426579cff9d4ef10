"""Quotes that prove an answer: a click brings their page into view and draws their box; invented ones say so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from tests.indexed_notes import running_with_notes
from tests.page.conftest import Tab, answering, settled
from tests.pdf_text import pdf_with_text
from tests.running import Running

INVOICE = pdf_with_text([["Cover"], ["Terms"], ["Notes"], ["Invoice 4711", "Total: 119.00 EUR"]])
EVIDENCE = [
    {"path": "total", "quote": "Total: 119.00 EUR", "page": 4},
    {"path": "number", "quote": "Cover", "page": 1},
    {"path": "tax", "quote": "VAT 19.00", "page": 2},
]
ANSWER = {"answer": [{"total": "119.00", "number": "4711", "tax": "19"}], "evidence": EVIDENCE}
IN_VIEW = """() => {
  const box = document.querySelector("[data-page='4'] .lit rect")?.getBoundingClientRect();
  const pages = document.querySelector(".pages").getBoundingClientRect();
  return Boolean(box) && box.height > 0 && box.top >= pages.top && box.bottom <= pages.bottom;
}"""


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running_with_notes(DROPSIGHT_LEASE_SECONDS="5") as running:
        yield running


def extract(tab: Tab, name: str, mime: str, content: bytes) -> None:
    tab.page.set_input_files("#files", {"name": name, "mimeType": mime, "buffer": content})
    tab.page.get_by_label("What shall be done").select_option("extract")
    tab.page.get_by_label("Fields, separated by commas").fill("total, number, tax")
    tab.page.get_by_role("button", name="Send", exact=True).click()
    expect(tab.row(name)).to_contain_text("answered")
    tab.open_task(name)


def test_a_quote_jumps_to_its_page_and_draws_its_box(system: Running, tab: Tab) -> None:
    with answering(system, json.dumps(ANSWER)):
        extract(tab, "invoice.pdf", "application/pdf", INVOICE)
    expect(tab.page.locator(".page")).to_have_count(4)
    expect(tab.page.locator("[data-page='4'] .overlay rect")).to_have_count(1)
    assert not tab.page.evaluate(IN_VIEW), "nothing is lit before a quote is chosen"
    quote = tab.page.get_by_role("button", name=re.compile("^total"))
    expect(quote).to_contain_text("stands there · page 4")
    quote.focus()
    tab.page.keyboard.press("Enter")
    tab.wait_until(f"({IN_VIEW})()")
    expect(tab.page.locator(".overlay .lit")).to_have_count(1)
    tab.page.get_by_role("button", name=re.compile("^number")).click()
    expect(tab.page.locator("[data-page='1'] .lit")).to_have_count(1)
    expect(tab.page.locator("[data-page='4'] .lit")).to_have_count(0)
    invented = tab.page.get_by_role("button", name=re.compile("^tax"))
    expect(invented).to_contain_text("not in the source")
    expect(invented).to_be_disabled()
    expect(tab.page.locator(".band.warn").first).to_contain_text("may be invented")
    assert Axe().run(tab.page).violations_count == 0


def test_pages_are_loaded_when_they_are_scrolled_to(system: Running, tab: Tab) -> None:
    requested: list[str] = []
    tab.page.on("request", lambda request: requested.append(request.url))
    settled(system, system.drop("cite/long.pdf", pdf_with_text([[f"Page {n}"] for n in range(60)]), "application/pdf"))
    tab.open_task("long.pdf")
    expect(tab.page.locator(".page")).to_have_count(60)
    tab.wait_until("document.querySelector('.page img').naturalWidth > 0")
    assert not any("/pages/60.png" in url for url in requested)
    tab.page.locator(".pages").evaluate("pages => pages.scrollTo(0, pages.scrollHeight)")
    tab.wait_until("document.querySelector(\"[data-page='60'] img\").naturalWidth > 0")


def test_a_quote_of_a_text_is_marked_in_it(system: Running, tab: Tab) -> None:
    with answering(system, json.dumps(ANSWER)):
        extract(tab, "invoice.txt", "text/plain", b"Cover\n" * 80 + b"Invoice 4711\nTotal:   119.00 EUR\n")
    tab.page.get_by_role("button", name=re.compile("^total")).click()
    expect(tab.page.locator(".source mark")).to_have_text("Total:   119.00 EUR")
    expect(tab.page.locator(".source mark")).to_be_in_viewport()


def test_a_pdf_that_cannot_be_drawn_says_so_and_can_still_be_saved(system: Running, tab: Tab) -> None:
    tab.allowed.append("status of 422")
    settled(system, system.drop("cite/broken.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 40, "application/pdf"))
    tab.open_task("broken.pdf")
    expect(tab.page.locator(".source")).to_contain_text("cannot be drawn")
    expect(tab.page.get_by_role("link", name="Save the source")).to_be_visible()


def test_an_answer_from_an_index_leads_to_the_files_that_it_rests_on(system: Running, tab: Tab) -> None:
    text = b"The northern wells were drilled by Ottoline Marsh."
    settled(system, system.drop("north/wells \U0001f30a.txt", text, "text/plain", dropsight_recipe="notes"))
    question = {"role": "user", "content": "Who drilled the northern wells?"}
    body = {"model": "gemini-3.5-flash-lite", "index": "notes", "messages": [question]}
    asked = system.http.post("/v1/llm/generations", json=body)
    assert asked.status_code == 200, asked.text
    tab.page.goto(f"/#/tasks/{asked.json()['id']}")
    source = tab.page.get_by_label("Files that the answer rests on").get_by_role("link").first
    expect(source).to_contain_text("wells \U0001f30a.txt")
    expect(source).to_contain_text("drilled by Ottoline Marsh")
    assert Axe().run(tab.page).violations_count == 0
    source.click()
    expect(tab.page.get_by_role("heading", level=1, name="wells \U0001f30a.txt")).to_be_visible()
