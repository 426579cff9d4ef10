"""Open WebUI's external document loader: a file in, its text out."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from functions.api.routes import open_webui
from shared.domain.media.text import encoding_of
from tests.functions.api.conftest import SAMPLES, System
from tests.functions.api.openai_calls import tasks_of, uploads_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("sample", "content_type"),
    [("report.pdf", "application/pdf"), ("photo.jpg", "image/jpeg"), ("speech.mp3", "audio/mpeg"),
     ("clip.mp4", "application/octet-stream")],
)  # fmt: skip
async def test_a_file_becomes_text_and_the_same_file_again_is_the_same_task(
    system: System, sample: str, content_type: str
) -> None:
    system.gemini.set_model({"text": "The text of the file."})
    key_id = f"loader-{sample.replace('.', '-')}"
    headers = {"Content-Type": content_type, "X-Filename": f"my%20{sample}"}
    async with system.client(await system.key(key_id)) as client:
        answers = [
            await client.put("/process", content=(SAMPLES / sample).read_bytes(), headers=headers) for _ in range(2)
        ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.json()["page_content"].strip() == "The text of the file."
        assert answer.json()["metadata"]["source"] == f"my {sample}"
    assert len(await tasks_of(system, key_id)) == 1
    assert len(await uploads_of(system, key_id)) == 1


async def test_text_comes_back_as_it_is_and_costs_nothing(system: System) -> None:
    async with system.client(await system.key("loader-text")) as client:
        answer = await client.put("/process", content="Grüße".encode(), headers={"Content-Type": "text/plain"})
        odd = await client.put("/process", content=b"x", headers={"Content-Type": "application/x-odd"})
    assert answer.json() == {"page_content": "Grüße", "metadata": {"source": "file"}}
    assert (odd.status_code, odd.json()["error"]["code"]) == (422, "unsupported_content_type")
    assert not await tasks_of(system, "loader-text")
    assert not await uploads_of(system, "loader-text")


@pytest.mark.parametrize(
    ("name", "content_type"), [("letter.docx", "application/octet-stream"), ("letter.rtf", "text/rtf")]
)
async def test_the_words_of_a_document_are_extracted(system: System, name: str, content_type: str) -> None:
    async with system.client(await system.key(f"loader-{name[-4:].strip('.')}")) as client:
        headers = {"Content-Type": content_type, "X-Filename": f"0f6e_{name}"}
        answer = await client.put("/process", content=(SAMPLES / "ugly" / name).read_bytes(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-dropsight-task"]
    assert "Dear Ms Tanaka, the parcel left." in answer.json()["page_content"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Grüße".encode("utf-16"), "Grüße"),
        ("Die Grüße kommen später.".encode("windows-1252"), "Die Grüße kommen später."),
        (b"\xef\xbb\xbfword", "word"),
        (b"\xef\xbb\xbfThe Caf\xe9 is open.", "The Café is open."),
    ],
)
async def test_text_comes_back_in_utf_8_whatever_its_encoding(system: System, content: bytes, text: str) -> None:
    async with system.client(await system.key("loader-encodings")) as client:
        answer = await client.put("/process", content=content, headers={"Content-Type": "text/plain"})
    assert answer.json()["page_content"] == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Привет", "cp1251"), ("こんにちは、世界。", "shift_jis"), ("word " * 20_000 + "Привет" * 10_000, "cp1251")],
    ids=["cyrillic", "japanese", "cyrillic-at-the-end"],
)
async def test_text_of_an_unknown_encoding_is_refused_with_advice(system: System, text: str, encoding: str) -> None:
    headers = {"Content-Type": "text/plain", "X-Filename": "a.txt"}
    async with system.client(await system.key("loader-unknown")) as client:
        answer = await client.put("/process", content=text.encode(encoding), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unsupported_content_type")
    assert "Save it as UTF-8" in answer.json()["error"]["message"]
    assert not await uploads_of(system, "loader-unknown")


async def test_texts_are_converted_one_at_a_time(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: list[int] = []
    converting: set[bytes] = set()
    lock = threading.Lock()

    def watched(data: bytes) -> str | None:
        with lock:
            converting.add(data)
            at_once.append(len(converting))
        encoding = encoding_of(data)
        # Long enough for the others to arrive if nothing held them back.
        time.sleep(0.2)
        with lock:
            converting.discard(data)
        return encoding

    monkeypatch.setattr(open_webui, "encoding_of", watched)
    async with system.client(await system.key("loader-many")) as client:
        texts = [f"Text {number}." for number in range(4)]
        answers = await asyncio.gather(
            *(client.put("/process", content=text, headers={"Content-Type": "text/plain"}) for text in texts)
        )
    assert [answer.json()["page_content"] for answer in answers] == texts
    assert at_once == [1, 1, 1, 1]


async def test_what_only_claims_to_be_text_or_is_too_long_is_refused(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_webui, "WHOLE", 100)
    headers = {"Content-Type": "text/plain", "X-Filename": "a.txt"}
    async with system.client(await system.key("loader-odd-text")) as client:
        binary = await client.put("/process", content=bytes(range(64)), headers=headers)
        long = await client.put("/process", content=b"word " * 21, headers=headers)
    assert (binary.status_code, binary.json()["error"]["code"]) == (422, "unsupported_content_type")
    assert (long.status_code, long.json()["error"]["code"]) == (413, "payload_too_large")
    assert not await uploads_of(system, "loader-odd-text")


@pytest.mark.parametrize("content_type", ["application/pdf", "text/plain"])
async def test_an_empty_file_is_refused_by_its_name_and_makes_no_task(system: System, content_type: str) -> None:
    async with system.client(await system.key("loader-empty")) as client:
        headers = {"Content-Type": content_type, "X-Filename": "nothing.pdf"}
        answer = await client.put("/process", content=b"", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "empty_file")
    assert "nothing.pdf is empty" in answer.json()["error"]["message"]
    assert not await tasks_of(system, "loader-empty")
    assert not await uploads_of(system, "loader-empty")
