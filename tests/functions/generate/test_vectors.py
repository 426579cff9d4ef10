"""Vectors of texts, scanned pages and pictures: published with what each stands for, and found by Firestore's nearest
search.
"""

from __future__ import annotations

import io
import json
import math
from email.message import EmailMessage
from typing import Any

import pypdfium2
import pytest
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector
from PIL import Image

from local.standins.faults import Fault
from local.standins.gemini.embeddings import vector_of
from tests.functions.generate.conftest import SAMPLES, System, answers, warned
from tests.pdf_text import pdf_with_text

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

TEA = b"Tea is brewed with boiling water. Green tea wants cooler water, and less time."
ENGINE = b"An engine burns fuel in its cylinders. Its pistons turn the shaft of the engine."
HI = [{"role": "user", "content": "Hi"}]


async def vectors_of(system: System, name: str, data: bytes, **metadata: str) -> dict[str, Any]:
    task = await system.answered(name, data, dropsight_recipe="embed", **metadata)
    assert task.status == "completed", task.error
    published: dict[str, Any] = json.loads((await system.published(task))["embeddings.json"])
    return published


async def test_a_short_text_becomes_one_vector_of_length_one(system: System) -> None:
    task = await system.answered("tea.txt", TEA, dropsight_recipe="embed")
    published = json.loads((await system.published(task))["embeddings.json"])
    [chunk] = published.pop("chunks")
    assert published == {
        "model": "gemini-embedding-2",
        "dimensions": 768,
        "task_type": "RETRIEVAL_DOCUMENT",
        "normalised": True,
    }
    assert (chunk["start"], chunk["end"], chunk["text"]) == (0, len(TEA), TEA.decode())
    assert math.hypot(*chunk["vector"]) == pytest.approx(1, abs=1e-5)
    assert answers(task) == ["gemini-embedding-2 made 1 vector of 768 dimensions."]
    assert task.usage is not None
    assert 0 < float(str(task.usage["cost"])) < 0.0001
    assert "0.1" not in json.dumps(task.model_dump(mode="json")["results"])


async def test_a_long_text_is_cut_into_windows_of_which_a_call_takes_a_hundred(system: System) -> None:
    text = "".join(f"Sentence {number} stands here for all others.\n" for number in range(6_000))
    task = await system.answered("long.txt", text.encode(), dropsight_recipe="embed")
    published = json.loads((await system.published(task))["embeddings.json"])
    chunks = published["chunks"]
    assert 100 < len(chunks) <= 200
    assert [chunk["start"] for chunk in chunks[1:]] == [chunk["end"] for chunk in chunks[:-1]]
    assert chunks[-1]["end"] == len(text)
    assert all(chunk["text"] == text[chunk["start"] : chunk["end"]].strip() for chunk in chunks)
    assert all(len(chunk["text"]) <= 2_000 and chunk["text"].endswith("others.") for chunk in chunks)
    assert warned(task) == (f"The text has {len(text):,} characters; it took 2 calls.",)
    assert task.usage is not None
    assert task.usage["calls"] == 2


def scanned(*tones: int) -> bytes:
    """A PDF as a scanner makes it, with a page of each shade of grey."""
    out = io.BytesIO()
    first, *others = [Image.new("L", (60, 80), tone) for tone in tones]
    first.save(out, "PDF", save_all=True, append_images=others)
    return out.getvalue()


def joined(*documents: bytes) -> bytes:
    """A PDF with the pages of all documents."""
    out = io.BytesIO()
    with pypdfium2.PdfDocument.new() as whole:
        for data in documents:
            with pypdfium2.PdfDocument(data) as document:
                whole.import_pages(document)
        whole.save(out)
    return out.getvalue()


async def test_a_later_claim_embeds_only_the_parts_that_are_not_stored(system: System) -> None:
    system.tap.faults.add([Fault(service="gemini", match="mbedContents", status=503, skip=1, times=1)])
    task = await system.answered("interrupted.txt", b"A sentence of words. " * 12_000, dropsight_recipe="embed")
    assert task.status == "completed", task.error
    assert task.token > 1
    assert task.usage is not None
    assert task.usage["calls"] == 2


async def test_the_text_of_a_pdf_becomes_vectors_and_empty_pages_are_named(system: System) -> None:
    tea = [line.strip() for line in TEA.decode().split(".") if line.strip()]
    task = await system.answered(
        "tea.pdf", pdf_with_text([tea, [], ["An engine burns fuel."]]), dropsight_recipe="embed"
    )
    assert task.status == "completed", task.error
    [chunk] = json.loads((await system.published(task))["embeddings.json"])["chunks"]
    assert chunk["text"].startswith("Tea is brewed with boiling water")
    assert chunk["text"].endswith("An engine burns fuel.")
    assert warned(task) == ("Empty pages are not in the vectors: page 2.",)


async def test_each_page_of_a_scan_has_a_vector_of_what_it_shows(system: System) -> None:
    task = await system.answered("scan.pdf", scanned(10, 60, 120, 120, 180, 200, 240), dropsight_recipe="embed")
    assert task.status == "completed", task.error
    chunks = json.loads((await system.published(task))["embeddings.json"])["chunks"]
    assert [chunk["page"] for chunk in chunks] == [1, 2, 3, 4, 5, 6, 7]
    assert all(
        set(chunk) == {"page", "vector"} and math.hypot(*chunk["vector"]) == pytest.approx(1) for chunk in chunks
    )
    first, second, third, fourth, *_ = [chunk["vector"] for chunk in chunks]
    assert third == fourth
    assert first != second != third
    assert warned(task) == ("The file has 7 pages without text; it took 2 calls.",)
    assert answers(task) == ["gemini-embedding-2 made 7 vectors of 768 dimensions."]


async def test_the_tokens_of_pages_and_pictures_are_paid_for_as_pictures(system: System) -> None:
    task = await system.answered("paid.pdf", scanned(30), dropsight_recipe="embed")
    assert task.usage is not None
    assert task.usage["prompt_tokens_by_modality"] == {"image": task.usage["prompt_tokens"]}
    cost = float(str(task.usage["cost"]))
    assert cost == pytest.approx(float(str(task.usage["prompt_tokens"])) * 0.45e-6)


async def test_a_pdf_of_which_some_pages_are_scanned_has_vectors_of_its_text_and_of_those(system: System) -> None:
    tea = [line.strip() for line in TEA.decode().split(".") if line.strip()]
    data = joined(pdf_with_text([tea]), scanned(90), pdf_with_text([["An engine burns fuel."], []]), scanned(150))
    published = await vectors_of(system, "mixed.pdf", data)
    text, *pages = published["chunks"]
    assert text["text"].startswith("Tea is brewed")
    assert text["text"].endswith("An engine burns fuel.")
    assert [page["page"] for page in pages] == [2, 5]


async def test_each_pdf_that_a_mail_encloses_has_vectors_of_its_scanned_pages(system: System) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ada@example.com", "bob@example.com", "Two scans"
    mail.set_content("The scans are enclosed.")
    for name, tones in (("a.pdf", (10, 60)), ("b.pdf", (90, 200))):
        mail.add_attachment(scanned(*tones), maintype="application", subtype="pdf", filename=name)
    published = await vectors_of(system, "scans.eml", mail.as_bytes())
    pages = [chunk for chunk in published["chunks"] if "page" in chunk]
    assert [page["page"] for page in pages] == [1, 2, 1, 2]
    assert len({tuple(page["vector"]) for page in pages}) == 4


async def test_a_picture_has_one_vector(system: System) -> None:
    for name in ("photo.jpg", "picture.png"):
        published = await vectors_of(system, name, (SAMPLES / name).read_bytes())
        [chunk] = published["chunks"]
        assert chunk["page"] == 1


async def test_a_picture_of_another_kind_is_drawn_anew_first(system: System) -> None:
    out = io.BytesIO()
    Image.new("L", (60, 80), 128).save(out, "TIFF", save_all=True, append_images=[Image.new("L", (60, 80), 200)])
    published = await vectors_of(system, "two.tiff", out.getvalue())
    assert [chunk["page"] for chunk in published["chunks"]] == [1, 2]


async def test_a_picture_that_the_model_does_not_take_is_refused_with_the_way_out(system: System) -> None:
    out = io.BytesIO()
    Image.new("RGB", (60, 80), "red").save(out, "WEBP")
    task = await system.answered("red.webp", out.getvalue(), dropsight_recipe="embed")
    assert task.error is not None
    assert task.error.code == "unsupported_content_type"
    assert "PNG and JPEG" in task.error.message
    assert task.usage is None or not task.usage.get("calls")


async def test_a_pdf_of_more_pages_than_the_model_would_take_is_embedded_by_its_text(system: System) -> None:
    pages = [[f"Page {number} tells of tea.", *["Tea is brewed with water."] * 20] for number in range(60)]
    task = await system.answered("long.pdf", pdf_with_text(pages), dropsight_recipe="embed")
    assert task.status == "completed", task.error
    chunks = json.loads((await system.published(task))["embeddings.json"])["chunks"]
    assert len(chunks) > 10
    assert "Page 59 tells" in chunks[-1]["text"]


async def test_a_pdf_of_empty_pages_is_refused_before_anything_is_paid(system: System) -> None:
    task = await system.answered("empty.pdf", pdf_with_text([[], []]), dropsight_recipe="embed")
    assert task.error is not None
    assert task.error.code == "empty_file"
    assert task.error.message == "There is no text and no picture in it."
    assert task.usage is None or not task.usage.get("calls")


async def test_a_request_has_vectors_made_of_a_scan(system: System) -> None:
    uri = await system.drop("asked-scan.pdf", scanned(70))
    messages = [{"role": "user", "content": [{"type": "file_url", "file_url": {"url": uri}}]}]
    task = await system.requested("scan-vectors", model="gemini-embedding-2", recipe="embed", messages=messages)
    assert task.status == "completed", task.error
    [chunk] = json.loads((await system.published(task))["embeddings.json"])["chunks"]
    assert chunk["page"] == 1


async def test_a_request_has_vectors_made_of_a_pdf(system: System) -> None:
    uri = await system.drop("asked.pdf", pdf_with_text([["Green tea wants cooler water."]]))
    content = [{"type": "file_url", "file_url": {"url": uri}}]
    messages = [{"role": "user", "content": content}]
    task = await system.requested("pdf-vectors", model="gemini-embedding-2", recipe="embed", messages=messages)
    assert task.status == "completed", task.error
    [chunk] = json.loads((await system.published(task))["embeddings.json"])["chunks"]
    assert chunk["text"] == "Green tea wants cooler water."


async def test_firestores_nearest_search_finds_the_task_whose_text_is_closest(system: System) -> None:
    uris = {name: (await system.answered(name, data, dropsight_recipe="embed")).source.uri
            for name, data in (("green.txt", TEA), ("engine.txt", ENGINE))}  # fmt: skip
    query: Any = system.tasks.client.collection("tasks").find_nearest(
        vector_field="embedding",
        query_vector=Vector(vector_of("task: search result | query: water for green tea", 768)),
        distance_measure=DistanceMeasure.COSINE,
        limit=100,
    )
    order = [document.to_dict()["source"]["uri"] async for document in query.stream()]
    assert order.index(uris["green.txt"]) < order.index(uris["engine.txt"])
    listed = await system.tasks.page(["inbox:inbox"], limit=5)
    assert uris["engine.txt"] in [task.source.uri for task in listed]


async def test_a_model_that_takes_a_task_type_is_given_it(system: System) -> None:
    published = await vectors_of(system, "older.txt", TEA, dropsight_model="gemini-embedding-001")
    assert published["model"] == "gemini-embedding-001"
    assert len(published["chunks"]) == 1


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"dropsight_model": "gemini-3.5-flash-lite"}, "makes no vectors: gemini-embedding-2 does."),
        ({"dropsight_model": "gemini-embedding-9"}, "Gemini has no model 'gemini-embedding-9'"),
    ],
)
async def test_a_model_that_makes_no_vectors_is_refused(system: System, metadata: dict[str, str], message: str) -> None:
    task = await system.answered(f"unfit-{len(message)}.txt", TEA, dropsight_recipe="embed", **metadata)
    assert task.error is not None
    assert message in task.error.message


async def test_vectors_of_another_length_are_paid_for_once(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def vector_of(text: str, dimensions: int) -> list[float]:
        calls.append(text)
        return [1.0]

    monkeypatch.setattr("local.standins.gemini.embeddings.vector_of", vector_of)
    task = await system.answered("odd.txt", TEA, dropsight_recipe="embed")
    assert task.error is not None
    assert task.error.code == "upstream_error"
    assert task.error.message == "Gemini's answer has vectors of 1 dimensions: no vectors can be made of it."
    assert task.usage is not None
    assert task.usage["calls"] == len(calls) == 1


async def test_a_request_has_vectors_made_of_its_words(system: System) -> None:
    task = await system.requested("vectors", model="gemini-embedding-2", recipe="embed", messages=HI)
    assert task.status == "completed", task.error
    assert json.loads((await system.published(task))["embeddings.json"])["chunks"][0]["text"] == "Hi"
