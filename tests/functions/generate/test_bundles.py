"""A bundle of documents: listed with types and pages, and cut into a PDF each."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pypdfium2
import pytest
import pytest_asyncio

from functions.generate.result import publishing
from functions.generate.result.document_tasks import make_document_tasks
from functions.generate.result.publishing import publish
from local.standins.faults import Fault
from shared import wiring
from shared.domain.outputs import File
from shared.domain.tasks.task import Task
from shared.domain.tasks.view import public
from tests.functions.generate.conftest import INBOX, RULED, SETTINGS, System, answers, warned
from tests.pdf_text import pdf_with_text

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

SCAN = pdf_with_text([[f"Sheet {number}"] for number in range(1, 6)])


def listed(*documents: tuple[str, int, int]) -> dict[str, Any]:
    rows = [
        {"type": kind, "title": f"The {kind}", "first_page": first, "last_page": last}
        for kind, first, last in documents
    ]
    return {"text": json.dumps({"documents": rows})}


def sheets(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as document:
        return [page.get_textpage().get_text_bounded().strip() for page in document]


async def test_a_bundle_is_listed(system: System) -> None:
    task = await system.answered("stack.pdf", SCAN, dropsight_recipe="classify")
    documents = json.loads(answers(task)[0])["documents"]
    assert [(entry["first_page"], entry["last_page"]) for entry in documents] == [(1, 3), (4, 5)]
    assert set(await system.published(task)) == {"json", "csv", "task.json"}


async def test_each_document_of_a_bundle_becomes_a_pdf_of_its_own_and_no_task(system: System) -> None:
    system.model.script.append(listed(("Invoice", 1, 2), ("Letter / reply", 3, 5)))
    task = await system.answered("bundle.pdf", SCAN, dropsight_recipe="split-bundle")
    files = await system.published(task)
    assert set(files) == {"json", "01-invoice.pdf", "02-letter-reply.pdf", "task.json"}
    assert sheets(files["01-invoice.pdf"]) == ["Sheet 1", "Sheet 2"]
    assert sheets(files["02-letter-reply.pdf"]) == ["Sheet 3", "Sheet 4", "Sheet 5"]
    assert any(uri.endswith("bundle.pdf.01-invoice.pdf") for uri in task.outputs)
    assert warned(task) == ()
    assert len(system.model.asked) == 1


async def test_pages_that_are_missing_or_counted_twice_are_named(system: System) -> None:
    system.model.script.append(listed(("invoice", 1, 2), ("letter", 2, 3), ("receipt", 5, 9)))
    task = await system.answered("odd.pdf", SCAN, dropsight_recipe="split-bundle")
    files = await system.published(task)
    assert {"01-invoice.pdf", "02-letter.pdf"} <= set(files)
    assert "03-receipt.pdf" not in files
    assert warned(task) == (
        "Document 3 was not cut out: the file has no pages 5 to 9.",
        "Pages that belong to no document: 4, 5.",
        "Pages that belong to several documents: 2.",
    )


async def test_documents_that_are_too_large_together_are_cut_out_up_to_a_bound(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.model.script.append(listed(("invoice", 1, 2), ("letter", 3, 5)))
    monkeypatch.setattr("functions.generate.result.bundle._MAX_BYTES", 2_000)
    task = await system.answered("large.pdf", SCAN, dropsight_recipe="split-bundle")
    files = await system.published(task)
    assert "01-invoice.pdf" in files
    assert "02-letter.pdf" not in files
    assert warned(task) == ("From 02-letter.pdf on, no documents were cut out: together they are too large.",)


RECIPES = """
[[recipe]]
name = "post"
use = "split-bundle"
for = { prefix = "post/" }
document_recipe = "letter"

[[recipe]]
name = "nested"
use = "split-bundle"
for = { prefix = "nested/" }
document_recipe = "nested"

[[recipe]]
name = "letter"
takes = "pdf"
prompt = "Who writes, and what about?"
"""
BUNDLE = listed(("invoice", 1, 2), ("letter", 3, 5))


@pytest_asyncio.fixture(loop_scope="session")
async def _recipes(system: System) -> None:
    await system.drop("recipes.toml", RECIPES.encode(), bucket=SETTINGS)
    system.clock.advance(30)


async def documents_of(system: System, prefix: str) -> dict[str, int]:
    """The names and generations of the documents below a prefix of the inbox."""

    def read() -> dict[str, int]:
        blobs = system.objects.bucket(RULED).list_blobs(prefix=prefix)
        return {blob.name: int(blob.generation) for blob in blobs if ".documents/" in blob.name}

    return await asyncio.to_thread(read)


async def children_of(system: System, task: Task) -> list[Task]:
    """The tasks of a bundle's documents, once they have ended."""
    names = await documents_of(system, task.source.name)
    return [
        await system.until(f"gs://{RULED}/{name}", lambda task: task.terminal and not task.after)
        for name in sorted(names)
    ]


@pytest.mark.usefixtures("_recipes")
async def test_each_document_becomes_a_task_of_its_own_once(system: System) -> None:
    system.model.script.extend([BUNDLE, {"text": "One."}, {"text": "Other."}])
    task = await system.answered("post/monday.pdf", SCAN, bucket=RULED)
    children = await children_of(system, task)
    assert [child.id for child in children] == list(task.children)
    assert [child.source.name for child in children] == [
        f"post/monday.pdf.documents/{task.id}/{ending}" for ending in ("01-invoice.pdf", "02-letter.pdf")
    ]
    assert {answers(child)[0] for child in children} == {"One.", "Other."}
    assert [child.ran.recipe for child in children if child.ran] == ["letter", "letter"]
    assert {child.owner for child in children} == {task.owner}
    assert all(set(task.visible_to) <= set(child.visible_to) for child in children)
    assert [public(child)["parent"] for child in children] == [task.id, task.id]
    assert public(task)["children"] == list(task.children)
    assert json.loads((await system.published(task))["task.json"])["children"] == list(task.children)
    assert warned(task) == warned(children[0]) == ()
    written = await documents_of(system, task.source.name)
    for known in (task, task.model_copy(update={"children": ()})):
        assert (await publish(wiring.generate(), known)).children == task.children
    assert await documents_of(system, task.source.name) == written
    assert len(system.model.asked) == 3


@pytest.mark.usefixtures("_recipes")
async def test_after_work_that_stops_between_two_documents_makes_each_task_once(system: System) -> None:
    writing = f"POST /upload/storage/v1/b/{RULED}/o"
    system.model.script.append(BUNDLE)
    # The bundle and its first document are written, the second one is refused.
    system.tap.faults.add([Fault(service="storage", match=writing, skip=2, status=403, times=1)])
    task = await system.answered("post/stopped.pdf", SCAN, bucket=RULED)
    children = await children_of(system, task)
    assert [child.id for child in children] == list(task.children)
    assert len(children) == 2
    assert len(system.model.asked) == 3


@pytest.mark.usefixtures("_recipes")
@pytest.mark.parametrize("is_bundle_gone", [False, True])
async def test_documents_that_were_cleared_before_a_retry_are_made_no_second_time(
    system: System, monkeypatch: pytest.MonkeyPatch, is_bundle_gone: bool
) -> None:
    name = f"post/cleared-{is_bundle_gone}.pdf"
    system.model.script.append(BUNDLE)
    as_file = publishing._as_file

    def refused_for_bundles(task: Task, results: Any) -> bytes:
        if task.children:
            raise ConnectionError("the task is not written")
        return as_file(task, results)

    monkeypatch.setattr(publishing, "_as_file", refused_for_bundles)
    uri = await system.drop(name, SCAN, bucket=RULED)
    while len(await documents_of(system, name)) < 2:
        await asyncio.sleep(0.03)
    children = await children_of(system, await system.until(uri, lambda task: task.terminal))
    inbox = system.objects.bucket(RULED)
    for gone in (*await documents_of(system, name), *([name] if is_bundle_gone else [])):
        await asyncio.to_thread(inbox.blob(gone).delete)
    monkeypatch.setattr(publishing, "_as_file", as_file)
    task = await system.until(uri, lambda task: not task.after, skip_waits=True)
    assert list(task.children) == [child.id for child in children]
    assert json.loads((await system.published(task))["task.json"])["children"] == list(task.children)
    assert await documents_of(system, name) == {}
    assert len(system.model.asked) == 3


@pytest.mark.usefixtures("_recipes")
async def test_a_document_that_was_cleared_while_another_could_not_be_written_is_made_no_second_time(
    system: System,
) -> None:
    writing = Fault(service="storage", match=f"POST /upload/storage/v1/b/{RULED}/o", status=403, every=1)
    system.model.script.append(BUNDLE)
    system.tap.faults.add([writing.model_copy(update={"skip": 2})])
    uri = await system.drop("post/half.pdf", SCAN, bucket=RULED)
    while len(await documents_of(system, "post/half.pdf")) < 1:
        await asyncio.sleep(0.03)
    (first,) = await children_of(system, await system.until(uri, lambda task: task.terminal))
    await asyncio.to_thread(system.objects.bucket(RULED).blob(first.source.name).delete)
    system.tap.faults.clear()
    task = await system.until(uri, lambda task: task.terminal and not task.after, skip_waits=True)
    (second,) = await children_of(system, task)
    assert sorted(task.children) == sorted([first.id, second.id])
    assert len(system.model.asked) == 3


@pytest.mark.usefixtures("_recipes")
async def test_a_document_of_a_bundle_is_never_cut_into_tasks_again(system: System) -> None:
    system.model.script.extend([listed(("invoice", 1, 5)), BUNDLE])
    task = await system.answered("nested/box.pdf", SCAN, bucket=RULED)
    (child,) = await children_of(system, task)
    assert child.ran is not None
    assert child.ran.recipe == "nested"
    assert child.children == ()
    assert len(await documents_of(system, "nested/")) == 1
    assert any("itself a document of a bundle" in warning for warning in child.warnings)
    assert set(await system.published(child)) >= {"01-invoice.pdf", "02-letter.pdf"}


@pytest.mark.usefixtures("_recipes")
async def test_a_recipe_that_has_gone_meanwhile_fails_the_documents_and_costs_nothing(system: System) -> None:
    system.model.script.extend([BUNDLE, {"status": 503}, {"status": 503}])
    task = await system.answered("post/late.pdf", SCAN, bucket=RULED)
    names = await documents_of(system, "post/late.pdf")
    for name in names:
        await system.until(f"gs://{RULED}/{name}", lambda task: task.waiting is not None and task.lease_until is None)
    await system.drop("recipes.toml", RECIPES.replace('"letter"', '"note"').encode(), bucket=SETTINGS)
    system.clock.advance(120)
    children = await children_of(system, task)
    assert len(children) == len(names) == 2
    for child in children:
        assert child.error is not None
        assert child.error.code == "invalid_param"
        assert "document_recipe = 'letter'" in child.error.message
    assert len(system.model.asked) == 1


async def test_only_an_inbox_that_takes_documents_and_pays_for_them_gets_any(system: System) -> None:
    system.model.script.append(BUNDLE)
    task = await system.answered("plain.pdf", SCAN, dropsight_recipe="split-bundle")
    assert task.ran is not None
    assert task.children == ()
    asked = task.ran.model_copy(update={"snapshot": {**task.ran.snapshot, "document_recipe": "letter"}})
    of_inbox = task.model_copy(update={"ran": asked})
    ruled = of_inbox.model_copy(update={"source": task.source.model_copy(update={"bucket": RULED})})
    files = {"01-invoice.pdf": File(b"%PDF-", "application/pdf")}
    refused = await make_document_tasks(wiring.generate(), of_inbox, files)
    assert refused.ids == ()
    assert "is not set to take them" in refused.warnings[0]
    for owner in ("key:someone", f"inbox:{INBOX}"):
        refused = await make_document_tasks(wiring.generate(), ruled.model_copy(update={"owner": owner}), files)
        assert refused.ids == ()
        assert "may pay for them" in refused.warnings[0]
    assert await documents_of(system, "plain.pdf") == {}
