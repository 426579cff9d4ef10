"""Draw the pages of a PDF as pictures, in a child process that may die."""

from __future__ import annotations

import logging
from typing import Literal, NamedTuple

from shared.domain.errors import DropsightError
from shared.examiner import BoundedSource
from shared.sandbox import RangeSource, Reply, Sandbox, SandboxError

_log = logging.getLogger(__name__)

_FUNCTION = "shared.examiner_child.page_picture:draw_page"
_SECONDS = 20.0
_MEMORY_BYTES = 400 << 20
"""Address space; half of it is Python and PDFium. The functions api and generate draw pages; api has 512 MiB."""
_AT_ONCE_BYTES = 1 << 20
"""Files up to this many bytes are read before a child is reserved, since other pages may be waiting for it."""
_MAX_BYTES = 96 << 20
"""Bytes that may be read for one page; the largest PDF that Gemini takes has 50 MB."""


class PageNotDrawn(DropsightError):
    """This page cannot be drawn; the message says why."""


class DrawnPage(NamedTuple):
    pages: int
    """How many the document has."""
    width: int
    height: int
    """Pixels."""
    picture: bytes
    """Empty for a page that is not there."""


class PageDrawer:
    """Draws one page at a time, in a child that lives while pages are asked for. Belongs to one event loop."""

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self._sandbox = sandbox or Sandbox(processes=1, memory_bytes=_MEMORY_BYTES)
        self._under_way = 0

    async def draw(self, file: RangeSource, page: int, form: Literal["PNG", "JPEG"] = "PNG") -> DrawnPage:
        """Return a page, counted from 1; page 0 only counts and measures. Raises `PageNotDrawn`."""
        self._under_way += 1
        try:
            reply = await self._run(BoundedSource(file, most_bytes=_MAX_BYTES), {"page": page, "form": form})
        except SandboxError as error:
            _log.warning("a page was not drawn: %r", error)
            raise PageNotDrawn("Drawing it takes too much time or memory, or it is damaged.") from error
        finally:
            self._under_way -= 1
            if self._under_way == 0:
                await self._sandbox.end_idle_children()
        if "problem" in reply.value:
            raise PageNotDrawn("The document is damaged, or protected with a password.")
        return DrawnPage(reply.value["pages"], reply.value["width"], reply.value["height"], reply.payload)

    async def _run(self, source: BoundedSource, arguments: dict[str, int | str]) -> Reply:
        if source.size > _AT_ONCE_BYTES:
            return await self._sandbox.run(_FUNCTION, arguments, source=source, seconds=_SECONDS)
        payload = await source.read(0, source.size)
        return await self._sandbox.run(_FUNCTION, arguments, payload=payload, seconds=_SECONDS)
