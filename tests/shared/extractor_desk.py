"""An extractor for tests that are no coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.domain.errors import PermanentFailure
from shared.domain.media import InMemory, MediaType, identify
from shared.extractor import Extraction, Extractor
from shared.sandbox import Sandbox
from tests.shared.examiner_bench import Counted


class Taken:
    """What was taken out of a document."""

    def __init__(self, extraction: Extraction) -> None:
        parts = list(extraction.parts)
        self.text = parts.pop(0).data.decode() if parts[0].facts.media_type.mime == "text/markdown" else ""
        self.files = [part.facts.media_type.mime for part in parts]
        self.sizes = [(part.facts.width, part.facts.height) for part in parts]
        self.notes = " ".join(extraction.notes)


@contextmanager
def open_desk() -> Iterator[Desk]:
    """Yield a desk, and end its child processes."""
    with asyncio.Runner() as runner:
        desk = Desk(runner)
        yield desk
        runner.run(desk.sandbox.close())


class Desk:
    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner, self.sandbox = runner, Sandbox()

    def take(self, data: bytes, name: str) -> Taken:
        kind = identify(InMemory(data), name)
        assert isinstance(kind, MediaType), kind
        return Taken(self.runner.run(Extractor(self.sandbox).extract(Counted(data), kind)))

    def refuse(self, data: bytes, name: str) -> PermanentFailure:
        with pytest.raises(PermanentFailure) as refused:
            self.take(data, name)
        return refused.value
