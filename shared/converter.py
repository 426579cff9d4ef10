"""Convert recordings and films that Gemini does not take, in a child process, while they are uploaded.

An upload needs to know its size beforehand, and formats write their lengths into their beginnings at the end. So a file
is converted once to learn both. Up to 32 MiB of the result are kept, which is two hours of speech, and uploaded from
memory; what is larger is converted a second time while it is uploaded. Nothing is written to disk.

    source ──ranges──▶ child ──pieces──▶ kept or counted ──▶ the same again, as a stream ──▶ upload
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import itertools
import logging
import math
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from functools import partial
from typing import Any

from typing_extensions import Buffer

from shared.cloud.object_stream import StreamStopped
from shared.converter_child.output import patched
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.media.conversions import manual_conversion
from shared.domain.media.facts import Facts
from shared.sandbox import RangeSource, Reply, Sandbox, SandboxError, SandboxFailure, SandboxTimeout, Sink
from shared.sized_stream import ReadableStream

_log = logging.getLogger(__name__)

_KEPT_BYTES = 32 << 20
MAX_SECONDS = 780.0
"""For one pass, so that two fit into one dispatch."""
_AHEAD = 2
"""Pieces of 1 MiB that the child may be ahead of the upload."""
_LOOK_SECONDS = 0.5
"""How often a waiting upload looks whether it was stopped."""
_FUNCTION = "shared.converter_child.child:convert"


@dataclass(frozen=True)
class Converted:
    """A converted file: `whole`, or to be made again by `Converter.stream`."""

    became: str
    size: int
    patches: tuple[tuple[int, bytes], ...]
    """What the second pass changes in the beginning."""
    whole: tuple[bytes, ...] | None


class KeptOutput:
    """Collects the output of a child, and discards it if it has more than `most` bytes."""

    def __init__(self, most: float = math.inf) -> None:
        self._most, self.size = most, 0
        self.pieces: list[bytes] = []

    @property
    def is_whole(self) -> bool:
        return self.size <= self._most

    async def take(self, piece: bytes) -> None:
        self.size += len(piece)
        self.pieces.append(piece)
        if not self.is_whole:
            self.pieces.clear()


class Converter:
    """Converts files in a sandbox."""

    def __init__(self, sandbox: Sandbox, *, kept_bytes: int = _KEPT_BYTES, function: str = _FUNCTION) -> None:
        self._sandbox, self._kept_bytes, self._function = sandbox, kept_bytes, function

    async def convert(self, source: RangeSource, facts: Facts, *, seconds: float) -> Converted:
        """Convert a file that was examined, in `seconds` of the child's work.

        Raises `PermanentFailure` where that is not possible; errors of `source` pass through.
        """
        kept = KeptOutput(self._kept_bytes)
        reply = await self._run(source, facts, kept.take, seconds, ())
        value: dict[str, Any] = reply.value
        patches = tuple((at, base64.b64decode(data)) for at, data in value["patches"])
        whole = _patched(kept.pieces, patches) if kept.is_whole else None
        return Converted(value["became"], kept.size, patches, whole)

    def stream(
        self, source: RangeSource, facts: Facts, converted: Converted, *, seconds: float, stop: threading.Event
    ) -> io.IOBase:
        """Return the converted file for a thread that uploads it. Call it on the event loop."""
        if converted.whole is not None:
            return KeptPieces(converted.whole)
        second_pass = partial(self._run, source, facts, seconds=seconds, patches=converted.patches)
        return ChildStream(second_pass, converted.size, stop)

    async def _run(
        self, source: RangeSource, facts: Facts, sink: Sink, seconds: float, patches: tuple[tuple[int, bytes], ...]
    ) -> Reply:
        known = [[at, base64.b64encode(data).decode()] for at, data in patches]
        arguments = {"facts": facts.model_dump(mode="json"), "patches": known, "seconds": seconds}
        try:
            return await self._sandbox.run(self._function, arguments, source=source, sink=sink, seconds=seconds)
        except SandboxError as error:
            _log.warning("a file (%s) could not be converted: %r", facts.media_type.mime, error)
            raise PermanentFailure("file_processing_failed", _problem(error, facts, seconds)) from error


class ChildStream(ReadableStream):
    """What a child puts out, read by a thread meanwhile. Seekable only as far as an upload needs its size."""

    def __init__(self, run: Callable[[Sink], Coroutine[Any, Any, object]], size: int, stop: threading.Event) -> None:
        """`run` calls the child, which puts out `size` bytes, as it did before. Call it on the event loop."""
        super().__init__(size)
        self._loop, self._stop = asyncio.get_running_loop(), stop
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=_AHEAD)
        self._sent, self._piece = 0, b""
        self._child = self._loop.create_task(run(self._queue.put))

    def read(self, size: int | None = -1) -> bytes:
        if self._at != self._sent:
            raise io.UnsupportedOperation("it is read once, from start to end")
        wanted = self.size if size is None or size < 0 else size
        wanted = min(wanted, self.size - self._sent)
        pieces: list[bytes] = []
        while wanted > 0:
            if not self._piece:
                self._piece = self._next()
            part, self._piece = self._piece[:wanted], self._piece[wanted:]
            pieces.append(part)
            wanted -= len(part)
            self._sent += len(part)
        self._at = self._sent
        return b"".join(pieces)

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(RuntimeError):  # The loop may be closed, and the child with it.
                self._loop.call_soon_threadsafe(self._child.cancel)
        super().close()

    def _next(self) -> bytes:
        taken: Future[bytes] = asyncio.run_coroutine_threadsafe(self._take(), self._loop)
        while True:
            try:
                return taken.result(_LOOK_SECONDS)
            except NotYet:
                if self._stop.is_set():
                    taken.cancel()
                    raise StreamStopped("the upload was stopped") from None

    async def _take(self) -> bytes:
        """Return the next piece. Raises what ended the child, or `TransientFailure` if it put out less than before."""
        getting = asyncio.ensure_future(self._queue.get())
        try:
            await asyncio.wait({getting, self._child}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        self._child.result()
        raise TransientFailure("the file was converted or cut a second time, and is shorter than before")


class KeptPieces(ReadableStream):
    """A file in memory, in the pieces in which a child put it out: to join them would take as much again."""

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        super().__init__(sum(map(len, pieces)))
        self._pieces = pieces

    def readinto(self, buffer: Buffer, /) -> int:
        view, start, filled = memoryview(buffer), 0, 0
        for piece in self._pieces:
            if start <= self._at + filled < start + len(piece) and filled < len(view):
                part = piece[self._at + filled - start :][: len(view) - filled]
                view[filled : filled + len(part)] = part
                filled += len(part)
            start += len(piece)
        self._at += filled
        return filled


def _patched(pieces: list[bytes], patches: tuple[tuple[int, bytes], ...]) -> tuple[bytes, ...]:
    starts = itertools.accumulate((len(piece) for piece in pieces), initial=0)
    return tuple(patched(piece, start, patches) for start, piece in zip(starts, pieces, strict=False))


def _problem(error: SandboxError, facts: Facts, seconds: float) -> str:
    kind = facts.media_type
    match error:
        case SandboxTimeout() | SandboxFailure(kind="TooSlowError"):
            advice = manual_conversion(kind)
            return f"The file is {kind.label}, and converting it takes more than {seconds:.0f} s. {advice}"
        case SandboxFailure(kind="DamagedError"):
            return f"The file is {kind.label}, which is to be converted. {error}"
        case _:
            advice = manual_conversion(kind)
            return f"The file is {kind.label}, and cannot be converted: it is damaged or protected. {advice}"
