"""An index has one store and an object one entry, whoever else makes them at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from local.standins.faults import Fault
from local.standins.gemini import GeminiStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.file_search import FileSearch
from shared.cloud.firestore import Tasks
from shared.cloud.gemini import Gemini
from shared.cloud.index_entries import IndexEntries
from shared.domain.errors import Unavailable
from shared.domain.index_entries import Entry


@pytest.fixture
async def model(
    clock: MovableClock, tap: Tap, tmp_path: Path, environment: pytest.MonkeyPatch
) -> AsyncIterator[GeminiStandIn]:
    stand_in = GeminiStandIn(clock=clock, data=tmp_path / "gemini", tap=tap)
    environment.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{await stand_in.start()}")
    yield stand_in
    await stand_in.stop()


@pytest.fixture
async def gemini(model: GeminiStandIn, clock: MovableClock) -> AsyncIterator[Gemini]:
    gemini = Gemini("a-key", clock, threads=1)
    yield gemini
    await gemini.aclose()


def entry(clock: MovableClock, **fields: object) -> Entry:
    made = {
        "index": "notes",
        "store": "fileSearchStores/notes-1",
        "object": "gs://inbox/a.txt",
        "generation": 7,
        "task": "task-llm-1776874565-yq3szvcu",
        "places": ("inbox:inbox", "gs://inbox/"),
        "added_at": clock.now(),
        "check_at": clock.now(),
    }
    return Entry.model_validate({**made, **fields})


async def test_instances_that_open_an_index_at_once_agree_on_its_store(
    tasks: Tasks, gemini: Gemini, model: GeminiStandIn, clock: MovableClock
) -> None:
    instances = [FileSearch(gemini, IndexEntries(tasks.client), clock, "dev") for _ in range(3)]
    names = await asyncio.gather(*(instance.open_store("notes") for instance in instances for _ in range(2)))
    assert len(set(names)) == 1
    assert [store.name for store in model.search_stores.listed()] == [names[0]]
    assert await IndexEntries(tasks.client).store("notes") == names[0]
    assert await IndexEntries(tasks.client).store("other") is None


async def test_a_store_that_was_made_before_a_crash_is_used(
    tasks: Tasks, gemini: Gemini, model: GeminiStandIn, clock: MovableClock
) -> None:
    made = model.search_stores.create("dropsight dev notes").name
    assert await FileSearch(gemini, IndexEntries(tasks.client), clock, "dev").open_store("notes") == made
    other = await FileSearch(gemini, IndexEntries(tasks.client), clock, "other").open_store("elsewhere")
    assert other != made


async def test_an_outage_of_the_service_is_transient(
    tasks: Tasks, gemini: Gemini, tap: Tap, clock: MovableClock
) -> None:
    search = FileSearch(gemini, IndexEntries(tasks.client), clock, "dev")
    tap.faults.add([Fault(service="gemini", match="fileSearchStores", status=503, times=1)])
    with pytest.raises(Unavailable):
        await search.open_store("notes")
    store = await search.open_store("notes")
    await search.delete_document(f"{store}/documents/never-there")


async def test_an_entry_is_written_only_as_it_was_read(tasks: Tasks, clock: MovableClock) -> None:
    entries = IndexEntries(tasks.client)
    made = await entries.put(entry(clock, holder="one"), None)
    assert made is not None
    assert await entries.put(entry(clock, holder="two"), None) is None
    changed = await entries.put(entry(clock, holder="two"), made)
    assert changed is not None
    assert await entries.put(entry(clock, holder="three"), made) is None
    assert not await entries.remove(made)
    assert await entries.remove(changed)
    assert await entries.get(made.entry.key) is None


async def test_entries_come_by_how_long_their_check_is_due(tasks: Tasks, clock: MovableClock) -> None:
    entries, now = IndexEntries(tasks.client), clock.now()
    for minutes, name in ((1, "young"), (30, "old"), (20, "older")):
        check_at = now - timedelta(minutes=minutes)
        await entries.put(entry(clock, object=f"gs://inbox/{name}", check_at=check_at), None)
    found = await entries.due(now - timedelta(minutes=10), 10)
    assert [stored.entry.object for stored in found] == ["gs://inbox/old", "gs://inbox/older"]
    assert len(await entries.due(now, 1)) == 1
