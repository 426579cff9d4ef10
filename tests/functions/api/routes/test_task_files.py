"""A task's source and its published files: whole or in parts, for who may see the task, never running anything."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from functions.api.auth import COOKIE
from tests.functions.api.conftest import INBOX, SAMPLES, System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = (SAMPLES / "speech.wav").read_bytes()


async def dropped(system: System, name: str, data: bytes = SPEECH, **options: Any) -> tuple[str, str]:
    """Drop a file; return a key that sees it, and its task's path, once it has ended."""
    secret = await system.key(f"files-{abs(hash(name)) % 10**8}", sources=(f"gs://{INBOX}/",))
    await system.drop(name, data, **options)
    return secret, f"/v1/tasks/{(await system.ended(secret, f'gs://{INBOX}/{name}'))['id']}"


async def test_a_source_is_served_whole_and_in_parts(system: System) -> None:
    secret, path = await dropped(system, "served/one.wav", content_type="audio/wav")
    async with system.client(secret) as client:
        whole = await client.get(path + "/source")
        part = await client.get(path + "/source", headers={"Range": "bytes=4-11"})
        end = await client.get(path + "/source", headers={"Range": "bytes=-6", "If-Range": whole.headers["etag"]})
        stale = await client.get(path + "/source", headers={"Range": "bytes=-6", "If-Range": '"older"'})
        past = await client.get(path + "/source", headers={"Range": f"bytes={len(SPEECH)}-"})
        same = await client.get(path + "/source", headers={"If-None-Match": whole.headers["etag"]})
        head = await client.head(path + "/source")
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, SPEECH, "audio/wav")
    assert whole.headers["accept-ranges"] == "bytes"
    assert (part.status_code, part.content) == (206, SPEECH[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(SPEECH)}"
    assert (end.status_code, end.content) == (206, SPEECH[-6:])
    assert (stale.status_code, stale.content) == (200, SPEECH)
    assert (past.status_code, past.headers["content-range"]) == (416, f"bytes */{len(SPEECH)}")
    assert (same.status_code, same.content) == (304, b"")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(SPEECH)))


async def test_an_overwritten_source_is_gone_rather_than_another_file(system: System) -> None:
    secret, path = await dropped(system, "served/twice.wav", content_type="audio/wav")
    await system.drop("served/twice.wav", SPEECH[:-2], content_type="audio/wav")
    async with system.client(secret) as client:
        answer = await client.get(path + "/source")
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "source_gone")


@pytest.mark.parametrize(
    ("name", "content_type"), [("evil.html", "text/html"), ("evil.svg", "image/svg+xml"), ("evil.xml", "text/xml")]
)
async def test_a_source_with_scripts_is_only_ever_saved(system: System, name: str, content_type: str) -> None:
    text = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>"
    secret, path = await dropped(system, f"served/{name}", text, content_type=content_type)
    async with system.client(secret) as client:
        answer = await client.get(path + "/source")
    assert answer.content == text
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_outputs_are_served_by_name_or_ending(system: System) -> None:
    secret, path = await dropped(system, "served/two.wav", content_type="audio/wav")
    async with system.client(secret) as client:
        by_name = await client.get(path + "/outputs/two.wav.txt")
        by_ending = await client.get(path + "/outputs/txt")
        task = await client.get(path + "/outputs/task.json")
        missing = await client.get(path + "/outputs/srt")
        outside = await client.get(path + "/outputs/..%2F..%2Fsecret")
    assert by_name.status_code == by_ending.status_code == 200
    assert by_name.content == by_ending.content
    assert by_name.headers["content-type"] == "text/plain; charset=utf-8"
    assert task.json()["id"] in path
    assert missing.status_code == 404
    assert "two.wav.txt" in missing.json()["error"]["message"]
    assert outside.status_code == 404


async def test_the_file_of_a_request_is_served_though_it_came_with_it(system: System) -> None:
    picture = (SAMPLES / "picture.png").read_bytes()
    data = base64.b64encode(picture).decode()
    files = [{"type": "file_url", "file_url": {"url": f"data:image/png;base64,{data}"}}, {"type": "text", "text": "?"}]
    body = {
        "model": "gemini-2.5-flash",
        "messages": [{"role": "user", "content": files}],
        "metadata": {"file": "ü.png"},
    }
    async with system.client(await system.key("inline")) as client:
        path = (await client.post("/v1/llm/generations", json=body)).headers["location"]
        answer = await client.get(path + "/source")
        part = await client.get(path + "/source", headers={"Range": "bytes=0-7"})
        second = await client.get(path + "/source", params={"input": 1})
    assert (answer.content, answer.headers["content-type"]) == (picture, "image/png")
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''%C3%BC.png"
    assert (part.status_code, part.content) == (206, picture[:8])
    assert second.status_code == 404


async def test_a_request_of_words_alone_has_no_file(system: System) -> None:
    async with system.client(await system.key("words-alone")) as client:
        body = {"model": "gemini-3.5-flash-lite", "messages": [{"role": "user", "content": "Hello?"}]}
        path = (await client.post("/v1/llm/generations", json=body)).headers["location"]
        answer = await client.get(path + "/source")
        second = await client.get(path + "/source", params={"input": 1})
        pages = await client.get(path + "/source/pages")
    assert (answer.status_code, answer.content) == (204, b"")
    assert second.status_code == 404
    assert pages.status_code == 404
    assert "words alone" in pages.json()["error"]["message"]


async def test_a_file_from_the_web_is_not_kept(system: System) -> None:
    body = request(audio_url="https://example.com/talk.mp3?token=secret")
    async with system.client(await system.key("remote")) as client:
        path = (await client.post("/v1/llm/generations", json=body)).headers["location"]
        answer = await client.get(path + "/source")
        await client.post(path + "/cancel")
    assert answer.status_code == 404
    assert "secret" not in answer.text


async def test_the_pages_cookie_reads_files_and_nothing_else(system: System) -> None:
    secret, path = await dropped(system, "served/cookie.wav", content_type="audio/wav")
    async with system.client(secret) as client:
        opened = await client.post("/v1/session")
    cookie = opened.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/v1/tasks/"))
    assert "expires" not in cookie.lower()
    headers = {"Cookie": f"{COOKIE}={secret}"}
    async with system.client(None, **headers) as client:
        source = await client.get(path + "/source")
        ours = await client.get(path + "/source", headers={"Sec-Fetch-Site": "same-origin"})
        foreign = await client.get(path + "/source", headers={"Sec-Fetch-Site": "cross-site"})
        task = await client.get(path)
        cancelled = await client.post(path + "/cancel")
    assert source.status_code == ours.status_code == 200
    assert [answer.status_code for answer in (foreign, task, cancelled)] == [401, 401, 401]


async def test_a_key_without_the_scope_read_opens_no_file(system: System) -> None:
    _, path = await dropped(system, "served/three.wav", content_type="audio/wav")
    secret = await system.key("files-submit", scopes=("submit",), sources=(f"gs://{INBOX}/",))
    async with system.client(secret) as client:
        answers = [await client.get(path + "/source"), await client.get(path + "/outputs/txt")]
    assert [answer.json()["error"]["code"] for answer in answers] == ["scope_missing", "scope_missing"]
