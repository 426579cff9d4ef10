"""Who sees the page's tasks: a key, a one-time link, and nobody else; what a person with a screen reader finds."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore  # type: ignore[attr-defined,unused-ignore]
from playwright.sync_api import Route, expect

from local.endpoints import PROJECT
from shared.clock import Clock
from shared.cloud.keys import Keys, new_secret
from shared.domain.tasks.access import Key
from tests.page.conftest import Opener, Tab, settled
from tests.running import ROOT, SAMPLES, Running, until

_RESOURCES = "performance.getEntriesByType('resource')"


@pytest.fixture
def stranger(system: Running, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a key that sees nothing of the inbox."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", system.endpoints.firestore)
    secret = new_secret()

    async def store() -> None:
        client = firestore.AsyncClient(project=PROJECT, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        clock = Clock(None)
        key = Key(id="stranger", name="Somebody else", created_at=clock.now())
        await Keys(client, clock).store(secret, key)
        await client._firestore_api.transport.close()

    # Playwright's own loop runs in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(store())).result()
    return secret


def test_a_key_signs_in_once_and_is_forgotten_with_the_session(system: Running, open_tab: Opener) -> None:
    tab = open_tab(key=None)
    tab.allowed.append("status of 401")
    tab.page.get_by_label("Your API key").fill("sk-wrong")
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("not known")
    tab.page.get_by_label("Your API key").fill(system.endpoints.api_key)
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible()
    assert tab.page.evaluate("[document.cookie, localStorage.length]") == ["", 0]
    tab.page.get_by_role("button", name="Sign out").click()
    expect(tab.page.get_by_label("Your API key")).to_be_visible()
    assert tab.page.evaluate("sessionStorage.length") == 0
    assert tab.context.cookies() == []


def test_a_foreign_key_sees_nothing(system: Running, open_tab: Opener, stranger: str) -> None:
    task = system.end_of(system.drop("private/secret.txt", SAMPLES / "notes.txt", "text/plain"))
    tab = open_tab(f"/#/tasks/{task['id']}", key=stranger)
    tab.allowed.append("status of 404")
    expect(tab.page.get_by_role("heading", level=1, name="No such task")).to_be_visible()
    expect(tab.page.get_by_text("No tasks yet")).to_be_visible()
    assert "secret.txt" not in tab.page.content()
    expect(tab.page.get_by_role("link", name="Operate")).to_have_count(0)


@pytest.fixture(scope="module")
def one_time_link() -> Iterator[str]:
    command = [sys.executable, "-m", "local", "up", "--port-base", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(match[1] for line in process.stdout if (match := re.search(r"open (http\S+)", line)))
        finally:
            process.terminate()
            process.communicate()


def test_up_prints_a_link_that_signs_in_once(one_time_link: str, open_tab: Opener) -> None:
    first = open_tab(one_time_link, key=None)
    expect(first.page.get_by_role("button", name="Sign out")).to_be_visible()
    assert "sign-in" not in first.page.url
    second = open_tab(one_time_link, key=None)
    second.allowed.append("status of 401")
    expect(second.page.get_by_role("alert")).to_contain_text("used already")


def test_samples_and_switches_of_the_local_system(system: Running, tab: Tab) -> None:
    for name, recipe in (("A recording", "transcribe-timed"), ("A photo", "detect"), ("A document", "summarise")):
        tab.page.get_by_role("button", name=name).click()
        expect(tab.page.locator(".tasks li", has_text=f"answered · {recipe}").first).to_be_visible()
    tab.page.get_by_role("link", name="Switches").click()
    tab.page.get_by_role("button", name="Deliver every event five times").click()
    tab.page.get_by_role("button", name="Gemini answers 429").click()
    expect(tab.page.locator("[aria-pressed=true]")).to_have_count(2)
    system.drop("switches/watched.txt", SAMPLES / "notes.txt", "text/plain")
    expect(tab.row("watched.txt")).to_contain_text("waits for quota")
    tab.page.get_by_role("button", name="Kill a worker").click()
    expect(tab.page.locator(".events")).to_contain_text("Kill a worker")
    system.control("DELETE", "/faults")
    expect(tab.row("watched.txt")).to_contain_text("answered")
    expect(tab.page.locator(".events")).to_contain_text("watched.txt: answered")


_KEEP_NOTES = """{
  window.notes = [];
  const Real = window.Notification;
  window.Notification = class extends Real {
    constructor(...given) {
      super(...given);
      window.notes.push({ given, note: this });
    }
  };
}"""


def test_a_notification_and_the_live_region_tell_the_end(system: Running, open_tab: Opener) -> None:
    """Permission is the browser's own; the tab is made to believe that a person looks at another one."""
    tab = open_tab("/docs")
    tab.context.grant_permissions(["notifications"], origin=system.endpoints.api)
    tab.context.add_init_script(_KEEP_NOTES)
    tab.page.goto("/")
    expect(tab.page.get_by_role("button", name="Tell me when a task is done")).to_have_count(0)
    expect(tab.page.locator(".tasks li, .list p.muted:not([hidden])").first).to_be_visible()
    system.end_of(system.drop("told/seen.txt", SAMPLES / "notes.txt", "text/plain"))
    expect(tab.page.locator("#live")).to_have_text("seen.txt is answered")
    assert tab.page.evaluate("notes.length") == 0, "who looks at the page needs no notification"
    tab.page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true, configurable: true })")
    task = system.end_of(system.drop("told/ended.txt", SAMPLES / "notes.txt", "text/plain"))
    tab.page.evaluate("dispatchEvent(new Event('online'))")
    expect(tab.page.locator("#live")).to_have_text("ended.txt is answered")
    title, options = tab.page.evaluate("notes[0].given")
    assert (title, options["body"], options["tag"]) == ("Dropsight", "ended.txt is answered", task["id"])
    tab.page.evaluate("notes[0].note.onclick()")
    expect(tab.page.get_by_role("heading", level=1, name="ended.txt")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_violation(system: Running, open_tab: Opener, scheme: str, width: int) -> None:
    results = []
    # Of its own: until its event has come, the newest task of a name that was dropped before is the earlier one.
    folder = f"axe-{scheme}-{width}"
    text = settled(system, system.drop(f"{folder}/notes.txt", SAMPLES / "notes.txt", "text/plain"))
    sound = settled(
        system, system.drop(f"{folder}/speech.mp3", SAMPLES / "speech.mp3", dropsight_recipe="transcribe-timed")
    )
    photo = settled(system, system.drop(f"{folder}/photo.jpg", SAMPLES / "photo.jpg", dropsight_recipe="detect"))
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    signed_out = open_tab(key=None, **options)
    expect(signed_out.page.get_by_label("Your API key")).to_be_visible()
    results.append(("sign-in", Axe().run(signed_out.page)))
    tab = open_tab(**options)
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    tab.page.set_input_files("#files", SAMPLES / "notes.txt")
    tab.page.get_by_label("What shall be done").select_option("ask")
    expect(tab.page.locator(".estimate")).to_contain_text("tokens to read")
    results.append(("list", Axe().run(tab.page)))
    for name, task in (("notes.txt", text), ("speech.mp3", sound), ("photo.jpg", photo)):
        tab.page.goto(f"/#/tasks/{task['id']}")
        expect(tab.page.get_by_role("heading", level=1, name=name)).to_be_visible()
        expect(tab.page.locator(".outputs a").first).to_be_visible()
        for summary in ("Ask again", "This call, as code"):
            tab.page.locator("summary", has_text=summary).click()
        expect(tab.page.locator(".again .estimate")).to_contain_text("tokens to read")
        expect(tab.page.locator(".snippet")).to_have_count(4)
        results.append((name, Axe().run(tab.page)))
    tab.page.goto("/#/switches")
    expect(tab.page.get_by_role("heading", level=1, name="Switches")).to_be_visible()
    results.append(("switches", Axe().run(tab.page)))
    violations = {name: result.generate_report() for name, result in results if result.violations_count}
    assert not violations, "\n".join(violations.values())


FIRST_VIEW = {
    "api", "delivery", "dom", "drop", "estimate", "folders", "list", "page", "recipes", "row_window", "upload",
    "welcome",
}  # fmt: skip
"""The modules of the first view; every other one is loaded when it is first needed."""


def test_the_first_view_is_under_150_kb_on_the_wire_and_loads_nothing_that_it_does_not_need(
    system: Running, open_tab: Opener
) -> None:
    tab = open_tab("/docs")
    received: list[int] = []
    wire = tab.context.new_cdp_session(tab.page)
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    tab.page.goto("/")
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    expect(tab.page.locator(".tasks")).to_be_attached()
    tab.page.wait_for_load_state("networkidle")
    wait_for_modules(tab, FIRST_VIEW)
    assert 20_000 < sum(received) < 150_000
    origins = tab.page.evaluate(f"[...new Set({_RESOURCES}.map((one) => new URL(one.name).origin))]")
    assert origins == [system.endpoints.api]


_PRELOADED = "[...document.querySelectorAll('link[rel=modulepreload], script[src]')].map((one) => one.href ?? one.src)"


def test_the_first_view_takes_four_round_trips_one_after_another(system: Running, open_tab: Opener) -> None:
    """The document; all modules, since it names them; the session; the tasks. `make screenshots` measures the time."""
    system.end_of(system.drop("trips/a.txt", SAMPLES / "notes.txt", "text/plain"))
    tab = open_tab("/docs")
    calls: list[str] = []
    tab.page.on("request", lambda request: calls.append(request.url.split("?")[0]) if "/v1/" in request.url else None)
    tab.page.goto("/")
    expect(tab.row("a.txt")).to_be_visible()
    expect(tab.page.locator("#files")).to_be_enabled()
    assert [url.removeprefix(system.endpoints.api) for url in calls][:2] == ["/v1/session", "/v1/tasks"]
    assert calls.count(calls[0]) == 1
    preloaded = {re.sub(r".*/(\w+)\.js$", r"\1", url) for url in tab.page.evaluate(_PRELOADED)}
    assert preloaded == FIRST_VIEW


def test_modules_are_loaded_when_they_are_first_needed(system: Running, tab: Tab) -> None:
    task = system.end_of(system.drop("modules/a.txt", SAMPLES / "notes.txt", "text/plain"))
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    wait_for_modules(tab, FIRST_VIEW)
    tab.page.goto(f"/#/tasks/{task['id']}")
    expect(tab.page.locator(".answer")).not_to_be_empty()
    task_view = {"answers", "difference", "evidence", "made", "markdown", "snippets", "source", "task"}
    wait_for_modules(tab, FIRST_VIEW | task_view)
    tab.page.goto("/#/operate")
    expect(tab.page.get_by_role("heading", level=1, name="Operate")).to_be_visible()
    wait_for_modules(tab, FIRST_VIEW | task_view | {"keys", "operate"})


def wait_for_modules(tab: Tab, modules: set[str]) -> None:
    """Wait until the browser lists these modules as loaded, and assert that there are no others."""
    until(lambda: modules <= modules_of(tab), 20, lambda: f"loaded are {modules_of(tab)}")
    assert modules_of(tab) == modules


def modules_of(tab: Tab) -> set[str]:
    urls = tab.page.evaluate(f"{_RESOURCES}.map((one) => one.name)")
    return {match[1] for url in urls if (match := re.search(r"/page/(\w+)\.js$", url))}


def test_everything_is_reached_by_keyboard(system: Running, tab: Tab) -> None:
    system.end_of(system.drop("keys/first.txt", SAMPLES / "notes.txt", "text/plain"))
    expect(tab.row("first.txt")).to_be_visible()
    tab.page.keyboard.press("/")
    expect(tab.page.get_by_role("searchbox")).to_be_focused()
    tab.page.keyboard.type("first")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", level=1, name="first.txt")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.page.get_by_role("heading", level=1, name="Drop a file")).to_be_visible()


def test_an_operator_sees_the_money_and_pauses_the_work(open_tab: Opener) -> None:
    tab = open_tab("/docs")
    paused: list[dict[str, object]] = []

    def status(route: Route) -> None:
        budget = {"spent_today": "1.50", "daily_budget": "20", "currency": "USD"}
        if route.request.method == "POST":
            everything = {"what": "everything", "since": 1776874565, "by": "key:local"}
            paused[:] = [everything] if "pause" in route.request.url else []
        body = {"object": "status", "paused": paused, "breakers": [], "open_tasks": 3, "budget": budget}
        route.fulfill(json=body)

    def session(route: Route) -> None:
        body = route.fetch().json()
        body["key"]["scopes"] = ["submit", "read", "operate"]
        route.fulfill(json=body)

    tab.page.route("**/v1/session", session)
    tab.page.route(re.compile("/v1/(status|pause|resume)$"), status)
    usage = {"object": "usage", "data": [{"day": "2026-11-26", "tasks": 7, "failed": 0, "cost": "0.25"}], "total": {}}
    tab.page.route("**/v1/usage?*", lambda route: route.fulfill(json=usage))
    tab.page.goto("/")
    tab.page.get_by_role("link", name="Operate").click()
    expect(tab.page.locator(".cards")).to_contain_text("$1.50")
    expect(tab.page.locator(".cards")).to_contain_text("3 tasks are open.")
    expect(tab.page.locator(".usage th")).to_have_text(["day", "tasks", "cost"])
    tab.page.get_by_role("button", name="Pause all work").click()
    expect(tab.page.locator(".cards")).to_contain_text("by key:local")
    tab.page.get_by_role("button", name="Resume work").click()
    expect(tab.page.locator(".cards")).to_contain_text("running")
    assert Axe().run(tab.page).violations_count == 0
