"""What the readers of a stream are told when the answer can be gone on with after a restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from functions.generate.lease import Lease
from functions.generate.model.stream_chunks import Answered, ChunkWriter, store_remaining_chunks, writing_chunks
from shared.dependencies import GenerateDeps
from shared.domain.answer.chunks import Chunk, Gathered
from shared.domain.answer.response import Json


class Chunks:
    """Keeps what is stored in memory."""

    def __init__(self) -> None:
        self.stored: list[Chunk] = []
        self.failing = False

    async def since(self, task_id: str, offset: int) -> list[Chunk]:
        return self.stored[offset:]

    async def put(self, task_id: str, offset: int, chunk: Chunk) -> bool:
        await asyncio.sleep(0)
        if self.failing:
            raise ConnectionError("the database is away")
        assert offset == len(self.stored)
        self.stored.append(chunk)
        return True


class SlowChunks(Chunks):
    """Stores nothing until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.gate = asyncio.Event(), asyncio.Event()

    async def put(self, task_id: str, offset: int, chunk: Chunk) -> bool:
        self.begun.set()
        await self.gate.wait()
        return await super().put(task_id, offset, chunk)


class Held:
    """The parts of a lease that a stream needs."""

    def __init__(self) -> None:
        self.task = SimpleNamespace(id="task-llm-1767225600-abcdefgh", stream=True)
        self.token, self.resumable, self.streamed_chunks, self.seconds_left = 1, False, 0, 60.0
        self.stored_chunks = self.streamed_answers = self.streamed_choice = 0

    async def look(self) -> None: ...


@pytest.fixture
def chunks() -> Chunks:
    return Chunks()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def deps(chunks: Chunks) -> GenerateDeps:
    clock = SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    return cast(GenerateDeps, SimpleNamespace(clock=clock, chunks=chunks))


@pytest.fixture
def writer(deps: GenerateDeps, held: Held) -> ChunkWriter:
    return ChunkWriter(deps, cast(Lease, held), Gathered(False), 0, 0)


def say(writer: ChunkWriter, text: str) -> None:
    writer.add({"candidates": [{"content": {"parts": [{"text": text}]}}]})


async def test_a_chunk_from_before_the_first_token_is_followed_by_one_that_says_the_answer_goes_on(
    writer: ChunkWriter, chunks: Chunks, held: Held
) -> None:
    say(writer, "one ")
    await writer.finish()
    await writer.mark_resumable()
    assert [chunk.resumable for chunk in chunks.stored] == [False]
    held.resumable = True
    await asyncio.gather(writer.mark_resumable(), writer.mark_resumable())
    assert [(chunk.delta, chunk.resumable) for chunk in chunks.stored[1:]] == [({}, True)]


async def test_no_chunk_is_spent_where_the_readers_know(writer: ChunkWriter, chunks: Chunks, held: Held) -> None:
    held.resumable = True
    await writer.mark_resumable()
    say(writer, "one ")
    await writer.finish()
    await writer.mark_resumable()
    assert [chunk.delta.get("content") for chunk in chunks.stored] == ["one "]


async def test_an_answer_goes_on_if_its_readers_cannot_be_told(writer: ChunkWriter, chunks: Chunks, held: Held) -> None:
    say(writer, "one ")
    await writer.finish()
    held.resumable = chunks.failing = True
    await writer.mark_resumable()
    assert len(chunks.stored) == 1


async def test_no_chunk_follows_one_that_could_not_be_stored(writer: ChunkWriter, chunks: Chunks, held: Held) -> None:
    """The end of the task stores what is missing: a stream with a hole would pass for the whole answer."""
    chunks.failing = True
    say(writer, "one ")
    with pytest.raises(ConnectionError):
        await writer.finish()
    chunks.failing = False
    writer.add({"candidates": [{"content": {"parts": [{"text": "two"}]}, "finishReason": "STOP"}]})
    await writer.finish()
    assert (chunks.stored, held.stored_chunks) == ([], 0)


async def test_an_answer_that_ends_while_a_chunk_is_stored_is_told_to_its_end(deps: GenerateDeps, held: Held) -> None:
    slow = SlowChunks()
    cast(SimpleNamespace, deps).chunks = slow
    async with writing_chunks(deps, cast(Lease, held), reasoning=False) as writer:
        say(writer, "one ")
        await slow.begun.wait()
        writer.add(answered(0, "two").response)
        asyncio.get_running_loop().call_soon(slow.gate.set)
    assert [(chunk.delta.get("content"), chunk.finish) for chunk in slow.stored] == [("one ", None), ("two", "stop")]
    assert held.stored_chunks == 2


def answered(choice: int, text: str) -> Answered:
    whole: Json = {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]}
    return Answered(choice, whole, 1)


async def test_an_answer_is_not_told_behind_one_that_was_not_told_whole(
    deps: GenerateDeps, chunks: Chunks, held: Held
) -> None:
    """The end of the task tells what is missing of the one, and all of the other."""
    lease = cast(Lease, held)

    async with writing_chunks(deps, lease, reasoning=False) as first:
        say(first, "one ")
        await first.finish()
        chunks.failing = True
        say(first, "two")
    chunks.failing = False
    async with writing_chunks(deps, lease, reasoning=False, choice=1) as second:
        second.add(answered(1, "three").response)
    assert [chunk.delta.get("content") for chunk in chunks.stored] == ["one "]
    assert held.stored_chunks == 0
    await store_remaining_chunks(deps, lease, [answered(0, "one two"), answered(1, "three")], reasoning=False)
    assert [(chunk.choice, chunk.delta.get("content"), chunk.finish) for chunk in chunks.stored] == [
        (0, "one ", None),
        (0, "two", "stop"),
        (1, "three", "stop"),
    ]
    assert held.stored_chunks == 3
