"""The list moves by itself; an answer is seen while it is written; titles, links and other devices."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Route, expect

from tests.page.conftest import Opener, Tab, answering
from tests.running import SAMPLES, Running, until

NOTES = SAMPLES / "notes.txt"
TOO_WIDE = """[...document.querySelectorAll("body *")].filter(
  (one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".quiet, pre, .scroll, .skip, .name")
).map((one) => one.outerHTML.slice(0, 200))"""


def test_a_file_dropped_elsewhere_appears_and_moves_to_its_end(system: Running, tab: Tab) -> None:
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    with answering(system, "Done.", latency="2m"):
        system.drop("elsewhere/minutes.txt", NOTES, "text/plain")
        expect(tab.row("minutes.txt")).to_contain_text("%")
        expect(tab.page).to_have_title(re.compile("working"))
        system.advance("2m")
        expect(tab.row("minutes.txt")).to_contain_text("answered")
    expect(tab.page).to_have_title("✓ done · Dropsight")
    expect(tab.page.locator("#icon")).to_have_attribute("href", re.compile("icon-done"))


def test_search_finds_by_name_status_recipe_and_metadata(system: Running, tab: Tab) -> None:
    apples = {"type": "file_url", "file_url": {"url": "data:text/plain;base64,QXBwbGVzLg=="}}
    body = {
        "model": "gemini-3.5-flash-lite",
        "recipe": "summarise",
        "messages": [{"role": "user", "content": [apples]}],
        "metadata": {"file": "apples.txt", "team": "orchard"},
    }
    assert system.http.post("/v1/llm/generations", json=body).status_code == 200
    expect(tab.row("apples.txt")).to_contain_text("answered")
    system.end_of(system.drop("search/pears.txt", NOTES, "text/plain", dropsight_recipe="nonsense"))
    expect(tab.row("pears.txt")).to_be_visible()
    for words in ("apples", "completed summarise apples", "orchard"):
        tab.page.get_by_role("searchbox").fill(words)
        expect(tab.row("apples.txt")).to_be_visible()
        expect(tab.row("pears.txt")).to_be_hidden()
        tab.page.get_by_role("searchbox").fill("")
        expect(tab.row("pears.txt")).to_be_visible()


def test_several_answers_are_shown_one_below_the_other(system: Running, tab: Tab) -> None:
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    question = {"role": "user", "content": "Two names for a boat?"}
    body = {"model": "gemini-3.5-flash-lite", "messages": [question], "n": 2, "stream": True}
    with answering(system, "The Heron.", latency="1s"):
        task = system.http.post("/v1/llm/generations", json=body).json()
        tab.page.goto(f"/#/tasks/{task['id']}")
        expect(tab.page.get_by_role("heading", level=2, name="Answer 2")).to_be_visible()
    expect(tab.page.locator(".answer p").filter(has_text="The Heron.")).to_have_count(2)


def test_a_reload_and_another_device_show_the_same(system: Running, open_tab: Opener) -> None:
    task = system.end_of(system.drop("same/shared.txt", NOTES, "text/plain"))
    first = open_tab(f"/#/tasks/{task['id']}")
    expect(first.page.get_by_role("heading", level=1, name="shared.txt")).to_be_visible()
    expect(first.page.locator(".answer")).to_contain_text("Notes of the Tuesday meeting")
    answer = first.page.locator(".answer").inner_text()
    first.page.reload()
    expect(first.page.locator(".answer")).to_have_text(answer, use_inner_text=True)
    phone = open_tab(f"/#/tasks/{task['id']}", viewport={"width": 390, "height": 800})
    expect(phone.page.locator(".answer")).to_have_text(answer, use_inner_text=True)
    assert phone.page.evaluate(TOO_WIDE) == []


def test_an_answer_is_read_while_it_is_written_and_goes_on_after_the_server_died(system: Running, tab: Tab) -> None:
    tab.allow_lost_connections()
    tab.allowed.append("status of 50")
    text = " ".join(f"word{number}" for number in range(300))
    with answering(system, text, latency="2m", chunks=30):
        tab.page.set_input_files("#files", NOTES)
        tab.page.get_by_role("button", name="Send", exact=True).click()
        tab.open_task("notes.txt")
        answer = tab.page.locator(".answer")
        expect(answer).to_contain_text("Being written")
        expect(answer).to_contain_text("word9 ")
        system.control("POST", "/kill", {"function": "api"})
        system.advance("2m")
        expect(answer.locator(".tabs")).to_be_visible()
    expect(answer.locator(".markdown")).to_have_text(text)


def test_a_task_that_waits_for_quota_says_why_and_until_when(system: Running, tab: Tab) -> None:
    system.fault("gemini", "enerateContent", status=429, retry_delay="10m", times=1)
    system.drop("waits/quota.txt", NOTES, "text/plain")
    expect(tab.row("quota.txt")).to_contain_text(re.compile(r"waits for quota until \d"))
    tab.open_task("quota.txt")
    expect(tab.page.locator(".band.wait")).to_contain_text("Nothing is lost")
    system.advance("11m")
    expect(tab.row("quota.txt")).to_contain_text("answered")
    expect(tab.page.locator(".band.wait")).to_have_count(0)


def test_a_task_that_waits_for_the_budget_says_so_and_until_when(system: Running, open_tab: Opener) -> None:
    """While it waits for quota, another task spends what its key may spend in a day."""
    system.move_to_morning()
    key = system.http.post("/v1/keys", json={"name": "spender", "daily_budget": 0.000001}).json()
    secret = {"Authorization": f"Bearer {key['secret']}"}

    def submit(name: str, model: str) -> str:
        message = {"role": "user", "content": "Say something."}
        body = {"model": model, "messages": [message], "metadata": {"file": name}}
        return str(system.http.post("/v1/llm/generations", json=body, headers=secret).json()["id"])

    def look_up(task_id: str) -> dict[str, object]:
        return dict(system.http.get(f"/v1/tasks/{task_id}", headers=secret).json())

    system.fault("gemini", "enerateContent", status=429, retry_delay="10m", times=1)
    held = submit("held.txt", "gemini-3.5-flash-lite")
    until(lambda: look_up(held).get("waiting"), 30, lambda: f"{look_up(held)}")
    spent = submit("spent.txt", "gemini-2.5-flash-lite")  # whose quota is its own
    until(lambda: look_up(spent)["status"] == "completed", 30, lambda: f"{look_up(spent)}")
    system.advance("11m")
    tab = open_tab(key=key["secret"])
    expect(tab.row("held.txt")).to_contain_text(re.compile(r"waits for the budget until \S"))
    tab.open_task("held.txt")
    expect(tab.page.locator(".band.wait")).to_contain_text("It waits for the budget until")
    expect(tab.page.locator(".band.wait")).to_contain_text("is spent")
    expect(tab.page.locator(".band.wait")).to_contain_text("goes on by itself")
    tab.page.get_by_role("button", name="Cancel").click()
    expect(tab.page.locator(".band.bad")).to_be_visible()
    expect(tab.page.locator(".band.wait")).to_have_count(0)


def test_tasks_that_newer_ones_push_out_of_the_polled_page_are_shown_to_their_ends(system: Running, tab: Tab) -> None:
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    with answering(system, "Done.", latency="2m"):
        system.drop("pushed/first.txt", NOTES, "text/plain")
        expect(tab.row("first.txt")).to_contain_text("%")
    system.drop_many([f"pushed/newer {number}.txt" for number in range(60)], lambda name: name.encode())
    tab.page.get_by_role("searchbox").fill("newer")
    expect(tab.page.locator(".tasks li").first).to_have_attribute("aria-setsize", "60")
    tab.page.get_by_role("searchbox").fill("first")
    expect(tab.row("first.txt")).to_contain_text("%")
    system.advance("2m")
    expect(tab.row("first.txt")).to_contain_text("answered")
    expect(tab.page).to_have_title("✓ done · Dropsight")


def test_a_thousand_tasks_need_no_more_elements_than_fit_on_the_screen(open_tab: Opener) -> None:
    """What scrolls smoothly is what stays small: however long the list, only rows in view have elements."""
    tab = open_tab("/docs")
    _serve_made_up(tab, 1000)
    tab.page.goto("/")
    rows = tab.page.locator(".tasks li")
    expect(rows.first).to_have_attribute("aria-setsize", "50")
    tab.wait_until(_IS_SCROLLED_TO_THE_LAST)
    expect(rows.last).to_contain_text("file 999.txt")
    for place in (0.0, 0.37, 0.5, 0.81, 1.0):
        tab.page.locator(".side").evaluate(
            f"side => side.scrollTo(0, (side.scrollHeight - side.clientHeight) * {place})"
        )
        tab.wait_until(_IS_FILLED)
        assert rows.count() <= 60
        assert tab.page.locator(".tasks *").count() <= 600
    tab.page.locator(".side").evaluate("side => side.scrollTo(0, 0)")
    expect(rows.first).to_contain_text("file 0.txt")


def test_a_search_looks_through_older_tasks_by_itself(open_tab: Opener) -> None:
    tab = open_tab("/docs")
    _serve_made_up(tab, 700)
    tab.page.goto("/")
    expect(tab.page.locator(".tasks li").first).to_be_visible()
    tab.page.get_by_role("searchbox").fill("file 654")
    expect(tab.page.locator(".tasks li")).to_have_count(1)
    expect(tab.row("file 654.txt")).to_be_visible()


_IS_FILLED = """(() => {
  const side = document.querySelector(".side").getBoundingClientRect();
  const at = (y) => document.elementFromPoint(side.left + 60, y)?.closest(".tasks li");
  const filters = document.querySelector(".filters").getBoundingClientRect();
  const middle = (side.top + Math.min(side.bottom, innerHeight)) / 2;
  return Boolean(at(Math.max(side.top, filters.bottom) + 40) && at(middle + 150));
})()"""
"""Rows stand where the list is seen, near its top and below its middle."""


_IS_SCROLLED_TO_THE_LAST = """(() => {
  const side = document.querySelector(".side");
  side.scrollTo(0, side.scrollHeight);
  const last = document.querySelector(".tasks li:last-child");
  return last?.getAttribute("aria-setsize") === "1000" && last.textContent.includes("file 999.txt");
})()"""
"""Scrolls on to the end of the list, and tells whether that is the oldest task."""


def _serve_made_up(tab: Tab, count: int) -> None:
    made = [_made_up(number) for number in range(count)]

    def answer(route: Route) -> None:
        query = route.request.url
        begin = int(match[1]) if (match := re.search(r"after=task-(\d+)", query)) else 0
        limit = int(re.search(r"limit=(\d+)", query)[1])  # type: ignore[index]
        page = made[begin : begin + limit]
        following = f"task-{begin + limit}" if begin + limit < len(made) else None
        body = {"object": "list", "data": page, "has_more": following is not None, "next": following}
        route.fulfill(status=200, content_type="application/json", body=json.dumps(body))

    tab.page.route("**/v1/tasks?*", answer)


def _made_up(number: int) -> dict[str, object]:
    return {
        "id": f"task-llm-1776874565-{number:08d}", "object": "llm.generation.task", "type": "llm", "model": "m",
        "status": "completed", "progress": 100, "created": 1776874565 - number, "stream": None, "results": None,
        "error": None, "source": f"gs://inbox/file {number}.txt", "recipe": "summarise",
    }  # fmt: skip
