"""POST /v1/uploads: a browser sends one file of this name, type and size straight into an inbox."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.functions.api.conftest import INBOX, OTHER_INBOX, RESULTS, SAMPLES, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = (SAMPLES / "speech.wav").read_bytes()
PAGE = "https://page.example"


async def opened(system: System, name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    secret = await system.key(f"up-{abs(hash(name)) % 10**8}", sources=(f"gs://{INBOX}/web/",))
    body = {"name": name, "size": len(SPEECH), "content_type": "audio/wav", **fields}
    async with system.client(secret, Origin=PAGE) as client:
        answer = await client.post("/v1/uploads", json=body)
    assert answer.status_code == 200, answer.text
    return secret, answer.json()


async def test_the_bytes_go_straight_to_the_inbox_and_become_a_task(system: System) -> None:
    secret, upload = await opened(system, "web/one 🎉.wav", metadata={"dropsight-recipe": "transcribe-timed"})
    assert upload["uri"] == f"gs://{INBOX}/web/one 🎉.wav"
    async with httpx2.AsyncClient(timeout=60) as browser:
        sent = await browser.put(upload["url"], content=SPEECH)
    assert sent.status_code == 200
    task = await system.ended(secret, upload["uri"])
    assert (task["status"], task["recipe"]) == ("completed", "transcribe-timed")


async def test_an_upload_goes_on_after_a_lost_connection(system: System) -> None:
    half, size = 256 << 10, 600_000
    data = SPEECH[:44] + bytes(size - 44)
    _, upload = await opened(system, "web/two.wav", size=size)
    async with httpx2.AsyncClient(timeout=60) as browser:
        first = await browser.put(
            upload["url"], content=data[:half], headers={"Content-Range": f"bytes 0-{half - 1}/{size}"}
        )
        answer = await browser.put(upload["url"], headers={"Content-Range": f"bytes */{size}"})
        last = await browser.put(
            upload["url"], content=data[half:], headers={"Content-Range": f"bytes {half}-{size - 1}/{size}"}
        )
    assert [first.status_code, answer.status_code, last.status_code] == [308, 308, 200]
    assert answer.headers["range"] == f"bytes=0-{half - 1}"


async def test_only_this_size_is_taken(system: System) -> None:
    _, upload = await opened(system, "web/three.wav")
    async with httpx2.AsyncClient(timeout=60) as browser:
        longer = await browser.put(upload["url"], content=SPEECH + b"more")
    assert longer.status_code == 400


async def test_only_pages_of_the_origin_that_asked_may_use_the_session(system: System) -> None:
    _, upload = await opened(system, "web/four.wav")
    async with httpx2.AsyncClient(timeout=60) as browser:
        question = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-range"}
        ours = await browser.options(upload["url"], headers={"Origin": PAGE, **question})
        other = await browser.options(upload["url"], headers={"Origin": "https://other.example", **question})
        sent = await browser.put(upload["url"], content=SPEECH, headers={"Origin": PAGE})
        again = await browser.put(upload["url"], headers={"Origin": PAGE, "Content-Range": f"bytes */{len(SPEECH)}"})
    assert ours.headers["access-control-allow-origin"] == PAGE
    assert "content-range" in ours.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in other.headers
    for answer in (sent, again):
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "Range" in answer.headers["access-control-expose-headers"]


async def test_an_object_that_exists_is_never_replaced(system: System) -> None:
    secret, upload = await opened(system, "web/five.wav")
    async with httpx2.AsyncClient(timeout=60) as browser:
        await browser.put(upload["url"], content=SPEECH)
    async with system.client(secret) as client:
        again = await client.post("/v1/uploads", json={"name": "web/five.wav", "size": 5})
    assert again.status_code == 422
    assert again.json()["error"]["param"] == "name"
    assert "exists" in again.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "elsewhere/a.wav", "size": 5}, 403, "source_not_allowed"),
        ({"name": "web/a.wav", "size": 5, "inbox": OTHER_INBOX}, 403, "source_not_allowed"),
        ({"name": "web/a.wav", "size": 5, "inbox": RESULTS}, 403, "source_not_allowed"),
        ({"name": "web/a.wav"}, 422, "invalid_param"),
        ({"name": "web/a.wav", "size": 0}, 422, "invalid_param"),
        ({"name": "web/a.wav", "size": 1 << 60}, 422, "invalid_param"),
        ({"name": "", "size": 5}, 422, "invalid_param"),
        ({"name": "web/a\r\nb", "size": 5}, 422, "invalid_param"),
        ({"name": "web/" + "ü" * 600, "size": 5}, 422, "invalid_param"),
        ({"name": "web/a.wav", "size": 5, "content_type": "x\r\ny: z"}, 422, "invalid_param"),
        ({"name": "web/a.wav", "size": 5, "metadata": {"Bad Name": "x"}}, 422, "invalid_param"),
        ({"name": "web/a.wav", "size": 5, "more": 1}, 422, "invalid_param"),
    ],
)
async def test_what_is_wrong_is_named_and_opens_nothing(
    system: System, body: dict[str, Any], status: int, code: str
) -> None:
    secret = await system.key("up-wrong", sources=(f"gs://{INBOX}/web/", f"gs://{RESULTS}/"))
    async with system.client(secret) as client:
        answer = await client.post("/v1/uploads", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
