"""Files on the web are looked into before they are sent on, as far as their server lets them be seen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.standins.serve import HttpServer
from shared import wiring
from tests.functions.generate.conftest import SAMPLES, System, answers, camelled

pytestmark = pytest.mark.asyncio(loop_scope="session")

UGLY = SAMPLES / "ugly"
FAR = 300 << 10
"""Bytes that move what follows them out of a file's head."""


@dataclass
class Site:
    """Serves files; ranges of them below `/ranges/`, and below `/moving/`, where each request finds a newer version."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    version: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        _, kind, name = request.url.path.split("/")
        data = self.files[name]
        self.version += kind == "moving"
        tag = f'"{self.version}"'
        headers = {} if kind == "plain" else {"ETag": tag}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if headers and wanted and request.headers["if-range"] == tag:
            first, last = int(wanted[1]), int(wanted[2])
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            await Response(data[first : last + 1], 206, headers)(scope, receive, send)
        else:
            await Response(data, 200, headers)(scope, receive, send)


@pytest_asyncio.fixture(loop_scope="session")
async def site(shared_system: System, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(wiring.generate().web.outbound, "allow_loopback", True)
    site = Site()
    server = HttpServer(site)
    site.url = f"http://127.0.0.1:{await server.start()}"
    yield site
    await server.stop()


def count(system: System, what: str) -> int:
    return int(system.tap.ledger.stats().get("gemini", {}).get(what, 0))


def recording() -> bytes:
    """An MP4 without pictures, whose index is far behind its beginning."""
    data = (UGLY / "sound-only.mp4").read_bytes()
    first = int.from_bytes(data[:4], "big")
    return data[:first] + (8 + FAR).to_bytes(4, "big") + b"free" + bytes(FAR) + data[first:]


def sent_as(system: System) -> str:
    [(_, body)] = system.model.asked
    return str(camelled(body["contents"][0]["parts"][0]["fileData"])["mimeType"])


@pytest.mark.parametrize(("kind", "counted"), [("ranges", 0), ("plain", 1)])
async def test_sound_in_an_mp4_is_sent_as_sound_and_counted_only_where_its_length_cannot_be_seen(
    system: System, site: Site, kind: str, counted: int
) -> None:
    site.files["talk.mp4"] = recording()
    task = await system.requested(f"web-{kind}", audio_url=f"{site.url}/{kind}/talk.mp4")
    assert answers(task)
    assert sent_as(system) == "audio/mp4"
    assert len(system.model.counted) == counted


async def test_a_document_on_the_web_with_too_many_pages_is_not_uploaded(system: System, site: Site) -> None:
    pages = (UGLY / "1001-pages.pdf").read_bytes()
    site.files["long.pdf"] = pages.replace(b"endobj\n", b"endobj\n%" + b"." * FAR + b"\n", 1)
    uploads = count(system, "uploads")
    parts = [
        {"type": "file_url", "file_url": {"url": f"{site.url}/ranges/long.pdf"}},
        {"type": "text", "text": "What is this?"},
    ]
    task = await system.requested("web-pages", messages=[{"role": "user", "content": parts}])
    assert task.error is not None
    assert (task.error.code, count(system, "uploads")) == ("media_too_long", uploads)
    assert "1,001 PDF pages" in task.error.message


async def test_a_recording_on_the_web_that_was_cut_off_is_not_uploaded(system: System, site: Site) -> None:
    site.files["cut.mp4"] = recording()[:-9000]
    uploads = count(system, "uploads")
    task = await system.requested("web-cut", audio_url=f"{site.url}/ranges/cut.mp4")
    assert task.error is not None
    assert (task.error.code, count(system, "uploads")) == ("file_processing_failed", uploads)


async def test_a_file_that_changes_while_it_is_looked_into_is_not_judged_by_its_newer_version(
    system: System, site: Site
) -> None:
    site.files["moving.mp4"] = recording()
    task = await system.requested("web-moving", audio_url=f"{site.url}/moving/moving.mp4")
    assert answers(task)
    assert site.version > 1
    assert len(system.model.counted) == 1
