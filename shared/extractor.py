"""Take text and pictures out of documents, and draw pictures anew, in a child process that may die."""

from __future__ import annotations

import logging
from typing import NamedTuple

from pydantic import BaseModel

from shared.domain.errors import PermanentFailure
from shared.domain.media.facts import Facts
from shared.domain.media.kinds import MediaType, media_type
from shared.domain.models.text_tokens import most_of_text
from shared.off_loop import off_loop
from shared.sandbox import RangeSource, Sandbox, SandboxError, SandboxOutOfMemory, SandboxTimeout

_log = logging.getLogger(__name__)

_SECONDS = 90.0
"""For a document; the largest workbooks take a minute."""
_FUNCTION = "shared.extractor_child.child:extract"


class ExtractedPart(NamedTuple):
    """A file that is sent in place of the document."""

    facts: Facts
    data: bytes
    title: str


class Extraction(NamedTuple):
    """What a document becomes: its text first, if it is no picture, then its pictures."""

    parts: tuple[ExtractedPart, ...]
    notes: tuple[str, ...]


class _File(BaseModel):
    mime: str
    data: int
    title: str
    width: int | None
    height: int | None
    pages: int | None


class Extractor:
    """Takes documents apart in a sandbox."""

    def __init__(self, sandbox: Sandbox, *, function: str = _FUNCTION, seconds: float = _SECONDS) -> None:
        self._sandbox, self._function, self._seconds = sandbox, function, seconds

    async def extract(self, source: RangeSource, kind: MediaType) -> Extraction:
        """Raises `PermanentFailure` for a document that cannot be read, or is longer than models take."""
        arguments = {"media_type": kind.model_dump(mode="json")}
        try:
            reply = await self._sandbox.run(self._function, arguments, source=source, seconds=self._seconds)
        except SandboxError as error:
            _log.warning("a file (%s) could not be taken apart: %r", kind.mime, error)
            raise PermanentFailure("file_processing_failed", _problem(error, kind)) from error
        finally:
            # What a document took stays with the child that read it; the next one starts in a fraction of a second.
            await self._sandbox.end_idle_children()
        value = reply.value
        if "too_long" in value:
            message = (
                f"The file is {kind.label} with more text than any model takes at once. Save a part of it, and upload "
                "that."
            )
            raise PermanentFailure("context_length_exceeded", message)
        if "problem" in value:
            raise PermanentFailure("file_processing_failed", value["problem"])
        files = [_File.model_validate(file) for file in value["files"]]
        return await off_loop(_extraction, files, value["notes"], reply.payload)


def _extraction(files: list[_File], notes: list[str], payload: bytes) -> Extraction:
    parts: list[ExtractedPart] = []
    at = 0
    for file in files:
        data, at = payload[at : at + file.data], at + file.data
        kind = media_type(file.mime)
        if kind.family == "text":
            most = most_of_text(data.decode("utf-8", "replace"))
            kind = kind.model_copy(update={"encoding": "utf-8", "most_tokens": most})
        facts = Facts(media_type=kind, size=len(data), width=file.width, height=file.height, pages=file.pages)
        parts.append(ExtractedPart(facts, data, file.title))
    return Extraction(tuple(parts), tuple(notes))


def _problem(error: SandboxError, kind: MediaType) -> str:
    match error:
        case SandboxTimeout():
            why = "reading it took too long"
        case SandboxOutOfMemory():
            why = "reading it takes too much memory"
        case _:
            why = "it cannot be read: it is probably damaged"
    return f"The file is {kind.label}, but {why}. Open it, save it as PDF, and upload that."
