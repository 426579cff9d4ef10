"""Cloud Storage: reading inputs by generation, as a stream or in ranges, and writing small objects.

The client has no async form, so its calls run in a thread pool of their own, as large as the function's concurrency.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar, cast

import requests.exceptions
from google.api_core import exceptions as api_errors
from google.auth import exceptions as auth_errors
from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]
from google.cloud.storage.retry import DEFAULT_RETRY
from google.resumable_media import common as media_errors

from shared.cloud.object_stream import Fetch, ObjectRanges, ObjectStream, SourceVanished
from shared.domain.errors import Blocked, TaskFailure, TransientFailure, Unavailable

T = TypeVar("T")

# Else the client looks up each bucket in the background, for the attributes of traces that nobody takes: a billed call
# at every cold start, which a function's account may not even make.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")

_PAGE = 1000
_RETRY = DEFAULT_RETRY.with_timeout(5)
"""The client's own retries bridge a hiccup; a longer outage is the task's business, which can wait without a lease."""
_FAULTS = (
    api_errors.GoogleAPICallError,
    api_errors.RetryError,
    media_errors.InvalidResponse,
    media_errors.DataCorruption,
    requests.exceptions.RequestException,
    ConnectionError,
    auth_errors.GoogleAuthError,
)
_WORTH_ANOTHER_TRY = (408, 429)


@dataclass(frozen=True)
class StoredObject:
    bucket: str
    name: str
    generation: int
    size: int
    content_type: str | None
    created_at: datetime
    metadata: dict[str, str]
    crc32c: str
    """Big-endian, base64, as the API gives it."""

    @property
    def identity(self) -> str:
        """`gs://bucket/name#generation`: these bytes and no others."""
        return f"gs://{self.bucket}/{self.name}#{self.generation}"


class Storage:
    """`None` is the answer where an object, or that generation of it, is not there."""

    def __init__(self, project: str, threads: int) -> None:
        self._client = storage.Client(project=project)
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="storage")

    async def stat(self, bucket: str, name: str) -> StoredObject | None:
        """The live generation of an object."""
        blob = await self._run(partial(self._client.bucket(bucket).get_blob, name, retry=_RETRY))
        return None if blob is None else _stored(blob)

    async def read(
        self, bucket: str, name: str, *, generation: int | None = None, start: int = 0, length: int | None = None
    ) -> bytes | None:
        """`length` bytes from `start`; shorter at the object's end, empty past it."""
        if length == 0:
            return b""
        blob = self._client.bucket(bucket).blob(name, generation=generation)
        end = None if length is None else start + length - 1
        try:
            return cast(
                bytes,
                await self._run(
                    partial(blob.download_as_bytes, start=start or None, end=end, raw_download=True, retry=_RETRY)
                ),
            )
        except api_errors.NotFound:
            return None
        except api_errors.RequestRangeNotSatisfiable:
            return b""

    def open(self, source: StoredObject, stop: threading.Event) -> ObjectStream:
        """A stream of one generation for a thread to read; ends with `StreamStopped` once `stop` is set."""
        blob = self._client.bucket(source.bucket).blob(source.name, generation=source.generation)
        return ObjectStream(self._fetcher(blob), source.size, source.crc32c, stop)

    def ranges(self, source: StoredObject, head: bytes) -> ObjectRanges:
        """Ranged reads of one generation, for a thread; `head` is what was read of its beginning already."""
        blob = self._client.bucket(source.bucket).blob(source.name, generation=source.generation)
        return ObjectRanges(self._fetcher(blob), source.size, head)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run what reads with `ranges` or `open`, with its errors classified."""
        return await self._run(call)

    async def write(
        self,
        bucket: str,
        name: str,
        data: bytes,
        content_type: str,
        *,
        only_if_absent: bool = False,
        if_generation: int | None = None,
        metadata: dict[str, str] | None = None,
        disposition: str | None = None,
    ) -> int | None:
        """The written generation, or None where the precondition did not hold (`if_generation` 0: absent)."""
        blob = self._client.bucket(bucket).blob(name)
        blob.metadata, blob.content_disposition = metadata, disposition
        condition = 0 if only_if_absent else if_generation
        upload = partial(
            blob.upload_from_string,
            data,
            content_type=content_type,
            if_generation_match=condition,
            checksum="crc32c",
            retry=_RETRY,
        )
        try:
            await self._run(upload)
        except api_errors.PreconditionFailed:
            return None
        return int(blob.generation)

    async def delete(self, bucket: str, name: str) -> None:
        """Whether or not it was there."""
        try:
            await self._run(partial(self._client.bucket(bucket).blob(name).delete, retry=_RETRY))
        except api_errors.NotFound:
            return

    async def listing(self, bucket: str, prefix: str, *, after: str = "") -> AsyncIterator[StoredObject]:
        """The live objects under `prefix` in the order of their names, page by page; `after` resumes past a name."""
        pages = self._client.list_blobs(bucket, prefix=prefix, start_offset=after or None, page_size=_PAGE).pages
        while (page := await self._run(lambda: next(pages, None))) is not None:
            for blob in page:
                if blob.name != after:
                    yield _stored(blob)

    def _fetcher(self, blob: storage.Blob) -> Fetch:
        def fetch(start: int, end: int) -> bytes:
            try:
                return cast(
                    bytes,
                    blob.download_as_bytes(start=start, end=end - 1, raw_download=True, checksum=None, retry=_RETRY),
                )
            except api_errors.NotFound as error:
                raise SourceVanished(blob.name) from error
            except _FAULTS as error:
                raise failure(error) from error

        return fetch

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except (api_errors.NotFound, api_errors.PreconditionFailed, api_errors.RequestRangeNotSatisfiable):
            raise
        except _FAULTS as error:
            raise failure(error) from error


def failure(error: Exception) -> TaskFailure:
    """What an error of Cloud Storage means for a task."""
    if isinstance(error, api_errors.Forbidden | api_errors.Unauthorized):
        return Blocked(f"Cloud Storage refuses the function's service account: {error.message}")
    if isinstance(error, api_errors.ClientError) and error.code not in _WORTH_ANOTHER_TRY:
        return TransientFailure(f"Cloud Storage refused a request: {error.message}")
    return Unavailable(f"Cloud Storage did not answer: {type(error).__name__}")


def _stored(blob: storage.Blob) -> StoredObject:
    return StoredObject(
        bucket=blob.bucket.name,
        name=blob.name,
        generation=int(blob.generation),
        size=int(blob.size or 0),
        content_type=blob.content_type,
        created_at=blob.time_created,
        metadata=dict(blob.metadata or {}),
        crc32c=blob.crc32c or "",
    )
