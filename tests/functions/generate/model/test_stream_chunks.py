"""What the readers of a stream are told when the answer can be gone on with after a restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from functions.generate.lease import Lease
from functions.generate.model.stream_chunks import Telling
from shared.dependencies import GenerateDeps
from shared.domain.answer.chunks import Chunk, Gathered


class Chunks:
    """Keeps what is stored in memory."""

    def __init__(self) -> None:
        self.stored: list[Chunk] = []
        self.failing = False

    async def put(self, task_id: str, offset: int, chunk: Chunk) -> bool:
        await asyncio.sleep(0)
        if self.failing:
            raise ConnectionError("the database is away")
        assert offset == len(self.stored)
        self.stored.append(chunk)
        return True


class Held:
    """The parts of a lease that a stream needs."""

    def __init__(self) -> None:
        self.task = SimpleNamespace(id="task-llm-1767225600-abcdefgh")
        self.token, self.resumable, self.told_chunks, self.seconds_left = 1, False, 0, 60.0
        self.stored_chunks = 0

    async def look(self) -> None: ...


@pytest.fixture
def chunks() -> Chunks:
    return Chunks()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def telling(chunks: Chunks, held: Held) -> Telling:
    clock = SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    deps = cast(GenerateDeps, SimpleNamespace(clock=clock, chunks=chunks))
    return Telling(deps, cast(Lease, held), Gathered(False), 0, 0)


def say(telling: Telling, text: str) -> None:
    telling.heard({"candidates": [{"content": {"parts": [{"text": text}]}}]})


async def test_a_chunk_from_before_the_first_token_is_followed_by_one_that_says_the_answer_goes_on(
    telling: Telling, chunks: Chunks, held: Held
) -> None:
    say(telling, "one ")
    await telling.finish()
    await telling.mark_resumable()
    assert [chunk.resumable for chunk in chunks.stored] == [False]
    held.resumable = True
    await asyncio.gather(telling.mark_resumable(), telling.mark_resumable())
    assert [(chunk.delta, chunk.resumable) for chunk in chunks.stored[1:]] == [({}, True)]


async def test_no_chunk_is_spent_where_the_readers_know(telling: Telling, chunks: Chunks, held: Held) -> None:
    held.resumable = True
    await telling.mark_resumable()
    say(telling, "one ")
    await telling.finish()
    await telling.mark_resumable()
    assert [chunk.delta.get("content") for chunk in chunks.stored] == ["one "]


async def test_an_answer_goes_on_if_its_readers_cannot_be_told(telling: Telling, chunks: Chunks, held: Held) -> None:
    say(telling, "one ")
    await telling.finish()
    held.resumable = chunks.failing = True
    await telling.mark_resumable()
    assert len(chunks.stored) == 1


async def test_no_chunk_follows_one_that_could_not_be_stored(telling: Telling, chunks: Chunks, held: Held) -> None:
    """The end of the task stores what is missing: a stream with a hole would pass for the whole answer."""
    chunks.failing = True
    say(telling, "one ")
    with pytest.raises(ConnectionError):
        await telling.finish()
    chunks.failing = False
    telling.heard({"candidates": [{"content": {"parts": [{"text": "two"}]}, "finishReason": "STOP"}]})
    await telling.finish()
    assert (chunks.stored, held.stored_chunks) == ([], 0)
