"""Store the model's answer in chunks for stream readers while it arrives, at most four chunks a second.

one claim      stores chunks 0, 1, 2, … with its token; the last chunk has a finish reason
a later claim  finds chunk 0 stored: it stores no chunks, and readers learn that the stream was interrupted
               (unless the whole answer was stored: then the missing chunks are stored from it)
resumed        continues the answer from a continuation token, and stores only text that readers do not have yet
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from functions.generate.lease import Lease
from shared.cloud.telemetry import log, log_failure
from shared.dependencies import GenerateDeps
from shared.domain.answer.chunks import KEPT_AFTER_END, Chunk, Gathered, join_chunks
from shared.domain.answer.completion import FinishReason
from shared.domain.answer.response import Json

_SECONDS_BETWEEN = 0.25


class ChunkWriter:
    """Collects the pieces of one answer and stores them as chunks."""

    def __init__(self, deps: GenerateDeps, lease: Lease, gathered: Gathered, offset: int | None, choice: int) -> None:
        """`offset` is None if the answer is not streamed, or if another claim has already stored chunks."""
        self._deps, self._lease, self._offset, self._choice = deps, lease, offset, choice
        self._gathered = gathered
        self._woken = asyncio.Event()
        self._writing = asyncio.Lock()
        self._is_marked = True
        """Whether the last chunk says that a later claim can go on, or there is no chunk."""

    def go_on(self, chunks: list[Chunk], so_far: Json) -> None:
        """Continue an answer. `so_far`: its stored part. Chunks that readers already have are not stored again."""
        stored = Gathered(self._gathered.reasoning)
        stored.add(so_far)
        self._gathered.go_on(stored, join_chunks(chunks))
        self._heed_divergence()

    def add(self, piece: Json) -> None:
        if self._offset is None:
            return
        self._gathered.add(piece)
        self._heed_divergence()
        if self._gathered:
            self._woken.set()

    def _heed_divergence(self) -> None:
        if self._gathered.diverged:
            log("WARNING", "stream_diverged", "the answer goes on with other words", task=self._lease.task.id)
            self._offset = None

    async def keep_storing(self) -> None:
        """Store collected pieces regularly, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._gathered.finish is None:
                await self._store_collected()
                await asyncio.sleep(_SECONDS_BETWEEN)

    async def finish(self) -> None:
        """Store the rest. The stream is complete if its last chunk has a finish reason.

        The end of an answer without words is not sent: the question is asked again, or the task fails.
        """
        if not self._gathered.answered:
            self._gathered.finish = None
        whole = self._gathered.finish is not None
        if self._gathered and not self._gathered.diverged:
            await self._store_collected()
        if whole and self._offset is not None:
            self._lease.stored_chunks, self._lease.streamed_answers = self._offset, self._choice + 1

    async def mark_resumable(self) -> None:
        """Store an empty chunk that marks the stream as resumable, so that readers do not take a break for its end."""
        if not self._lease.resumable or self._is_marked:
            return
        try:
            async with self._writing:
                if not self._is_marked:
                    await self._store({}, None)
        except Exception as error:  # As in `_store_until_cancelled`.
            log_failure("chunk_not_stored", error, service="Firestore", task=self._lease.task.id)

    async def _store_collected(self) -> None:
        async with self._writing:
            for delta, finish in self._gathered.take():
                await self._store(delta, finish)

    async def _store(self, delta: Json, finish: FinishReason | None) -> None:
        if (offset := self._offset) is None:
            return
        chunk = Chunk(
            delta=delta,
            finish=finish,
            choice=self._choice,
            claim=self._lease.token,
            resumable=self._lease.resumable,
            expires_at=_expiry(self._deps, self._lease),
        )
        try:
            stored, _ = await asyncio.gather(
                self._deps.chunks.put(self._lease.task.id, offset, chunk), self._lease.look()
            )
        except BaseException:
            # No chunk may follow a missing one. The rest of the answer is stored when the task ends.
            self._offset = None
            raise
        if not stored:
            log("WARNING", "stream_taken", "another claim writes this stream", task=self._lease.task.id)
        self._offset = offset + 1 if stored else None
        self._is_marked = chunk.resumable or self._offset is None
        self._lease.streamed_chunks, self._lease.streamed_choice = self._offset or 0, self._choice


@asynccontextmanager
async def writing_chunks(
    deps: GenerateDeps,
    lease: Lease,
    *,
    reasoning: bool,
    silent: bool = False,
    so_far: Json | None = None,
    choice: int = 0,
) -> AsyncIterator[ChunkWriter]:
    """Store chunks while the body runs, and finish the stream if the body ends without an error.

    A `silent` answer is not streamed: an answer about a part of the file, which readers get once all are joined, or a
    second answer after readers have text of a first. `so_far`: the stored part of an answer that is continued.
    `choice`: the number of the answer, if the request wants several; the stream is complete after the last one.
    """
    lease.stored_chunks = 0
    silent = silent or choice > lease.streamed_answers
    going_on = so_far is not None and lease.task.stream and not silent
    chunks = await deps.chunks.since(lease.task.id, 0) if going_on else []
    offset = None if silent else len(chunks) if going_on else await _beginning(deps, lease)
    earlier = [chunk for chunk in chunks if chunk.choice == choice]
    begun = bool(earlier) if going_on else bool(offset) and lease.streamed_choice == choice
    writer = ChunkWriter(deps, lease, Gathered(reasoning, begun=begun), offset, choice)
    if going_on and so_far is not None:
        writer.go_on(earlier, so_far)
    if offset is None:
        yield writer
        return
    storing = asyncio.create_task(_store_until_cancelled(writer, lease.task.id))
    try:
        yield writer
        # A chunk that is cut off while it is stored counts as missing, and nothing can follow it.
        async with writer._writing:
            storing.cancel()
    finally:
        storing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await storing
    await writer.finish()


class Answered(NamedTuple):
    """One of the request's answers, as stream readers get it, with the claim that received it."""

    choice: int
    response: Json
    claim: int


async def store_remaining_chunks(
    deps: GenerateDeps, lease: Lease, answers: Sequence[Answered], *, reasoning: bool
) -> None:
    """Store the chunks that an earlier claim did not store, from the stored answers."""
    chunks = await deps.chunks.since(lease.task.id, 0)
    offset = len(chunks)
    for answer in answers:
        remaining = _remaining([chunk for chunk in chunks if chunk.choice == answer.choice], answer, reasoning)
        if remaining is None:
            return
        for delta, finish in remaining:
            chunk = Chunk(
                delta=delta,
                finish=finish,
                choice=answer.choice,
                claim=answer.claim,
                expires_at=_expiry(deps, lease),
            )
            if not await deps.chunks.put(lease.task.id, offset, chunk):
                return
            offset += 1
    lease.stored_chunks = offset


def _remaining(stored: list[Chunk], answer: Answered, reasoning: bool) -> list[tuple[Json, FinishReason | None]] | None:
    """Return the part of an answer that readers do not have; None if the answer does not continue the stored chunks."""
    if any(chunk.claim != answer.claim for chunk in stored) and not any(chunk.resumable for chunk in stored):
        return None
    if stored and stored[-1].finish is not None:
        return []
    whole, rest = Gathered(reasoning), Gathered(reasoning, begun=bool(stored))
    whole.add(answer.response)
    rest.go_on(whole, join_chunks(stored))
    if rest.diverged or rest.is_behind:
        return None
    # An answer without a finish reason may be incomplete.
    rest.finish = whole.finish or "length"
    return list(rest.take())


async def _store_until_cancelled(writer: ChunkWriter, task_id: str) -> None:
    """Store chunks and log failures: the whole answer is stored separately and must not fail because of its stream."""
    while True:
        try:
            await writer.keep_storing()
        except Exception as error:
            log_failure("chunk_not_stored", error, service="Firestore", task=task_id)
            return


async def _beginning(deps: GenerateDeps, lease: Lease) -> int | None:
    if not lease.task.stream:
        return None
    if lease.streamed_chunks:
        return lease.streamed_chunks
    begun = lease.token > 1 and await deps.chunks.since(lease.task.id, 0)
    return None if begun else 0


def _expiry(deps: GenerateDeps, lease: Lease) -> datetime:
    """Return when the chunks expire: 15 minutes after the latest possible end of this dispatch."""
    return deps.clock.now() + timedelta(seconds=max(0.0, lease.seconds_left)) + KEPT_AFTER_END
