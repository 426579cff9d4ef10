"""Make the pictures in docs/images: a local system with answers worth reading, in light and dark.

Prints as well how long the page takes until it can be used: the median of some loads, each with an empty cache.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.page.content import BILLS, BOXES, FIGURES, PHOTO, QUOTES, ROWS, SCHEMA, SUMMARY, TRANSCRIPT
from tests.running import ROOT, SAMPLES, Running, until

IMAGES = ROOT / "docs" / "images"
_SIZE = {"width": 1280, "height": 820}
_LOADS = 9
_NOTE_THE_FIRST_ROW = """new MutationObserver(() => {
  if (document.querySelector(".tasks li") && document.querySelector("#files:enabled")) {
    window.usableAfter ??= performance.now();
  }
}).observe(document, { childList: true, subtree: true })"""


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with Running() as system, sync_playwright() as playwright:
        tasks = fill(system)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        sys.stdout.write(f"The page is usable after {measure_loads(browser, system):.0f} ms, the median of {_LOADS}.\n")
        for scheme in ("light", "dark"):
            for name, target in tasks.items():
                with page_of(browser, system, scheme) as page:
                    show(page, target)
                    page.evaluate("document.querySelector('.quotes button')?.click()")
                    page.evaluate("document.querySelectorAll('audio').forEach((one) => (one.currentTime = 3.5))")
                    page.wait_for_timeout(800)  # until it has scrolled there
                    keep(page, f"{name}-{scheme}")
        for name, target in (("phone", tasks["transcript"]), ("phone-list", "/")):
            with page_of(
                browser, system, "light", viewport={"width": 390, "height": 800}, device_scale_factor=2
            ) as page:
                show(page, target)
                keep(page, f"{name}-light")
        browser.close()


def measure_loads(browser: Browser, system: Running) -> float:
    """Return the median of the milliseconds from the navigation to the first row of tasks and a place for files."""
    taken = []
    for _ in range(_LOADS):
        with page_of(browser, system, "light") as page:
            page.add_init_script(_NOTE_THE_FIRST_ROW)
            page.goto("/")
            until(lambda page=page: page.evaluate("window.usableAfter"), 30, lambda: "no task was shown")  # type: ignore[misc]
            taken.append(float(page.evaluate("window.usableAfter")))
    return statistics.median(taken)


def keep(page: Page, name: str) -> None:
    """Write a picture of the page as lossless WebP, which is a third of a PNG's size."""
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(IMAGES / f"{name}.webp", lossless=True, quality=100, method=6)


def show(page: Page, target: str) -> None:
    """Open an address, and wait for all that is in view: pages of a PDF are drawn when they are asked for."""
    page.goto(f"/#{target}")
    page.locator(".tasks li").first.wait_for(state="attached")
    page.locator(".foot details, .welcome, .tally strong, .usage table").first.wait_for(state="attached")
    loaded = "[...document.querySelectorAll('.picture img, .page:first-child img')].every((one) => one.naturalWidth)"
    until(lambda: page.evaluate(loaded), 30, lambda: "a picture was not loaded", pause=0.2)


@contextmanager
def page_of(browser: Browser, system: Running, scheme: str, **options: Any) -> Iterator[Page]:
    context = browser.new_context(
        base_url=system.endpoints.api, **{"viewport": _SIZE, "color_scheme": scheme, "locale": "en-GB", **options}
    )
    context.add_init_script(f"if (window === top) sessionStorage['dropsight.key'] = '{system.endpoints.api_key}'")
    yield context.new_page()
    context.close()


def fill(system: Running) -> dict[str, str]:
    """Drop files of an ordinary week; return the pages to show by their pictures' names."""
    places = {"list": "/", "switches": "/switches"}
    if "operate" in system.http.get("/v1/session").json()["key"]["scopes"]:
        places["operate"] = "/operate"

    def answered(name: str, sample: Path | bytes, text: str, picture: str | None = None, **metadata: str) -> None:
        system.model(text=text)
        task = system.end_of(system.drop(name, sample, "text/plain" if isinstance(sample, bytes) else None, **metadata))
        if picture is not None:
            places[picture] = f"/tasks/{task['id']}"

    timed = {"dropsight_recipe": "transcribe-timed"}
    answered("bills/autumn.txt", BILLS, json.dumps(ROWS), "extraction",
             dropsight_recipe="extract", dropsight_schema=json.dumps(SCHEMA))  # fmt: skip
    answered("site/Baustelle Süd 🏗.jpg", PHOTO, json.dumps(BOXES), "boxes", dropsight_recipe="detect")
    answered("reports/quarterly report.pdf", SAMPLES / "report.pdf", SUMMARY, "document")
    places["citations"] = f"/tasks/{cited(system)['id']}"
    answered("talks/ראיון.ogg", SAMPLES / "speech.ogg", "A short interview about the harbour.")
    system.end_of(system.drop("in/archive.zip", b"PK\x03\x04" + bytes(300), "application/zip"))
    answered("talks/planning call.mp3", SAMPLES / "speech.mp3", json.dumps(TRANSCRIPT), "transcript", **timed)
    system.fault("gemini", "enerateContent", status=429, retry_delay="20m")
    system.drop("talks/board meeting.m4a", SAMPLES / "speech.m4a")
    return places


def cited(system: Running) -> dict[str, Any]:
    """Ask for the figures of the report, each with the words that prove it."""
    url = "data:application/pdf;base64," + base64.b64encode((SAMPLES / "report.pdf").read_bytes()).decode()
    system.model(text=json.dumps({"answer": FIGURES, "evidence": QUOTES}))
    body = {
        "model": "gemini-3.5-flash-lite",
        "recipe": "extract",
        "messages": [{"role": "user", "content": [{"type": "file_url", "file_url": {"url": url}}]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "figures", "schema": {"type": "array"}}},
        "evidence": True,
        "metadata": {"file": "quarterly report.pdf"},
    }
    task = system.http.post("/v1/llm/generations", json=body).json()
    return dict(system.http.get(f"/v1/tasks/{task['id']}", params={"wait": 30}).json())


if __name__ == "__main__":
    main()
