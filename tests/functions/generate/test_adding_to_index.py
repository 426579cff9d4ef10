"""Files are added to an index once, whoever dies, is late or is refused meanwhile, and what it cost is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, cast

import pytest

from functions.generate.result import after_work, indexing
from functions.generate.result.indexing import Indexed, add_to_index
from local.standins.faults import Fault
from shared import wiring
from shared.cloud.file_search import ImportFailed, ImportUnderWay
from shared.cloud.firestore import Stored
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.index_entries import Entry
from shared.domain.models.text_tokens import most_of_text
from shared.domain.money.indexing import EMBEDDING_MODEL
from shared.domain.service_errors import HandleGone
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import RULED, SAMPLES, SETTINGS, System, warned
from tests.functions.generate.indexed_files import RECIPES, added, documents, documents_of, dropped, value_of

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("own_calls")]


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
    await taken_out(system, task)
    attempts = [add_to_index(wiring.generate(), task) for _ in range(3)]
    outcomes: list[Any] = await asyncio.gather(*attempts, return_exceptions=True)
    assert any(isinstance(outcome, Indexed) for outcome in outcomes)
    assert documents_of(system, task) == ["text/markdown"], "the upload was deleted when the task was done"


async def taken_out(system: System, task: Task) -> None:
    """Take a task out of its index."""
    entries = wiring.generate().index_entries
    for stored in await entries.due(system.clock.now() + timedelta(days=1), 1000):
        if stored.entry.task == task.id:
            await entries.remove(stored)
    for document in documents(system):
        if value_of(document, "task") == task.id:
            system.model.search_stores.remove(document.name, force=True)


async def test_what_is_added_after_another_instance_has_taken_over_is_taken_out_again(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await added(system, "north/slow.txt", "One instance is slow.")
    await taken_out(system, task)
    deps = wiring.generate()
    add_file = deps.file_search.add_file

    async def overtaken(*args: Any) -> str:
        monkeypatch.setattr(deps.file_search, "add_file", add_file)
        system.clock.advance(11 * 60)
        assert (await add_to_index(deps, task)).tokens
        return await add_file(*args)

    monkeypatch.setattr(deps.file_search, "add_file", overtaken)
    with pytest.raises(TransientFailure, match="by another instance"):
        await add_to_index(deps, task)
    assert documents_of(system, task) == ["text/markdown"]


async def test_adding_ends_before_the_hold_does(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    task = await added(system, "north/endless.txt", "One instance never ends.")
    await taken_out(system, task)
    with monkeypatch.context() as patch:
        patch.setattr(indexing, "_LONGEST", timedelta())
        with pytest.raises(TransientFailure, match="took too long"):
            await add_to_index(wiring.generate(), task)
    with pytest.raises(TransientFailure, match="by another instance"):
        await add_to_index(wiring.generate(), task)
    system.clock.advance(10 * 60)
    assert (await add_to_index(wiring.generate(), task)).tokens


async def test_what_an_import_may_yet_add_is_waited_for(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    task = await added(system, "north/late-import.txt", "The import goes on without us.")
    await taken_out(system, task)
    deps = wiring.generate()
    add_file = deps.file_search.add_file

    async def give_up(*args: Any) -> str:
        await add_file(*args)
        raise ImportUnderWay("File Search did not take the file in time")

    with monkeypatch.context() as patch:
        patch.setattr(deps.file_search, "add_file", give_up)
        with pytest.raises(ImportUnderWay):
            await add_to_index(deps, task)
    with pytest.raises(TransientFailure, match="by another instance"):
        await add_to_index(deps, task)
    system.clock.advance(10 * 60)
    assert (await add_to_index(deps, task)).tokens
    assert documents_of(system, task) == ["text/markdown"]


async def test_what_an_instance_added_that_died_before_its_commit_is_counted_once(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, died, stale = indexing.add_to_index, list[Indexed](), list[Stored]()

    async def die_once(deps: Any, task: Task) -> Indexed:
        indexed = await add(deps, task)
        if not died:
            died.append(indexed)
            stored = await system.tasks.get(task.id)
            assert stored is not None
            stale.append(stored)
            raise TransientFailure("died")
        return indexed

    monkeypatch.setattr(after_work, "add_to_index", die_once)
    task = await added(system, "north/died.txt", "The instance died right behind the last document.")
    usage = cast(Any, task.usage)
    assert usage["indexing"]["estimated_tokens"] == died[0].tokens > 0
    assert "index" in stale[0].task.after
    assert await after_work.run_after_work(wiring.generate(), stale[0])
    after = await system.tasks.get(task.id)
    assert after is not None
    assert cast(Any, after.task.usage) == usage, "another instance had counted it"


async def added_though_killed(system: System, monkeypatch: pytest.MonkeyPatch, name: str) -> Task:
    """Add a file; the first instance is killed behind its imports, before it could write that it has made them."""
    entries = wiring.generate().index_entries
    put, puts = entries.put, list[Entry]()

    async def killed_once(entry: Entry, before: Any) -> Any:
        puts.append(entry)
        if len(puts) == 2:
            raise RuntimeError("killed")
        return await put(entry, before)

    monkeypatch.setattr(entries, "put", killed_once)
    uri = await dropped(system, name, "The instance was killed between an import and its commit.")
    await system.until(uri, lambda _: len(puts) >= 2)
    return await system.ended(uri)


async def test_what_a_killed_instance_imported_is_counted_with_the_next_try(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await added_though_killed(system, monkeypatch, "north/killed.txt")
    usage = cast(Any, task.usage)
    answer = most_of_text("# killed.txt\n\nA summary of north/killed.txt.")
    one_try = answer + usage["rounds"][0]["prompt_tokens"]
    assert usage["indexing"]["estimated_tokens"] == 2 * one_try
    assert documents_of(system, task) == ["text/markdown", "text/plain"]
    rows = await wiring.generate().totals.rows(system.clock.now().date(), system.clock.now().date())
    assert sum(row.counters.prompt_tokens for row in rows if row.labels.model == EMBEDDING_MODEL) >= 2 * one_try


async def test_an_import_whose_end_is_not_known_is_counted(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    deps = wiring.generate()
    add_file, tries = deps.file_search.add_file, list[str]()

    async def add_late(*args: Any) -> str:
        tries.append(await add_file(*args))
        if len(tries) == 1:
            raise ImportUnderWay("File Search did not take the file in time")
        return tries[-1]

    monkeypatch.setattr(deps.file_search, "add_file", add_late)
    uri = await dropped(system, "north/unknown-end.txt", "The import ends after we have stopped waiting.")
    await system.until(uri, lambda _: bool(tries))
    task = await system.ended(uri)
    usage = cast(Any, task.usage)
    answer = most_of_text("# unknown-end.txt\n\nA summary of north/unknown-end.txt.")
    assert usage["indexing"]["estimated_tokens"] == 2 * (answer + usage["rounds"][0]["prompt_tokens"])


async def test_a_file_that_the_service_cannot_take_is_left_out_after_three_tries_which_are_all_counted(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    deps = wiring.generate()
    add_file, tries = deps.file_search.add_file, list[str]()

    async def fail_files(store: str, file: str, metadata: Any) -> str:
        document = await add_file(store, file, metadata)
        if documents(system)[-1].mime_type == "text/markdown":
            return document
        tries.append(document)
        await deps.file_search.delete_document(document)
        raise ImportFailed("File Search could not take the file: internal error")

    monkeypatch.setattr(deps.file_search, "add_file", fail_files)
    task = await added(system, "north/refused.txt", "The service cannot take this.")
    assert len(tries) == 3
    assert documents_of(system, task) == ["text/markdown"]
    assert any("has the answer, but not the file: File Search could not" in warning for warning in task.warnings)
    answer = most_of_text("# refused.txt\n\nA summary of north/refused.txt.")
    assert cast(Any, task.usage)["indexing"]["estimated_tokens"] == 3 * answer


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


async def test_an_answer_that_the_service_does_not_take_is_tried_once_and_the_file_is_there_without_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    deps, tries = wiring.generate(), list[str]()
    add_file = deps.file_search.add_file

    async def refuse_the_first(store: str, file: str, metadata: Any) -> str:
        tries.append(file)
        if len(tries) == 1:
            raise PermanentFailure("unsupported_content_type", "File Search does not take the file: no reason")
        return await add_file(store, file, metadata)

    monkeypatch.setattr(deps.file_search, "add_file", refuse_the_first)
    task = await added(system, "north/odd-answer.txt", "The answer to this is refused.")
    assert len(tries) == 2
    assert documents_of(system, task) == ["text/plain"]
    assert warned(task) == (
        "The index contracts does not have the answer: File Search does not take the file: no reason",
    )
    assert task.after == ()


@pytest.mark.parametrize(
    "failure", [ImportFailed("File Search could not take the file: internal error"), HandleGone("it is gone")]
)
async def test_an_import_that_always_fails_is_given_up_after_three_tries(
    system: System, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    deps, tries = wiring.generate(), list[str]()

    async def fail(store: str, file: str, metadata: Any) -> str:
        tries.append(file)
        raise failure

    monkeypatch.setattr(deps.file_search, "add_file", fail)
    name = f"north/never-{type(failure).__name__}.txt"
    task = await added(system, name, "None of this is ever taken.")
    assert len(tries) == 4, "three times the answer, then the file"
    assert documents_of(system, task) == []
    first, second = warned(task)
    assert first.startswith("The index contracts does not have the answer: ")
    assert second.startswith("The index contracts has no file either: ")


async def test_an_index_that_cannot_be_made_is_a_warning_at_once(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    deps, tries = wiring.generate(), list[str]()

    async def refuse(index: str) -> str:
        tries.append(index)
        raise PermanentFailure("upstream_error", "There are 10 stores already.")

    monkeypatch.setattr(deps.file_search, "open_store", refuse)
    task = await added(system, "north/eleventh.txt", "There is no room for this.")
    assert tries == ["contracts"]
    assert warned(task) == ("The file could not be added to its index: There are 10 stores already.",)
