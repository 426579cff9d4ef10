"""Dropped files are added to an index; a question is answered from those that its asker may see, with citations."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import pytest

from functions.generate.result.indexing import Indexed, add_to_index
from functions.sweep.deleted_objects import remove_deleted_objects
from local.standins.faults import Fault
from local.standins.gemini import search_stores
from shared import wiring
from shared.dependencies import SweepDeps
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import REQUESTS, RULED, SAMPLES, SETTINGS, System, warned

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECIPES = b"""
[[recipe]]
name = "contract"
takes = ["audio", "image", "pdf", "text"]
for = { prefix = "contracts/" }
prompt = "Summarise it."
index = "contracts"
"""


@pytest.fixture(autouse=True)
def undisturbed(system: System) -> Iterator[None]:
    system.tap.ledger.forget()
    yield
    system.tap.faults.clear()


async def dropped(system: System, name: str, text: str) -> str:
    await system.drop("recipes.toml", RECIPES, bucket=SETTINGS)
    system.clock.advance(30)
    system.model.script.append({"text": f"A summary of {name}."})
    return await system.drop(f"contracts/{name}", text.encode(), bucket=RULED)


async def added(system: System, name: str, text: str, *, replaces: Task | None = None) -> Task:
    before = replaces.id if replaces is not None else None
    uri = await dropped(system, name, text)
    return await system.until(uri, lambda task: task.id != before and task.terminal and not task.after)


async def asked(system: System, name: str, question: str, **options: Any) -> Task:
    messages = [{"role": "user", "content": question}]
    body = {"model": "gemini-2.5-flash-lite", "index": "contracts", "messages": messages, **options}
    return await system.answered(f"manifests/{name}.json", json.dumps(body).encode(), bucket=REQUESTS)


def cited(task: Task) -> list[dict[str, Any]]:
    assert task.results is not None, task.error
    message = cast(Any, task.results[0])["choices"][0]["message"]
    return cast(list[dict[str, Any]], message["citations"])


def documents(system: System) -> list[search_stores.Document]:
    return [document for store in system.model.search_stores.listed() for document in store.documents]


def documents_of(system: System, task: Task) -> list[str]:
    """The media types of the documents of a task, the answer's first."""
    return [entry.mime_type for entry in documents(system) if value_of(entry, "task") == task.id]


def value_of(document: search_stores.Document, key: str) -> str:
    return str(next((item["stringValue"] for item in document.metadata if item["key"] == key), ""))


async def test_a_question_is_answered_from_three_files_with_citations(system: System) -> None:
    lease = await added(system, "north/lease.txt", "The rent of the warehouse is 4,200 euros a month.")
    await added(system, "north/phone.txt", "The telephone costs 30 euros; notice is one month.")
    loan = await added(system, "loan.txt", "The loan of the orchard bears interest of three percent.")
    assert warned(lease) == ()
    assert documents_of(system, lease) == ["text/markdown", "text/plain"]
    answer = await asked(system, "reader/one", "Which interest does the loan of the orchard bear?")
    best = cited(answer)[0]
    assert (best["task"], best["object"], best["title"]) == (loan.id, "gs://ruled/contracts/loan.txt", "loan.txt")
    assert "interest of three percent" in best["quote"]
    assert warned(answer) == ()
    assert answer.usage is not None
    assert cast(Any, answer.usage)["tool_tokens_by_modality"]["text"] > 0
    assert len(system.model.search_stores.listed()) == 1
    usage = cast(Any, lease.usage)
    assert usage["indexing"]["model"] == "gemini-embedding-001"
    assert usage["indexing"]["estimated_tokens"] > 0
    assert Decimal(usage["cost"]) == Decimal(usage["indexing"]["cost"]) + Decimal(usage["rounds"][0]["cost"])


async def test_nobody_is_answered_from_files_that_he_may_not_see(system: System) -> None:
    await added(system, "north/mine.txt", "The gherkin harvest is in August.")
    await added(system, "south/theirs.txt", "The gherkin price is secret: pomegranates.")
    question = "Gherkin harvest, gherkin price?"
    north, foreign = await asked(system, "north/one", question), await asked(system, "tests/one", question)
    assert {entry["object"] for entry in cited(north)} == {"gs://ruled/contracts/north/mine.txt"}
    assert "pomegranates" not in str(north.results)
    assert "Files under gs://ruled/contracts/so were not searched: only whole folders are." in north.warnings
    assert cited(foreign) == []
    assert "gherkin harvest is in August" not in str(foreign.results)
    assert "The answer rests on no file: nothing that this key may see was found in the index." in foreign.warnings
    tool = system.model.asked[-1][1]["tools"][0]["fileSearch"]
    assert "gs://" not in str(tool)


async def test_an_answer_that_rests_on_foreign_files_does_not_leave(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    await added(system, "south/secret.txt", "The quince price is secret: pomegranates.")
    monkeypatch.setattr(search_stores, "matches", lambda text, metadata: True)
    task = await asked(system, "tests/leak", "What about the quince price?")
    assert task.error is not None
    assert (task.error.code, task.results) == ("upstream_error", None)
    assert "pomegranates" not in str(task.model_dump())


async def test_a_newer_file_replaces_the_older_one_of_its_name(system: System) -> None:
    first = await added(system, "north/plan.txt", "The aubergine is planted in March.")
    second = await added(system, "north/plan.txt", "The aubergine is planted in June.", replaces=first)
    assert documents_of(system, first) == []
    assert documents_of(system, second) == ["text/markdown", "text/plain"]
    answer = await asked(system, "north/plan", "Aubergine planted?")
    assert "in March" not in str(answer.results)
    assert {entry["task"] for entry in cited(answer)} == {second.id}


async def test_a_late_older_task_does_not_replace_a_newer_file(system: System) -> None:
    first = await added(system, "north/late.txt", "The old text of the late file.")
    second = await added(system, "north/late.txt", "The new text of the late file.", replaces=first)
    assert await add_to_index(wiring.generate(), first) == Indexed()
    assert await add_to_index(wiring.generate(), second) == Indexed()
    assert len(documents_of(system, second)) == 2
    assert documents_of(system, first) == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("the operation is not told", {"match": "/operations/", "status": 503, "times": 1}),
        ("the answer to the import is lost", {"match": ":importFile", "drop": "after", "times": 1}),
        ("the second import is lost", {"match": ":importFile", "drop": "after", "times": 1, "skip": 1}),
    ],
)
async def test_what_is_added_twice_is_there_once(system: System, name: str, fault: dict[str, Any]) -> None:
    system.tap.faults.add([Fault.model_validate({"service": "gemini", **fault})])
    task = await added(system, f"north/{name}.txt", f"The text of {name}.")
    assert documents_of(system, task) == ["text/markdown", "text/plain"]
    assert Counter(value_of(entry, "entry") for entry in documents(system)).most_common(1)[0][1] == 2
    assert task.after == ()


async def test_two_instances_at_once_add_a_file_once(system: System) -> None:
    task = await added(system, "north/both.txt", "Both instances have the same task.")
    entries = wiring.generate().index_entries
    for stored in await entries.longest_unchecked(system.clock.now(), 100):
        if stored.entry.task == task.id:
            await entries.remove(stored)
    for document in documents(system):
        if value_of(document, "task") == task.id:
            system.model.search_stores.remove(document.name, force=True)
    attempts = [add_to_index(wiring.generate(), task) for _ in range(3)]
    outcomes: list[Any] = await asyncio.gather(*attempts, return_exceptions=True)
    assert any(isinstance(outcome, Indexed) for outcome in outcomes)
    assert documents_of(system, task) == ["text/markdown"], "the upload was deleted when the task was done"


async def test_an_outage_of_the_index_delays_nothing_but_the_index(system: System) -> None:
    system.tap.faults.add([Fault(service="gemini", match="fileSearchStores", status=503)])
    uri = await dropped(system, "north/outage.txt", "The turnip survives every outage.")
    waiting = await system.until(uri, lambda task: task.terminal and "publish" not in task.after)
    assert "index" in waiting.after
    assert waiting.outputs
    system.tap.faults.clear()
    task = await system.until(uri, lambda task: not task.after)
    assert documents_of(system, task) == ["text/markdown", "text/plain"]


async def test_what_file_search_does_not_take_is_there_with_its_answer_alone(system: System) -> None:
    await system.drop("recipes.toml", RECIPES, bucket=SETTINGS)
    system.clock.advance(30)
    task = await system.answered("contracts/talk.wav", SAMPLES / "speech.wav", bucket=RULED)
    assert documents_of(system, task) == ["text/markdown"]
    assert warned(task) == ()


async def test_a_file_whose_upload_is_gone_is_there_with_its_answer_and_a_warning(system: System) -> None:
    system.tap.faults.add(
        [
            Fault(service="gemini", match="fileSearchStores", status=503, times=1),
            Fault(service="gemini", match=":importFile", status=403, skip=1, times=1),
        ]
    )
    task = await added(system, "north/gone.txt", "The upload of this is gone.")
    assert documents_of(system, task)[0] == "text/markdown"
    assert task.after == ()


async def test_deleting_an_object_deletes_its_entry(system: System) -> None:
    task = await added(system, "north/short-lived.txt", "The mayfly lives for a day.")
    kept = await added(system, "north/kept.txt", "The tortoise lives long.")
    blob = system.objects.bucket(RULED).blob("contracts/north/short-lived.txt")
    await asyncio.to_thread(blob.delete)
    deps, tally = cast(SweepDeps, wiring.generate()), Counter[str]()
    await remove_deleted_objects(deps, tally, stop_at=deps.clock.time() + 600, scheduled=False)
    assert tally["index_entries_removed"] >= 1
    assert documents_of(system, task) == []
    assert documents_of(system, kept) == ["text/markdown", "text/plain"]
    again = Counter[str]()
    await remove_deleted_objects(deps, again, stop_at=deps.clock.time() + 600, scheduled=True)
    assert again["index_entries_removed"] == 0
    answer = await asked(system, "north/gone", "How long does the mayfly live?")
    assert task.id not in {entry["task"] for entry in cited(answer)}


async def test_an_entry_that_cannot_be_checked_does_not_hold_up_the_others(system: System) -> None:
    first = await added(system, "north/unchecked.txt", "The moth cannot be checked.")
    second = await added(system, "north/checked.txt", "The beetle can be checked.")
    for name in ("unchecked", "checked"):
        await asyncio.to_thread(system.objects.bucket(RULED).blob(f"contracts/north/{name}.txt").delete)
    system.tap.faults.add([Fault(service="gemini", match="DELETE /v1beta/fileSearchStores", status=503, times=1)])
    deps, tally = cast(SweepDeps, wiring.generate()), Counter[str]()
    await remove_deleted_objects(deps, tally, stop_at=deps.clock.time() + 600, scheduled=False)
    assert tally["errors"] == 1
    assert sorted([documents_of(system, first), documents_of(system, second)]) != [[], []]
    await remove_deleted_objects(deps, tally, stop_at=deps.clock.time() + 600, scheduled=False)
    assert documents_of(system, first) == documents_of(system, second) == []


async def test_an_index_that_does_not_exist_is_named(system: System) -> None:
    task = await asked(system, "reader/nowhere", "Anything?", index="nowhere")
    assert task.error is not None
    assert task.error.message == "index: there is no index 'nowhere': no file was ever added to it."
    assert system.model.asked == []
