"""Examine files in a child process that may die: their type, length and page count, and whether they are complete."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from shared.domain.checks.quotes import Found
from shared.domain.checks.rows import MissingRow, RowCount
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.media.facts import Facts
from shared.domain.media.kinds import MediaType, media_type
from shared.domain.media.random_access import InMemory, RandomAccess, RangeUnavailableError
from shared.domain.media.sniffing import UNKNOWN
from shared.domain.media.utf8_conversion import encoding_warning
from shared.domain.models.text_tokens import most_of_text
from shared.domain.recipe.evidence import LONGEST_QUOTE, MAX_ENTRIES, Quote
from shared.sandbox import (
    RangeSource,
    Sandbox,
    SandboxCrashed,
    SandboxError,
    SandboxOutOfMemory,
    SandboxTimeout,
)

_log = logging.getLogger(__name__)

WHOLE_BYTES = 32 << 20
"""Recordings up to this many bytes are read whole and their packets counted; larger ones are sampled."""
_AT_ONCE_BYTES = 2 << 20
"""Files up to this many bytes are read before a child is reserved, since other files may be waiting for it."""
_SECONDS = 10.0
_TEXT_SAMPLE = 256 << 10
_ENCODING = "shared.extractor_child.child:encoding"
_UNREADABLE_TEXT = "The file is text in an encoding that cannot be told. Save it as UTF-8, and upload that."
_MAX_READS = 96
_MAX_BYTES_OF_LARGE = 48 << 20
"""Bytes that may be read of a file larger than `WHOLE_BYTES`."""
_FIND_QUOTES = "shared.examiner_child.quotes:find_quotes"
_COUNT_ROWS = "shared.examiner_child.rows:count_rows_of_pdf"
_PAGE_TEXTS = "shared.examiner_child.rows:page_texts"
_PAGES_WITHOUT_TEXT = "shared.examiner_child.rows:pages_without_text"
_QUOTE_SECONDS = 30.0
_MAX_BYTES_SEARCHED = 128 << 20
"""Bytes that may be read of a PDF in which quotes are looked up; the largest that Gemini takes has 50 MB."""


class Examiner:
    """Examines files in a sandbox. `function` is what the child calls."""

    def __init__(self, sandbox: Sandbox, *, function: str = "shared.examiner_child.child:examine") -> None:
        self._sandbox, self._function = sandbox, function

    async def examine(
        self,
        source: RangeSource,
        media_type: MediaType,
        *,
        whole_bytes: int = WHOLE_BYTES,
        seconds: float = _SECONDS,
    ) -> Facts:
        """Return the facts of a file of the sniffed type `media_type`. `Facts.problem` has the error of a faulty file.

        `seconds` limits the child's work, not the time that `source` takes. Errors of `source` pass through, other
        than `RangeUnavailableError`: what it hides is left out of the facts.
        """
        facts = Facts(media_type=media_type, size=source.size)
        if source.size == 0:
            return facts.model_copy(update={"problem": "The file is empty (0 bytes)."})
        if media_type.format == "text":
            return _of_text(await self._with_encoding(facts, source, seconds))
        if media_type.preparation in ("extract", "render"):
            # The extractor examines the content and finds errors.
            return facts
        arguments = {"facts": facts.model_dump(mode="json"), "whole_bytes": whole_bytes}
        bounded = BoundedSource(source, most_bytes=max(_MAX_BYTES_OF_LARGE, 2 * whole_bytes))
        try:
            return Facts.model_validate(await self._call(arguments, bounded, seconds))
        except SandboxError as error:
            _log.warning("a file (%s) could not be examined: %r", media_type.mime, error)
            return facts.model_copy(update={"problem": _problem(error, media_type)})

    async def examine_bytes(self, data: bytes, media_type: MediaType) -> Facts:
        """Examine bytes in memory, as `examine` does."""
        return await self.examine(source_of_bytes(data), media_type)

    async def _with_encoding(self, facts: Facts, source: RangeSource, seconds: float) -> Facts:
        """Determine the encoding of a text in a child process, if simple checks do not tell."""
        if facts.media_type.encoding != UNKNOWN:
            return facts
        codec = None
        with contextlib.suppress(SandboxError):
            sample = await source.read(0, min(source.size, _TEXT_SAMPLE))
            codec = (await self._sandbox.run(_ENCODING, {}, payload=sample, seconds=seconds)).value
        if codec is None:
            return facts.model_copy(update={"problem": _UNREADABLE_TEXT})
        # A character may be cut at the sample's end, and stray bytes are no characters: each counts as one.
        most = most_of_text(sample.decode(codec, "replace")) + facts.size - len(sample)
        known = facts.media_type.model_copy(update={"encoding": codec, "most_tokens": most})
        return facts.model_copy(update={"media_type": known})

    async def find_quotes(
        self, source: RangeSource, media_type: MediaType, quotes: Sequence[Quote], *, seconds: float = _QUOTE_SECONDS
    ) -> list[Found]:
        """Look quotes up in a PDF or a text; `unchecked` for other files, and where it takes too long."""
        unchecked = [Found("unchecked")] * len(quotes)
        if media_type.format not in ("pdf", "text") or not quotes:
            return unchecked
        arguments = {
            "format": media_type.format,
            "encoding": media_type.encoding or "utf-8",
            "quotes": [(quote.text[:LONGEST_QUOTE], quote.page) for quote in quotes[:MAX_ENTRIES]],
        }
        bounded = BoundedSource(source, most_bytes=_MAX_BYTES_SEARCHED)
        try:
            reply = await self._call(arguments, bounded, seconds, function=_FIND_QUOTES)
        except SandboxError as error:
            _log.warning("quotes were not looked up in a file (%s): %r", media_type.mime, error)
            return unchecked
        found = [Found(match, page, tuple(map(tuple, boxes))) for match, page, boxes in reply]
        return [*found, *unchecked[len(found) :]]

    async def count_rows(
        self, source: RangeSource, media_type: MediaType, rows: list[list[str]], *, seconds: float = _QUOTE_SECONDS
    ) -> RowCount:
        """Compare an answer's rows with the text of a PDF. `on_pages` is None for other files, or if this fails."""
        if media_type.format != "pdf":
            return RowCount(None, len(rows))
        bounded = BoundedSource(source, most_bytes=_MAX_BYTES_SEARCHED)
        try:
            on_pages, answered, missing = await self._call({"rows": rows}, bounded, seconds, function=_COUNT_ROWS)
        except SandboxError as error:
            _log.warning("the rows of a file were not counted (%s): %r", media_type.mime, error)
            return RowCount(None, len(rows))
        return RowCount(on_pages, answered, tuple(MissingRow(page, line) for page, line in missing))

    async def pages_without_text(self, source: RangeSource, *, seconds: float = _QUOTE_SECONDS) -> list[int]:
        """Return what `find_pages_without_text` returns; nothing where that fails."""
        try:
            return await self.find_pages_without_text(source, seconds=seconds)
        except (TransientFailure, PermanentFailure) as error:
            _log.warning("pages without text were not looked for: %r", error)
            return []

    async def find_pages_without_text(self, source: RangeSource, *, seconds: float = _QUOTE_SECONDS) -> list[int]:
        """Return the pages of a PDF, from 1, that show something and have no text. Raises what `page_texts` raises."""
        return list(await self._read_pdf(source, seconds, _PAGES_WITHOUT_TEXT))

    async def page_texts(self, source: RangeSource, *, seconds: float = _QUOTE_SECONDS) -> list[str]:
        """Return the text of each page of a PDF.

        Raises `TransientFailure` where it takes too long or the child dies, which may be the instance's fault, and
        `PermanentFailure` for a file that is damaged.
        """
        return list(await self._read_pdf(source, seconds, _PAGE_TEXTS))

    async def _read_pdf(self, source: RangeSource, seconds: float, function: str) -> Any:
        bounded = BoundedSource(source, most_bytes=_MAX_BYTES_SEARCHED)
        try:
            return await self._call({}, bounded, seconds, function=function)
        except (SandboxTimeout, SandboxCrashed) as error:
            raise TransientFailure(f"the text could not be taken out of the PDF: {error}") from error
        except SandboxError as error:
            raise PermanentFailure("file_processing_failed", _problem(error, media_type("application/pdf"))) from error

    async def _call(
        self, arguments: Mapping[str, Any], source: BoundedSource, seconds: float, *, function: str | None = None
    ) -> Any:
        function = function or self._function
        if source.size <= _AT_ONCE_BYTES:
            try:
                payload = await source.read(0, source.size)
            except RangeUnavailableError:
                pass
            else:
                return (await self._sandbox.run(function, arguments, payload=payload, seconds=seconds)).value
        return (await self._sandbox.run(function, arguments, source=source, seconds=seconds)).value


class BoundedSource:
    """A source that costs at most `_MAX_READS` reads and `most_bytes` bytes, whatever a parser asks for."""

    def __init__(self, source: RangeSource, *, most_bytes: int) -> None:
        self._source = source
        self._reads, self._bytes = _MAX_READS, most_bytes
        self.size = source.size

    async def read(self, offset: int, length: int) -> bytes:
        if self._reads <= 0 or self._bytes < length:
            raise RangeUnavailableError
        self._reads -= 1
        self._bytes -= length
        return await self._source.read(offset, length)


Run = Callable[[Callable[[], bytes]], Awaitable[bytes]]


class Threaded:
    """A source whose reads block, each run by `run` in a thread."""

    def __init__(self, source: RandomAccess, run: Run) -> None:
        self._source, self._run, self.size = source, run, source.size

    async def read(self, offset: int, length: int) -> bytes:
        return await self._run(partial(self._source.read, offset, length))


def source_of_bytes(data: bytes) -> Threaded:
    """Return bytes in memory as a source. They are read on the event loop, which that does not block."""

    async def run(read: Callable[[], bytes]) -> bytes:
        return read()

    return Threaded(InMemory(data), run)


def _of_text(facts: Facts) -> Facts:
    """Return the facts of a text, with a warning if it is not in UTF-8."""
    note = encoding_warning(facts.media_type.encoding, facts.size)
    return facts if note is None else facts.model_copy(update={"warnings": (*facts.warnings, note)})


def _problem(error: SandboxError, media_type: MediaType) -> str:
    match error:
        case SandboxTimeout():
            why = "looking into it took too long"
        case SandboxOutOfMemory():
            why = "looking into it takes too much memory"
        case SandboxCrashed():
            why = "the program that looks into it crashed on it"
        case _:
            why = "its structure cannot be read"
    return (
        f"The file should be {media_type.label}, but {why}: it is probably damaged. "
        "Open it, save or export it anew, and upload that."
    )
