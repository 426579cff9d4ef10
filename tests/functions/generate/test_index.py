"""Dropped files are added to an index; a question is answered from those that its asker may see, with citations."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections import Counter
from decimal import Decimal
from typing import Any, cast

import pytest

from functions.generate.result.indexing import Indexed, add_to_index
from functions.sweep.deleted_objects import remove_deleted_objects
from local.standins.faults import Fault
from local.standins.gemini import search_stores
from local.standins.gemini.metadata_filter import matches
from shared import wiring
from shared.dependencies import SweepDeps
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import REQUESTS, RULED, System, warned
from tests.functions.generate.indexed_files import added, documents_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("own_calls")]


def cited(task: Task) -> list[dict[str, Any]]:
    assert task.results is not None, task.error
    message = cast(Any, task.results[0])["choices"][0]["message"]
    return cast(list[dict[str, Any]], message["citations"])


async def asked(system: System, name: str, question: str, **options: Any) -> Task:
    messages = [{"role": "user", "content": question}]
    body = {"model": "gemini-2.5-flash-lite", "index": "contracts", "messages": messages, **options}
    return await system.answered(f"manifests/{name}.json", json.dumps(body).encode(), bucket=REQUESTS)


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


async def test_nor_does_one_that_went_on_after_a_foreign_passage(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    await added(system, "north/medlar.txt", "The medlar harvest is in November.")
    await added(system, "south/medlar.txt", "The medlar price is secret: pomegranates.")
    real = matches
    only_first = lambda text, metadata: len(system.model.asked) < 2 or real(text, metadata)  # noqa: E731
    monkeypatch.setattr(search_stores, "matches", only_first)
    system.model.script.extend([{"text": "The price is secret, " * 2, "finish_reason": "MAX_TOKENS"}, {}])
    system.model.asked.clear()
    task = await asked(system, "north/medlar", "Medlar harvest, medlar price?")
    assert len(system.model.asked) == 2
    assert task.error is not None
    assert (task.error.code, task.results) == ("upstream_error", None)


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
    assert (await add_to_index(wiring.generate(), second)).warnings == ()
    assert len(documents_of(system, second)) == 2
    assert documents_of(system, first) == []


async def deleted(system: System, name: str) -> None:
    await asyncio.to_thread(system.objects.bucket(RULED).blob(f"contracts/{name}").delete)


async def deleted_unnoticed(system: System, *names: str) -> None:
    """Delete objects whose events are lost."""
    system.traffic.storage.set_events(hold=True)
    for name in names:
        await deleted(system, name)
    assert system.traffic.storage.lose_held() == len(names)
    system.traffic.storage.set_events(hold=False)


async def are_gone(system: System, task: Task) -> None:
    while documents_of(system, task):
        await asyncio.sleep(0.03)


async def test_deleting_an_object_takes_it_out_of_its_index_at_once(system: System) -> None:
    task = await added(system, "north/may.txt", "The mayfly dances for a day.")
    kept = await added(system, "north/tortoise.txt", "The tortoise lives longer.")
    await deleted(system, "north/may.txt")
    await are_gone(system, task)
    assert await system.traffic.ended(60)
    entries = wiring.generate().index_entries
    assert await entries.of_object(task.source.uri) == []
    assert [stored.entry.task for stored in await entries.of_object(kept.source.uri)] == [kept.id]
    assert documents_of(system, kept) == ["text/markdown", "text/plain"]


async def test_an_outage_of_the_index_delays_what_is_deleted(system: System) -> None:
    task = await added(system, "north/stubborn.txt", "The stubborn file leaves later.")
    system.tap.faults.add([Fault(service="gemini", match="DELETE /v1beta/fileSearchStores", status=503, times=1)])
    await deleted(system, "north/stubborn.txt")
    while system.tap.faults.listing():
        await asyncio.sleep(0.03)
    system.clock.advance(10)
    await are_gone(system, task)


async def test_the_late_event_of_an_overwritten_generation_leaves_what_the_newer_one_has(system: System) -> None:
    first = await added(system, "north/again.txt", "The old text of it.")
    second = await added(system, "north/again.txt", "The new text of it.", replaces=first)
    # Loaded here: without the environment of a function, the module ends the process.
    ingest = importlib.import_module("functions.ingest.main")
    await ingest.clear_indexes(wiring.ingest(), first.source)
    assert await system.traffic.ended(60)
    assert documents_of(system, second) == ["text/markdown", "text/plain"]
    (stored,) = await wiring.ingest().index_entries.of_object(second.source.uri)
    await ingest.clear_indexes(wiring.ingest(), second.source)
    assert await system.traffic.ended(60)
    assert await wiring.ingest().index_entries.of_object(second.source.uri) == [stored], "the object is there"


async def test_what_the_event_of_a_deletion_missed_is_found_by_sweep(system: System) -> None:
    task = await added(system, "north/short-lived.txt", "The mayfly lives for a day.")
    kept = await added(system, "north/kept.txt", "The tortoise lives long.")
    await deleted_unnoticed(system, "north/short-lived.txt")
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
    await deleted_unnoticed(system, "north/unchecked.txt", "north/checked.txt")
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
