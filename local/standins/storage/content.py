"""The objects' bytes: one file per content, named at random, never after an object.

Threads read and write them, but not small ones, which take less time than the way to a thread and back.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import google_crc32c
from starlette.requests import ClientDisconnect

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

BLOCK = 1 << 20
"""Bytes read from or written to disk at a time."""
SMALL = 64 << 10
"""Bytes that are read or written on the event loop."""


class Digests:
    """CRC32C and, unless `md5` is False (a composed object has none), MD5 of the bytes so far."""

    def __init__(self, md5: bool = True) -> None:
        self._crc32c: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None

    def feed(self, data: bytes) -> None:
        self._crc32c.update(data)
        if self._md5 is not None:
            self._md5.update(data)

    def values(self) -> dict[str, str]:
        """Return the digests under their names in the object resource."""
        checksums = {"crc32c": base64.b64encode(self._crc32c.digest()).decode()}
        if self._md5 is not None:
            checksums["md5Hash"] = base64.b64encode(self._md5.digest()).decode()
        return checksums


class Reader:
    """An open content. It stays readable after its object is deleted, until the reader is garbage-collected."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._handle).st_size

    def __del__(self) -> None:
        if handle := getattr(self, "_handle", None):
            os.close(handle)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._handle, size, offset)


class Writer:
    """Appends to a content and keeps its digests."""

    def __init__(self, path: Path, digests: Digests) -> None:
        self.content = path.name
        self.size = 0
        self.digests = digests
        self._path = path
        path.touch()

    def append(self, data: bytes) -> None:
        """Append all of the data, or raise OSError and append nothing: the caller will send it again."""
        with self._path.open("ab", buffering=0) as file:
            view = memoryview(data)
            try:
                while view:
                    view = view[file.write(view) :]
            except OSError:
                file.truncate(self.size)
                raise
        self.digests.feed(data)
        self.size += len(data)

    def reopen(self, keep: int) -> None:
        """Truncate the content to `keep` bytes and recompute the digests."""
        os.truncate(self._path, keep)
        fresh, done, reader = Digests(), 0, Reader(self._path)
        while block := reader.read(done, BLOCK):
            fresh.feed(block)
            done += len(block)
        self.digests, self.size = fresh, done


def concatenate(readers: list[Reader], writer: Writer) -> None:
    for reader in readers:
        at = 0
        while block := reader.read(at, BLOCK):
            writer.append(block)
            at += len(block)


def set_aside(folder: Path) -> None:
    """Rename a folder of contents whose catalogue is missing, so that they are not removed as unused."""
    if folder.exists() and any(folder.iterdir()):
        aside = folder.with_name(f"{folder.name}.orphaned-{time.time_ns()}")
        folder.rename(aside)
        _log.error("there are contents in %s, but no catalogue of them: they are kept as %s", folder, aside)


class Contents:
    """A folder of contents and the threads that work on them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="storage")
        folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        self._threads.shutdown()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function in one of the threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    def new(self, digests: Digests | None = None) -> Writer:
        return Writer(self._folder / uuid.uuid4().hex, digests or Digests())

    def reopen_writer(self, content: str) -> Writer:
        """Reopen a content that an earlier process left unfinished."""
        writer = Writer(self._folder / content, Digests())
        writer.size = (self._folder / content).stat().st_size
        return writer

    def open(self, content: str) -> Reader:
        return Reader(self._folder / content)

    def discard(self, content: str) -> None:
        self._threads.submit((self._folder / content).unlink, missing_ok=True)

    def keep_only(self, used: set[str]) -> None:
        """Remove contents that are not in `used`, left behind by a killed process."""
        for path in self._folder.iterdir():
            if path.name not in used:
                path.unlink()

    async def pour(self, chunks: AsyncIterator[bytes], writer: Writer) -> None:
        """Append a stream, a block at a time."""
        async for block in blocks(chunks):
            if len(block) <= SMALL:
                writer.append(block)
            else:
                await self.run(writer.append, block)


async def blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Regroup chunks into blocks of `BLOCK` bytes, to avoid a thread switch for every network packet."""
    waiting: list[bytes] = []
    size = 0
    try:
        async for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size >= BLOCK:
                whole = b"".join(waiting)
                yield whole[:BLOCK]
                waiting, size = [whole[BLOCK:]], size - BLOCK
    except ClientDisconnect:
        # What came before the caller hung up counts too.
        if size:
            yield b"".join(waiting)
        raise
    if size:
        yield b"".join(waiting)
