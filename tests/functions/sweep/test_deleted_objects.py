"""Entries of objects that are there are checked rarely, and side by side."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from functions.sweep.deleted_objects import remove_deleted_objects
from shared.clock import MovableClock
from shared.cloud.index_entries import StoredEntry
from shared.dependencies import SweepDeps
from shared.domain.index_entries import Entry, next_check


class Indexed:
    """Entries and their objects, all of which are there; counts what is asked."""

    def __init__(self, now: datetime, count: int) -> None:
        self.entries = {entry.key: entry for entry in (made(f"gs://inbox/{n}", now) for n in range(count))}
        self.stats = self.writes = self.under_way = self.most_at_once = 0
        self.unreadable = set[str]()
        self.generation = 7

    async def due(self, before: datetime, limit: int) -> list[StoredEntry]:
        due = sorted(self.entries.values(), key=lambda entry: entry.check_at)
        return [StoredEntry(entry, None) for entry in due if entry.check_at < before][:limit]

    async def put(self, entry: Entry, before: StoredEntry | None) -> StoredEntry:
        self.writes += 1
        self.entries[entry.key] = entry
        return StoredEntry(entry, None)

    async def stat(self, bucket: str, name: str) -> Any:
        self.stats += 1
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if name in self.unreadable:
            raise RuntimeError("on purpose")
        return SimpleNamespace(generation=self.generation)

    async def remove(self, stored: StoredEntry) -> bool:
        await asyncio.sleep(0)
        return self.entries.pop(stored.entry.key, None) is not None


def made(uri: str, now: datetime) -> Entry:
    return Entry(
        index="notes",
        store="fileSearchStores/notes-1",
        object=uri,
        generation=7,
        task="task-llm-1776874565-yq3szvcu",
        places=("inbox:inbox",),
        added_at=now,
        check_at=next_check(now, now),
    )


@pytest.fixture
def deps(system: SweepDeps) -> SweepDeps:
    indexed = Indexed(system.clock.now(), 25)
    fakes: Any = {"index_entries": indexed, "storage": indexed, "file_search": SimpleNamespace()}
    return replace(system, **fakes)


async def swept(deps: SweepDeps, *, scheduled: bool = True) -> Counter[str]:
    tally = Counter[str]()
    await remove_deleted_objects(deps, tally, stop_at=deps.clock.time() + 600, scheduled=scheduled)
    return tally


async def test_an_object_is_looked_for_once_an_hour_and_more_often_while_it_is_young(
    deps: SweepDeps, clock: MovableClock
) -> None:
    indexed = cast(Indexed, deps.index_entries)
    checks = list[int]()
    for _ in range(30):
        clock.advance(600)
        await swept(deps)
        checks.append(indexed.stats // 25)
    assert checks[:2] == [1, 2]
    assert 6 <= checks[-1] <= 9, "in five hours"
    assert indexed.writes == indexed.stats


async def test_a_few_objects_are_looked_for_at_a_time_and_a_sweep_by_hand_looks_for_all(deps: SweepDeps) -> None:
    indexed = cast(Indexed, deps.index_entries)
    await swept(deps)
    assert indexed.stats == 0
    await swept(deps, scheduled=False)
    assert (indexed.stats, indexed.most_at_once) == (25, 10)


async def test_an_object_that_could_not_be_looked_for_is_looked_for_by_the_next_sweep(
    deps: SweepDeps, clock: MovableClock
) -> None:
    indexed = cast(Indexed, deps.index_entries)
    clock.advance(timedelta(days=1).total_seconds())
    indexed.unreadable.add("3")
    assert (await swept(deps))["errors"] == 1
    clock.advance(600)
    before = indexed.stats
    assert (await swept(deps))["errors"] == 1
    assert indexed.stats == before + 1


async def test_every_entry_that_is_removed_is_counted(deps: SweepDeps) -> None:
    indexed = cast(Indexed, deps.index_entries)
    indexed.generation = 8
    assert (await swept(deps, scheduled=False))["index_entries_removed"] == 25
    assert indexed.entries == {}
