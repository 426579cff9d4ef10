"""The pages of a task's PDF as pictures: for who may see the task, bounded, revalidated, and drawn in a child."""

from __future__ import annotations

import asyncio
import base64
import io
import sys

import pytest
from PIL import Image

from functions.api.auth import COOKIE
from tests.functions.api.conftest import SAMPLES, System
from tests.functions.api.routes.test_submit import request
from tests.functions.api.routes.test_task_files import dropped

pytestmark = pytest.mark.asyncio(loop_scope="session")

REPORT = (SAMPLES / "report.pdf").read_bytes()
DAMAGED = b"%PDF-1.7\n" + bytes(range(256)) * 40


@pytest.mark.long
async def test_a_page_is_a_picture_and_the_document_says_how_many_there_are(system: System) -> None:
    secret, path = await dropped(system, "pages/one.pdf", REPORT, content_type="application/pdf")
    async with system.client(secret) as client:
        about = (await client.get(f"{path}/source/pages")).json()
        answers = [await client.get(f"{path}/source/pages/{number}.png") for number in (1, about["pages"])]
        past = await client.get(f"{path}/source/pages/{about['pages'] + 1}.png")
        same = await client.get(f"{path}/source/pages/1.png", headers={"If-None-Match": answers[0].headers["etag"]})
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.headers["cache-control"] == "private, no-cache"
    assert answers[0].headers["etag"] != answers[1].headers["etag"]
    with Image.open(io.BytesIO(answers[0].content)) as picture:
        assert picture.size == (about["width"], about["height"])
        assert picture.width == 1200
        assert len(picture.convert("L").getcolors(256) or []) > 1
    assert (past.status_code, past.json()["error"]["param"]) == (404, "number")
    assert (same.status_code, same.content) == (304, b"")


async def test_pages_of_a_request_are_drawn_too_and_by_the_cookie(system: System) -> None:
    url = "data:application/pdf;base64," + base64.b64encode(REPORT).decode()
    parts = [{"type": "file_url", "file_url": {"url": url}}]
    secret = await system.key("pages-request")
    async with system.client(secret) as client:
        body = request(audio_url=None, messages=[{"role": "user", "content": parts}])
        made = (await client.post("/v1/llm/generations", json=body)).json()
        await client.get(f"/v1/tasks/{made['id']}", params={"wait": 60})
    async with system.client(None, Cookie=f"{COOKIE}={secret}") as browser:
        answer = await browser.get(f"/v1/tasks/{made['id']}/source/pages/1.png")
    assert (answer.status_code, answer.content[:4]) == (200, b"\x89PNG")


async def test_a_foreign_key_sees_no_page(system: System) -> None:
    _, path = await dropped(system, "pages/private.pdf", REPORT, content_type="application/pdf")
    async with system.client(await system.key("pages-stranger")) as client:
        answers = [await client.get(f"{path}/source/{rest}") for rest in ("pages", "pages/1.png")]
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_what_is_no_pdf_or_damaged_is_said(system: System) -> None:
    secret, text = await dropped(system, "pages/notes.txt", b"Not a page.", content_type="text/plain")
    async with system.client(secret) as client:
        no_pages = await client.get(f"{text}/source/pages")
    secret, damaged = await dropped(system, "pages/broken.pdf", DAMAGED, content_type="application/pdf")
    async with system.client(secret) as client:
        broken = await client.get(f"{damaged}/source/pages/1.png")
    assert (no_pages.status_code, "text/plain" in no_pages.json()["error"]["message"]) == (404, True)
    assert (broken.status_code, "damaged" in broken.json()["error"]["message"]) == (422, True)


async def test_many_pages_at_once_are_drawn_apart_from_the_server(system: System) -> None:
    secret, path = await dropped(system, "pages/many.pdf", REPORT, content_type="application/pdf")
    async with system.client(secret) as client:
        answers = await asyncio.gather(*(client.get(f"{path}/source/pages/1.png") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert "shared.examiner_child.page_picture" not in sys.modules
