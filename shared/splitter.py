"""Cut PDFs and recordings into parts, in a child process that may die."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from shared.converter import ChildStream, KeptOutput, KeptPieces
from shared.domain.errors import PermanentFailure
from shared.domain.media.facts import Facts
from shared.domain.media.limits import GEMINI
from shared.domain.splitting.plan import Span
from shared.sandbox import (
    RangeSource,
    Sandbox,
    SandboxCrashed,
    SandboxError,
    SandboxFailure,
    SandboxOutOfMemory,
    SandboxTimeout,
    Sink,
)

_PLAN_PAGES = "shared.splitter_child.pages:plan"
_CUT_PAGES = "shared.splitter_child.pages:cut"
_FIND_SILENCES = "shared.splitter_child.sounds:silences"
_CUT_SOUND = "shared.splitter_child.sounds:cut"
_KEPT_BYTES = 8 << 20
"""Parts of a PDF up to this size are held in memory."""
_SECONDS = 300.0
"""Seconds of the child's work on one call: three hours of sound take a minute and a half."""


class Splitter:
    """Cuts files in a sandbox. A part of a recording is held in memory: three hours have 45 MB.

    No child serves a second call, since libraries do not return the memory that a large file took.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def plan_pages(self, source: RangeSource, facts: Facts, *, most_pages: int, most_parts: int) -> list[Span]:
        """Return ranges of pages, none too long or too large. There may be more than `most_parts`."""
        arguments = {
            "pages": facts.pages,
            "most_pages": most_pages,
            "most_bytes": GEMINI.pdf_bytes,
            "most_parts": most_parts,
        }
        ranges = cast(list[list[int]], await self._call(_PLAN_PAGES, arguments, source, facts))
        return [Span(start=first, end=last, unit="pages") for first, last in ranges]

    async def find_silences(self, source: RangeSource, facts: Facts, cuts: list[float], search: float) -> list[float]:
        """Return for each nominal cut a quiet moment within `search` seconds of it."""
        if not cuts or not facts.has_audio:
            return cuts
        arguments = {"cuts": cuts, "search": search, "facts": facts.model_dump(mode="json")}
        return cast(list[float], await self._call(_FIND_SILENCES, arguments, source, facts))

    async def cut(self, source: RangeSource, facts: Facts, span: Span, stop: threading.Event) -> io.IOBase:
        """Return a part of a PDF as PDF, or of a recording as Opus in Ogg, for a thread that uploads it.

        A large part of a PDF is cut twice: to learn its size, and while it is uploaded. To make it takes twice its
        size in the child, and it is not held here as well.
        """
        if span.unit == "pages":
            pages = {"first": int(span.start), "last": int(span.end)}
            cut = partial(self._call, _CUT_PAGES, pages, source, facts)
            kept = KeptOutput(_KEPT_BYTES)
        else:
            seconds = {"start": span.start, "end": span.end, "facts": facts.model_dump(mode="json")}
            cut = partial(self._call, _CUT_SOUND, seconds, source, facts)
            kept = KeptOutput()
        await cut(kept.take)
        return KeptPieces(tuple(kept.pieces)) if kept.is_whole else ChildStream(cut, kept.size, stop)

    async def _call(
        self,
        function: str,
        arguments: Mapping[str, Any],
        source: RangeSource,
        facts: Facts,
        sink: Sink | None = None,
    ) -> Any:
        try:
            reply = await self._sandbox.run(function, arguments, source=source, sink=sink, seconds=_SECONDS)
        except SandboxFailure as failure:
            if failure.kind == "OSError":
                raise
            if failure.kind == "DamagedError":
                raise PermanentFailure("file_processing_failed", f"{failure} Split the file by hand.") from failure
            raise _failure(failure, facts) from failure
        except SandboxError as error:
            raise _failure(error, facts) from error
        finally:
            await self._sandbox.end_idle_children()
        return reply.value


def _failure(error: SandboxError, facts: Facts) -> PermanentFailure:
    match error:
        case SandboxTimeout():
            why = "cutting it took too long"
        case SandboxOutOfMemory():
            why = "cutting it takes too much memory"
        case SandboxCrashed():
            why = "the program that cuts it crashed on it"
        case _:
            why = "its structure cannot be read"
    message = (
        f"The file is too long for one call, and could not be split: {why}. It should be {facts.media_type.label}. "
        "Split it by hand, and upload its parts."
    )
    return PermanentFailure("file_processing_failed", message)
