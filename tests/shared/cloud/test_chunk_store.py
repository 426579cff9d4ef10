"""Chunks of a stream: written once, read in order up to the first gap, over as many pages as it takes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.cloud.chunk_store import ChunkStore
from shared.cloud.firestore import Tasks
from shared.domain.answer.chunks import Chunk

TASK = "task-llm-1767225600-abcdefgh"


@pytest.fixture
def store(tasks: Tasks) -> ChunkStore:
    return ChunkStore(tasks.client)


def a_chunk(text: str) -> Chunk:
    return Chunk(claim=1, delta={"content": text, "nested": [[1], [2]]}, expires_at=datetime(2026, 5, 1, tzinfo=UTC))


async def test_an_offset_is_written_once_and_the_same_chunk_again_is_no_conflict(store: ChunkStore) -> None:
    assert await store.put(TASK, 0, a_chunk("a"))
    assert await store.put(TASK, 0, a_chunk("a"))
    assert not await store.put(TASK, 0, a_chunk("b"))
    assert await store.since(TASK, 0) == [a_chunk("a")]


async def test_a_chunk_whose_acknowledgement_was_lost_is_known_as_ones_own(store: ChunkStore, tap: Tap) -> None:
    tap.faults.add([Fault(service="firestore", match="Commit", times=1, drop="after")])
    assert await store.put(TASK, 0, a_chunk("a"))


async def test_chunks_are_read_in_order_from_an_offset_up_to_the_first_gap(store: ChunkStore) -> None:
    for offset in (0, 1, 2, 4):
        await store.put(TASK, offset, a_chunk(str(offset)))
    assert await store.since(TASK, 1) == [a_chunk("1"), a_chunk("2")]
    assert await store.since(TASK, 3) == []
    assert await store.since(TASK, 4) == [a_chunk("4")]


async def test_a_stream_of_more_chunks_than_a_page_is_read_whole(store: ChunkStore) -> None:
    for offset in range(302):
        await store.put(TASK, offset, a_chunk(str(offset)))
    assert len(await store.since(TASK, 0)) == 302
