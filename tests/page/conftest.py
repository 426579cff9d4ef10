"""The page in a real Chromium, over a whole local system. No test may leave an error in the browser's console."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Route, expect, sync_playwright

from tests import machine
from tests.running import Running, until

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 45.0
"""What the page may take for one step on a quiet machine: far more than it takes, since nothing fails by waiting."""
_TEST_SECONDS = 900
"""Time limit of each test; the longest takes half a minute on a quiet machine."""
_SIGN_IN = """if (window === top) sessionStorage.setItem("dropsight.key", "KEY");"""
_SLOWDOWN = int(os.environ.get("DROPSIGHT_PAGE_SLOWDOWN", 1))
"""How many times slower the browser computes. Each of the page's requests then waits, up to 100 ms times that."""
_HELD_UP = re.compile(r"^http://[^/]+/(v1|page|local)/")
_LOST = (
    "ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "ERR_CONNECTION_",
)  # fmt: skip


@dataclass
class Tab:
    """One tab of a browser, and what its console said."""

    page: Page
    context: BrowserContext
    errors: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    """Parts of console errors that the test causes on purpose: the browser itself reports a refused request."""

    def row(self, name: str) -> Any:
        return self.page.locator(".tasks li", has=self.page.get_by_text(name, exact=True)).first

    def open_task(self, name: str) -> None:
        self.row(name).get_by_role("link").click()
        expect(self.page.get_by_role("heading", level=1, name=name)).to_be_visible()

    def wait_until(self, expression: str, seconds: float = _SECONDS) -> None:
        """Wait for a script's expression; Playwright's own waiting would need a policy that lets strings run."""
        until(lambda: self.page.evaluate(expression), seconds, lambda: f"never: {expression}", pause=0.1)

    def allow_lost_connections(self) -> None:
        self.allowed += _LOST

    def check_console(self) -> None:
        unexpected = [error for error in self.errors if not any(part in error for part in self.allowed)]
        assert unexpected == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(_TEST_SECONDS))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the system (Debian's package), else the one that `playwright install chromium` brings."""
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--mute-audio"])
        except Error as error:
            message = f"no Chromium: apt-get install chromium, or playwright install chromium ({error})"
            pytest.fail(message, pytrace=False)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with Running(DROPSIGHT_LEASE_SECONDS="5") as running:
        yield running


Opener = Callable[..., Tab]


@pytest.fixture
def open_tab(browser: Browser, system: Running) -> Iterator[Opener]:
    """Open a tab; `key=None` leaves it signed out. Every tab's console is looked at when the test ends."""
    tabs: list[Tab] = []
    expect.set_options(timeout=machine.allowed(_SECONDS) * 1000)

    def open_one(path: str = "/", *, key: str | None = "", **options: Any) -> Tab:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(base_url=system.endpoints.api, **options)
        context.set_default_timeout(machine.allowed(_SECONDS) * 1000)
        tab = Tab(context.new_page(), context)
        tabs.append(tab)
        if _SLOWDOWN > 1:
            slow_down(tab)
        tab.page.on("console", lambda message: tab.errors.append(message.text) if message.type == "error" else None)
        tab.page.on("pageerror", lambda error: tab.errors.append(f"uncaught: {error}"))
        if key is not None:
            secret = key or system.endpoints.api_key
            context.add_init_script(_SIGN_IN.replace("KEY", secret))
        tab.page.goto(path)
        return tab

    yield open_one
    for tab in tabs:
        # A request that a test answers may be on its way when its tab closes.
        tab.page.unroute_all(behavior="ignoreErrors")
        tab.context.unroute_all(behavior="ignoreErrors")
        tab.context.close()
    for tab in tabs:
        tab.check_console()


def slow_down(tab: Tab) -> None:
    """Let the tab compute slowly, and its answers come late and out of order."""
    tab.context.new_cdp_session(tab.page).send("Emulation.setCPUThrottlingRate", {"rate": _SLOWDOWN})

    def hold_up(route: Route) -> None:
        with suppress(Error):  # the tab was closed meanwhile
            tab.page.wait_for_timeout(random.uniform(0, 100 * _SLOWDOWN))
            route.continue_()

    tab.context.route(_HELD_UP, hold_up)


@pytest.fixture
def tab(open_tab: Opener) -> Tab:
    return open_tab()


@pytest.fixture(autouse=True)
def _quiet(system: Running) -> Iterator[None]:
    yield
    system.leave_nothing_behind(60)


@contextmanager
def answering(system: Running, text: str, **behaviour: object) -> Iterator[None]:
    """Let the model answer with this text."""
    system.model(text=text, **behaviour)
    try:
        yield
    finally:
        system.control("DELETE", "/model")


def settled(system: Running, uri: str) -> dict[str, Any]:
    """Return an object's task once nothing more happens to it: its outputs are written, its files at Gemini deleted."""
    system.end_of(uri)
    until(lambda: not system.control("GET", "/dispatches")["in_flight"], 30, lambda: f"under way: {system.under_way()}")
    return system.task_of(uri)
