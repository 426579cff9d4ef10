"""Follow tasks for any number of readers: one poll loop per task and instance, only while somebody reads.

readers ──▶ Follower ──▶ one loop: chunks since the last one; the task itself once a second, and at the end
               │
               └─ blocks, encoded once for all readers; ended streams are kept for later readers (bounded)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import cache
from typing import NamedTuple

from cachetools import FIFOCache

from functions.api.shutdown import Shutdown
from shared import wiring
from shared.cloud.telemetry import log_failure
from shared.dependencies import ApiDeps
from shared.domain.answer.chunks import Chunk
from shared.domain.answer.completion import chunk as openai_chunk
from shared.domain.answer.response import Json
from shared.domain.money.ledger import OPENAI_USAGE
from shared.domain.tasks.task import Task

_SHORTEST, _LONGEST = 0.1, 0.4
"""Seconds between two polls: short after a change, longer while nothing changes."""
_TASK_SECONDS = 1.0
"""Seconds after which a follower reads its task again."""
_POLLS_AT_ONCE = 24
_POLLS_A_SECOND = 250
"""Polls per second of all loops together; with many streams, each is polled less often."""
_REMEMBERED_BYTES = 48 << 20


class StreamFailure(NamedTuple):
    """Why a stream ends before its answer."""

    code: str
    message: str


_INTERRUPTED = StreamFailure(
    "stream_interrupted", "The stream was interrupted: a new attempt was begun. GET the task for the whole answer."
)


class Follower:
    """The state of one task as this instance last read it. `changed` is set and replaced at every change."""

    def __init__(self, deps: ApiDeps, followers: Followers, task: Task) -> None:
        self._deps, self._followers = deps, followers
        self.task = task
        self.blocks: list[bytes] = []
        self.size = 0
        self.changed = asyncio.Event()
        self._last: Chunk | None = None
        self._has_all_chunks = False
        self._readers = self._stream_readers = 0
        self._loop: asyncio.Task[None] | None = None
        self._task_read_at = deps.clock.time()

    def join(self, *, stream: bool) -> None:
        self._readers += 1
        self._stream_readers += stream
        if (self._loop is None or self._loop.done()) and not self._is_settled:
            self._loop = asyncio.create_task(self._poll())

    def leave(self, *, stream: bool) -> None:
        self._readers -= 1
        self._stream_readers -= stream
        if self._readers == 0:
            if self._loop is not None:
                self._loop.cancel()
                self._loop = None
            self._followers.release(self)

    @property
    def is_over(self) -> bool:
        """Return whether the task cannot change any more."""
        return self.task.terminal and (self._has_all_chunks or self.is_whole or not self.task.stream)

    @property
    def _is_settled(self) -> bool:
        """Return whether there is nothing left to poll for the current readers."""
        return self.is_over or (self.task.terminal and self._stream_readers == 0)

    @property
    def failure(self) -> StreamFailure | None:
        """Return why the stream ended early, or None."""
        task, last = self.task, self._last
        if not task.terminal:
            moved_on = last is not None and task.token > last.claim and not last.resumable
            return _INTERRUPTED if moved_on else None
        if not self._has_all_chunks:
            return None
        if task.error is not None:
            return StreamFailure(task.error.code, task.error.message)
        return None if self.is_whole else _INTERRUPTED

    @property
    def is_whole(self) -> bool:
        """Return whether the blocks hold the whole committed answer."""
        return self.task.status == "completed" and 0 < self.task.stored_chunks <= len(self.blocks)

    def closing_chunk(self) -> Json:
        """Return the usage chunk, with the number of chunks."""
        base = openai_chunk({}, task_id=self.task.id, created=_created(self.task), model=self.task.model)
        usage = {name: value for name, value in (self.task.usage or {}).items() if name in OPENAI_USAGE}
        return {**base, "choices": [], "usage": usage, "total_chunks": len(self.blocks)}

    async def _poll(self) -> None:
        pause = _SHORTEST
        while not self._is_settled:
            try:
                async with self._followers.polls:
                    has_news = await self._poll_once()
            except Exception as error:  # The next poll may succeed; until then readers get heartbeats.
                log_failure("follow_failed", error, task=self.task.id)
                has_news, pause = False, _LONGEST
            if has_news:
                self.notify_readers()
            if self._is_settled:
                break
            pause = _SHORTEST if has_news else min(_LONGEST, pause * 1.5)
            await asyncio.sleep(max(pause, self._followers.fair_pause))

    async def _poll_once(self) -> bool:
        wants_chunks = self.task.stream and self._stream_readers > 0
        ended_before = self.task.terminal
        chunks = await self._deps.chunks.since(self.task.id, len(self.blocks)) if wants_chunks else []
        for chunk in chunks:
            self._append_chunk(chunk)
        has_news = bool(chunks)
        if ended_before:
            # Chunks are written before the task ends, so this poll has read the last one.
            self._has_all_chunks = wants_chunks
            return True
        stale = self._deps.clock.time() - self._task_read_at >= _TASK_SECONDS
        if not wants_chunks or stale or (self._last is not None and self._last.finish is not None):
            has_news = await self._refresh_task() or has_news
        return has_news

    async def _refresh_task(self) -> bool:
        stored = await self._deps.tasks.get(self.task.id)
        self._task_read_at = self._deps.clock.time()
        if stored is None or stored.task.change == self.task.change:
            return False
        self.task = stored.task
        return True

    def _append_chunk(self, chunk: Chunk) -> None:
        payload = openai_chunk(
            chunk.delta,
            task_id=self.task.id,
            created=_created(self.task),
            model=self.task.model,
            finish=chunk.finish,
            index=chunk.choice,
        )
        block = format_block("chunk", payload, offset=len(self.blocks))
        self.blocks.append(block)
        self.size += len(block)
        self._last = chunk

    def notify_readers(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Followers:
    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps
        self._active: dict[str, Follower] = {}
        self._ended: FIFOCache[str, Follower] = FIFOCache(_REMEMBERED_BYTES, lambda follower: follower.size)
        self.polls = asyncio.Semaphore(_POLLS_AT_ONCE)
        self.shutdown = Shutdown(self._notify_all)

    @property
    def fair_pause(self) -> float:
        return len(self._active) / _POLLS_A_SECOND

    def find(self, task_id: str) -> Follower | None:
        """Return the follower of the task if it is active or remembered, else None."""
        return self._active.get(task_id) or self._ended.get(task_id)

    def follow(self, task: Task) -> Follower:
        """Return the follower of `task`, which was just read; create it if needed."""
        self.shutdown.watch()
        follower = self.find(task.id)
        if follower is None:
            follower = self._active[task.id] = Follower(self._deps, self, task)
        elif task.terminal and not follower.task.terminal:
            follower.task = task
        return follower

    def release(self, follower: Follower) -> None:
        """Stop following a task without readers. Ended streams are remembered; the oldest are dropped first."""
        was_active = self._active.pop(follower.task.id, None) is not None
        if was_active and follower.is_over and follower.task.stream and follower.size <= _REMEMBERED_BYTES:
            self._ended[follower.task.id] = follower

    def _notify_all(self) -> None:
        for follower in self._active.values():
            follower.notify_readers()


@cache
def followers() -> Followers:
    return Followers(wiring.api())


async def wait_for_change(changed: asyncio.Event, seconds: float) -> bool:
    """Wait for a change; return False if there was none within the time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
            return True
    return False


def format_block(event: str, data: Json, *, offset: int | None = None) -> bytes:
    """Format one block of an event stream."""
    number = f"id: {offset}\n" if offset is not None else ""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{number}event: {event}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")


def _created(task: Task) -> int:
    return int(task.created_at.timestamp())
