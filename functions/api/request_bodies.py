"""Read request bodies within a time limit and bounded memory, and process only a few large ones at a time.

headers ──▶ body arrives ─────────────────▶ a slot ──▶ checked
            slow senders are cut off,       occupied only while
            all bodies share a budget       a body is processed
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from starlette.requests import Request

from shared.domain.errors import RequestRefused
from shared.domain.request.schema import refuse_too_large
from shared.domain.tasks.access import Key

SMALL_BYTES = 256 << 10
"""Bodies up to this size count against no budget. Checking a larger body takes several times its size in memory."""
_LARGE_AT_ONCE = 2
_BUDGET_BYTES = 80 << 20
"""Bytes of all large bodies being read: together with those being checked they fit into 512 MiB."""
_BUDGET_OF_A_KEY = 48 << 20
_BUDGET_WAIT_SECONDS = 5.0
"""Seconds a body waits for its share of the budget. Without a limit, two half-read bodies could block each other."""
_GRACE_SECONDS = 10.0
_SLOWEST_BYTES_A_SECOND = 32 << 10
_LONGEST_SECONDS = 240.0


class Bodies:
    """The bodies that this instance is reading. Belongs to one event loop."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._bytes = 0
        self._of_keys: Counter[str] = Counter()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def body_of(self, request: Request, key: Key) -> AsyncIterator[bytes]:
        """Yield the whole body. Raises 408 if it arrives too slowly, 422 if it is too large, 503 if there is no room.

        A large body occupies one of few slots until the block ends.
        """
        refuse_too_large(_declared_length(request))
        share = _BudgetShare(self, key)
        try:
            body = await self._read(request, share)
            if len(body) <= SMALL_BYTES:
                yield body
                return
            async with self._slots:
                yield body
        finally:
            share.release()

    async def _read(self, request: Request, share: _BudgetShare) -> bytes:
        pieces: list[bytes] = []
        arrived = 0
        async for piece in read_pieces(request):
            arrived += len(piece)
            refuse_too_large(arrived)
            await share.grow_to(arrived)
            pieces.append(piece)
        return b"".join(pieces)

    async def take(self, key: Key, more: int) -> None:
        """Reserve bytes of both budgets, waiting until they have room."""
        try:
            async with asyncio.timeout(_BUDGET_WAIT_SECONDS):
                while self._bytes + more > _BUDGET_BYTES or self._of_keys[key.id] + more > _BUDGET_OF_A_KEY:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError as error:
            message = "Too many large requests are being received. Try again in a moment."
            raise RequestRefused(503, "service_unavailable", message, headers={"Retry-After": "5"}) from error
        self._bytes += more
        self._of_keys[key.id] += more

    def give_back(self, key: Key, size: int) -> None:
        self._bytes -= size
        self._of_keys[key.id] -= size
        if self._of_keys[key.id] <= 0:
            del self._of_keys[key.id]
        self._freed.set()


class _BudgetShare:
    """The share of the budgets that one body holds."""

    def __init__(self, bodies: Bodies, key: Key) -> None:
        self._bodies, self._key, self._size = bodies, key, 0

    async def grow_to(self, size: int) -> None:
        more = size - SMALL_BYTES - self._size
        if more > 0:
            await self._bodies.take(self._key, more)
            self._size += more

    def release(self) -> None:
        self._bodies.give_back(self._key, self._size)
        self._size = 0


async def read_pieces(request: Request, longest: float = _LONGEST_SECONDS) -> AsyncIterator[bytes]:
    """Yield the pieces of a body. Raises 408 if they arrive too slowly, not counting the time that the caller takes."""
    arrived, waited = 0, 0.0
    loop, stream = asyncio.get_running_loop(), aiter(request.stream())
    while True:
        began = loop.time()
        allowed = min(longest, _GRACE_SECONDS + arrived / _SLOWEST_BYTES_A_SECOND)
        try:
            async with asyncio.timeout(allowed - waited):
                piece = await anext(stream, None)
        except TimeoutError as error:
            raise _too_slow(arrived, allowed) from error
        waited += loop.time() - began
        if piece is None:
            return
        arrived += len(piece)
        yield piece


def _declared_length(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _too_slow(arrived: int, seconds: float) -> RequestRefused:
    message = (
        f"Only {arrived:,} bytes of the request arrived in {seconds:.0f} s. Send it faster, or name a gs:// object."
    )
    return RequestRefused(408, "request_timeout", message, headers={"Connection": "close"})


@cache
def bodies() -> Bodies:
    return Bodies()
