"""The page for a person at work: screenshots, folders, wrong files, no connection, keys that end, odd names."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.page.conftest import Opener, Tab
from tests.page.test_dropping import DROP
from tests.page.test_watching import TOO_WIDE
from tests.running import SAMPLES, Running

LONG = "a very long name of a meeting that nobody ever shortened " * 4
NAMES = [f"{LONG}.txt", "🏗️👩‍👩‍👧 Baustelle.txt", "فاتورة نوفمبر ٢٠٢٦.txt", "‏דוח רבעוני‎ (1).txt"]  # fmt: skip
PASTE = """async (url) => {
  const blob = await (await fetch(url)).blob();
  const data = new DataTransfer();
  data.items.add(new File([blob], "image.png", { type: "image/png" }));
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""


def test_a_pasted_screenshot_is_described(system: Running, tab: Tab) -> None:
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    tab.page.evaluate(PASTE, "/page/icon.svg")
    expect(tab.page.locator(".chosen")).to_contain_text("image.png")
    expect(tab.page.get_by_label("What shall be done")).to_be_focused()
    expect(tab.page.get_by_label("What shall be done").locator("option", has_text="Find things")).to_have_count(1)
    tab.page.get_by_role("button", name="Leave out image.png").click()
    expect(tab.page.locator(".tray")).to_be_hidden()


def test_a_dropped_folder_is_taken_with_the_folders_in_it(system: Running, tab: Tab, tmp_path: Path) -> None:
    folder = tmp_path / "talks"
    (folder / "inner" / ".git").mkdir(parents=True)
    for name in ("one.txt", "inner/two.txt", "inner/.git/config", ".DS_Store"):
        (folder / name).write_text(f"Text of {name}")
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    _drop_paths(tab, folder)
    names = tab.page.locator(".chosen li bdi")
    expect(names).to_have_count(2)
    # A folder's files come in the order of its file system, which is anybody's guess.
    assert sorted(names.all_inner_texts()) == ["one.txt", "two.txt"]
    tab.page.get_by_role("button", name="Send 2 files").click()
    expect(tab.row("one.txt")).to_contain_text("answered")
    expect(tab.row("two.txt")).to_contain_text("answered")


def test_a_wrong_file_among_twenty_is_named_and_the_others_are_sent(tab: Tab) -> None:
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    tab.page.evaluate(DROP, [*([f"page {n}.txt", f"Page {n}"] for n in range(18)), ["old.zip", "PK"], ["void.txt", ""]])
    problem = tab.page.get_by_role("alert").filter(has_text="left out")
    expect(problem).to_contain_text("void.txt is empty")
    expect(problem).to_contain_text("old.zip is an archive")
    tab.page.get_by_role("button", name="Send 18 files").click()
    expect(tab.row("page 0.txt")).to_contain_text("answered")
    expect(tab.row("page 17.txt")).to_contain_text("answered")


def test_what_is_sent_without_a_connection_goes_once_it_is_back(system: Running, tab: Tab) -> None:
    tab.allow_lost_connections()
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    tab.page.set_input_files("#files", {"name": "tunnel.txt", "mimeType": "text/plain", "buffer": b"In the train."})
    expect(tab.page.locator(".estimate")).to_contain_text("tokens")
    tab.context.set_offline(True)
    tab.page.get_by_role("button", name="Send", exact=True).click()
    expect(tab.page.locator(".sending li")).to_contain_text("No connection; it goes on by itself")
    expect(tab.page.locator(".list")).to_contain_text("No connection. Trying again")
    tab.context.set_offline(False)
    expect(tab.row("tunnel.txt")).to_contain_text("answered")
    expect(tab.page.locator(".sending li")).to_have_count(0)
    expect(tab.page.get_by_text("No connection")).to_have_count(0)
    assert len([task for task in system.tasks() if task["metadata"].get("file") == "tunnel.txt"]) == 1


def test_a_key_that_expires_says_so_and_asks_for_another(system: Running, open_tab: Opener) -> None:
    made = system.http.post("/v1/keys", json={"name": "short", "expires_in": 3600}).json()
    tab = open_tab(key=made["secret"])
    tab.allowed.append("status of 401")
    expect(tab.page.get_by_text("No tasks yet")).to_be_visible()
    system.advance("2h")
    expect(tab.page.get_by_role("alert")).to_contain_text(re.compile("no longer accepted. This API key expired at"))
    expect(tab.page.get_by_label("Your API key")).to_be_focused()
    assert tab.page.evaluate("sessionStorage.getItem('dropsight.key')") is None
    tab.page.get_by_label("Your API key").fill(system.endpoints.api_key)
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible()


def test_long_and_foreign_names_fit_on_a_desk_and_a_phone(system: Running, open_tab: Opener) -> None:
    ids = [system.end_of(system.drop(f"names/{name}", SAMPLES / "notes.txt", "text/plain"))["id"] for name in NAMES]
    for size in ({"width": 1280, "height": 800}, {"width": 360, "height": 740}):
        tab = open_tab(viewport=size)
        for name, task_id in zip(NAMES, ids, strict=True):
            expect(tab.row(name)).to_be_visible()
            assert tab.page.evaluate(TOO_WIDE) == []
            tab.page.goto(f"/#/tasks/{task_id}")
            expect(tab.page.get_by_role("heading", level=1)).to_have_text(name)
            expect(tab.page.locator(".answer")).not_to_be_empty()
            assert tab.page.evaluate(TOO_WIDE) == []
            tab.page.goto("/#/")
            expect(tab.page.locator(".welcome")).to_be_attached()


def test_a_large_file_may_have_any_name(system: Running, tab: Tab, tmp_path: Path) -> None:
    name = "🎬" * 55 + " 9.41.12\u202fAM.wav"
    recording = tmp_path / name
    recording.write_bytes((SAMPLES / "speech.wav").read_bytes()[:44] + bytes(5 << 20))
    tab.page.set_input_files("#files", recording)
    tab.page.get_by_role("button", name="Send", exact=True).click()
    expect(tab.page.locator(".tasks li", has_text="🎬🎬").first).to_be_visible()


def _drop_paths(tab: Tab, path: Path) -> None:
    """Drop files as a file manager does: folders come as folders."""
    session = tab.context.new_cdp_session(tab.page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 640, "y": 400, "data": data})
