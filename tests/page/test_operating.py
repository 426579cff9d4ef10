"""The operator's panel makes, rotates and revokes keys; a secret is seen once."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Locator, expect

from tests.page.conftest import Opener, Tab
from tests.running import SAMPLES, Running, until

SECRET = re.compile(r"sk-[\w-]{43}")


def row(tab: Tab, name: str) -> Locator:
    return tab.page.locator(".keys li", has_text=name)


def make_key(tab: Tab, name: str, sources: str = "") -> str:
    tab.page.get_by_text("Make a key").click()
    tab.page.get_by_label("Name", exact=True).fill(name)
    tab.page.get_by_label("Whose files and tasks it sees, one a line").fill(sources)
    tab.page.get_by_role("button", name="Make the key").click()
    expect(tab.page.locator(".secret code")).to_have_text(SECRET)
    return tab.page.locator(".secret code").inner_text()


def test_a_made_key_signs_in_sees_its_folder_and_is_shown_once(system: Running, tab: Tab, open_tab: Opener) -> None:
    system.end_of(system.drop("keys/mine.txt", SAMPLES / "notes.txt", "text/plain"))
    system.end_of(system.drop("others/theirs.txt", SAMPLES / "notes.txt", "text/plain"))
    tab.page.goto("/#/operate")
    secret = make_key(tab, "Amina’s laptop", "gs://dropsight-inbox/keys/")
    expect(row(tab, "Amina’s laptop")).to_contain_text("gs://dropsight-inbox/keys/")
    assert Axe().run(tab.page).violations_count == 0
    theirs = open_tab(key=secret)
    expect(theirs.row("mine.txt")).to_be_visible()
    expect(theirs.row("theirs.txt")).to_have_count(0)
    expect(theirs.page.get_by_role("link", name="Operate")).to_have_count(0)
    tab.page.get_by_role("button", name="I have it").click()
    expect(tab.page.locator(".secret")).to_have_count(0)
    assert secret not in tab.page.content()
    tab.page.reload()
    expect(row(tab, "Amina’s laptop")).to_be_visible()
    assert secret not in tab.page.content()


def test_a_key_is_rotated_and_revoked_with_a_second_press(system: Running, tab: Tab, open_tab: Opener) -> None:
    tab.page.goto("/#/operate")
    first = make_key(tab, "Nightly import")
    row(tab, "Nightly import").get_by_role("button", name="Rotate Nightly import").click()
    row(tab, "Nightly import").get_by_role("button", name="Make a new secret: Nightly import?").click()
    expect(tab.page.locator(".secret")).to_contain_text("The old secret goes on for a day")
    second = tab.page.locator(".secret code").inner_text()
    assert second != first
    theirs = open_tab(key=second)
    theirs.allowed.append("status of 401")
    expect(theirs.page.get_by_text("No tasks yet")).to_be_visible()
    row(tab, "Nightly import").get_by_role("button", name="Revoke Nightly import").click()
    row(tab, "Nightly import").get_by_role("button", name="Revoke it: Nightly import?").click()
    expect(row(tab, "Nightly import")).to_contain_text("revoked")
    expect(row(tab, "Nightly import").get_by_role("button")).to_have_count(0)
    system.advance("1m")
    expect(theirs.page.get_by_role("alert")).to_contain_text("no longer accepted")
    until(lambda: system.http.get("/v1/session", headers={"Authorization": f"Bearer {first}"}).status_code == 401,
          30, lambda: "the old secret still works")  # fmt: skip


def test_what_a_key_may_not_pass_on_is_said(system: Running, tab: Tab) -> None:
    tab.allowed.append("status of 403")
    tab.page.goto("/#/operate")
    tab.page.get_by_text("Make a key").click()
    tab.page.get_by_label("Name", exact=True).fill("Too much")
    tab.page.get_by_label("Whose files and tasks it sees, one a line").fill("gs://somebody-elses/")
    tab.page.get_by_role("button", name="Make the key").click()
    expect(tab.page.get_by_role("alert").filter(has_text="cannot pass on gs://somebody-elses/")).to_be_visible()
    expect(row(tab, "Too much")).to_have_count(0)
