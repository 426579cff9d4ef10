"""An examiner for tests that are no coroutines, and sources that count what is read of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from shared.domain.errors import PermanentFailure
from shared.domain.media import HEAD, Facts, MediaType, Refusal, check, sniff
from shared.examiner import WHOLE_BYTES, Examiner
from shared.sandbox import RangeSource, Sandbox


class Counted:
    """Bytes at hand. Notes every read."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)
        self.reads: list[int] = []

    async def read(self, offset: int, length: int) -> bytes:
        assert 0 <= offset < self.size
        assert length > 0
        self.reads.append(length)
        return self._data[offset : offset + length]


class Sparse:
    """A file of any size of which only beginning and end are more than zeros."""

    def __init__(self, head: bytes, size: int, tail: bytes = b"") -> None:
        self._head, self._tail, self.size = head, tail, size
        self.reads: list[int] = []

    async def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        self.reads.append(length)
        data = bytearray(length)
        for start, part in ((0, self._head), (self.size - len(self._tail), self._tail)):
            begin, end = max(offset, start), min(offset + length, start + len(part))
            if begin < end:
                data[begin - offset : end - offset] = part[begin - start : end - start]
        return bytes(data)


class Bench:
    """Runs an examiner on a loop of its own."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.sandbox = Sandbox()
        self._examiner = Examiner(self.sandbox)

    def examine(self, source: bytes | RangeSource, kind: MediaType, *, whole_bytes: int = WHOLE_BYTES) -> Facts:
        source = Counted(source) if isinstance(source, bytes) else source
        return self._runner.run(self._examiner.examine(source, kind, whole_bytes=whole_bytes))

    def judge(self, data: bytes, name: str) -> tuple[Facts | None, Refusal | PermanentFailure | None]:
        """What becomes of a file, from its first bytes on."""
        kind = sniff(data[:HEAD], name, "application/octet-stream")
        if isinstance(kind, Refusal):
            return None, kind
        facts = self.examine(data, kind)
        try:
            check(facts)
        except PermanentFailure as refused:
            return facts, refused
        return facts, None

    def close(self) -> None:
        self._runner.run(self.sandbox.close())


@contextmanager
def bench() -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        made = Bench(runner)
        try:
            yield made
        finally:
            made.close()
