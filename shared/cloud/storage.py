"""Read inputs from Cloud Storage by generation, as streams or in ranges, and write small objects.

Whole objects are read and written from the event loop. Streams, ranges, sessions and lists take Google's client, which
has no async form: its calls run in a thread pool of their own, as large as the function's concurrency.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast
from urllib.request import getproxies

from google.api_core import exceptions as api_errors
from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]

from shared.cloud.object_requests import ObjectRequests
from shared.cloud.object_stream import SMALL_BYTES, Fetch, ObjectRanges, ObjectStream, SmallContents, SourceVanished
from shared.cloud.object_upload import RETRY, ObjectUpload
from shared.cloud.storage_errors import FAULTS, classified, failure, own_key_message, unreadable
from shared.cloud.unpacking import MAGIC, Unpacked, unpacked_up_to
from shared.domain.errors import PermanentFailure, TransientFailure

T = TypeVar("T")

# Otherwise the client looks up each bucket in the background, for attributes of traces that are not recorded: a billed
# call at every cold start, which a function's account may not be allowed to make.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")

_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables of Google's client; the first that is set names the authorities that are trusted, and no others are."""
_PAGE = 1000
_PACKED = ("gzip", "x-gzip")
"""Content encodings that are unpacked."""
_MAX_UNPACKED = 64 << 20
"""Unpacked bytes of an object that is read whole; a longer one is cut, and then refused as too long."""


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
    """Big-endian, base64, as in the API; empty if it does not apply to the bytes that are read."""
    content_encoding: str = ""
    """In lower case; empty if the bytes are stored as they are."""
    own_key: bool = False
    """Whether it is encrypted with a key of the uploader, so that only the uploader can read it."""
    unpacked: Unpacked | None = None
    """The unpacked content, if the object is packed; `size` is then its size."""

    @property
    def identity(self) -> str:
        """`gs://bucket/name#generation`: these bytes and no others."""
        return f"gs://{self.bucket}/{self.name}#{self.generation}"


class Storage:
    """Methods return None for an object, or a generation of it, that does not exist."""

    def __init__(self, project: str, threads: int) -> None:
        self._client = storage.Client(project=project)
        proxied = bool(getproxies())
        authorities = next(filter(None, map(os.environ.get, _CERTIFICATES)), None)
        # Otherwise every request looks for proxies, certificates and ~/.netrc again: a fifth of its CPU time.
        self._client._http.trust_env = proxied or authorities is not None
        self._requests = ObjectRequests(self._client, connections=threads, trust_env=proxied, authorities=authorities)
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="storage")
        self._read_before = SmallContents()

    async def stat(self, bucket: str, name: str) -> StoredObject | None:
        """Return the live generation of an object; None also for names that no object can have."""
        if not _is_possible_name(name):
            return None
        try:
            return _stored(bucket, await self._read(self._requests.metadata(bucket, name)))
        except api_errors.NotFound:
            return None

    async def read(
        self, bucket: str, name: str, *, generation: int | None = None, start: int = 0, length: int | None = None
    ) -> bytes | None:
        """Return `length` bytes from `start`: fewer at the object's end, none past it.

        An object that is packed with gzip is unpacked if it is read from its start, up to 64 MiB of it.
        """
        if length == 0:
            return b""
        end = None if length is None else start + length - 1
        content = self._requests.content(bucket, name, generation=generation, start=start, end=end)
        try:
            data, encoding = await self._read(content)
        except api_errors.NotFound:
            return None
        except api_errors.RequestRangeNotSatisfiable:
            return b""
        if start == 0 and encoding in _PACKED:
            return await self._run(partial(unpacked_up_to, data, _MAX_UNPACKED + 1 if length is None else length))
        return data

    async def readable(self, stored: StoredObject, stop: threading.Event | None = None) -> StoredObject:
        """Return the object with its unpacked content and size, if it is stored with Content-Encoding: gzip.

        Raises `PermanentFailure` if it cannot be read, or if its unpacked content is too large.
        """
        if stored.own_key:
            raise PermanentFailure("source_not_readable", own_key_message(f"gs://{stored.bucket}/{stored.name}"))
        if stored.content_encoding not in _PACKED or stored.unpacked is not None:
            return stored
        fetch = self._fetcher(stored)

        def measured() -> StoredObject:
            if fetch(0, min(len(MAGIC), stored.size)) != MAGIC:
                return replace(stored, content_encoding="")
            unpacked = Unpacked(fetch, stored.size, stored.name)
            unpacked.measure(stop)
            # Packed data carry a checksum of their own.
            return replace(stored, size=unpacked.size, crc32c="", unpacked=unpacked)

        return await self._run(measured) if stored.size else stored

    async def small_content(self, source: StoredObject) -> bytes:
        """Return the content of a small object, and keep it for the stream that is opened next; empty for others.

        Raises `SourceVanished`.
        """
        if not 0 < source.size <= SMALL_BYTES or source.unpacked is not None:
            return b""
        last = source.size - 1
        content = self._requests.content(source.bucket, source.name, generation=source.generation, end=last)
        try:
            data, _ = await self._read(content)
        except api_errors.NotFound as error:
            raise SourceVanished(source.name) from error
        self._read_before.keep(source.identity, data)
        return data

    def open(self, source: StoredObject, stop: threading.Event) -> ObjectStream:
        """Return a stream of one generation for a thread; it raises `StreamStopped` once `stop` is set."""
        return ObjectStream(self._fetcher(source), source.size, source.crc32c, stop)

    def ranges(self, source: StoredObject, head: bytes) -> ObjectRanges:
        """Return ranged reads of one generation for a thread; `head` are the first bytes, read already."""
        return ObjectRanges(self._fetcher(source), source.size, head)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run a call that reads with `ranges` or `open` in a thread, and classify its errors."""
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
        """Write an object. Return its generation, or None if `if_generation` (0: must not exist) did not hold."""
        resource = {"name": name, "contentType": content_type, "metadata": metadata, "contentDisposition": disposition}
        described = {field: value for field, value in resource.items() if value is not None}
        condition = 0 if only_if_absent else if_generation
        try:
            written = await classified(self._requests.insert(bucket, described, data, if_generation=condition))
        except api_errors.PreconditionFailed:
            return None
        return int(written["generation"])

    def open_upload(
        self,
        bucket: str,
        name: str,
        *,
        content_type: str,
        piece_bytes: int,
        metadata: dict[str, str] | None = None,
        disposition: str | None = None,
        if_generation: int | None = None,
    ) -> ObjectUpload:
        """Begin an object of unknown size; its methods are called by `in_thread`."""
        blob = self._client.bucket(bucket).blob(name)
        blob.metadata, blob.content_disposition = metadata, disposition
        return ObjectUpload(blob, content_type, piece_bytes, if_generation)

    async def mark(self, bucket: str, name: str, metadata: dict[str, str]) -> StoredObject:
        """Set the metadata of an object that exists. Return it."""
        blob = self._client.bucket(bucket).blob(name)
        blob.metadata = metadata
        await self._run(partial(blob.patch, retry=RETRY))
        return _stored(bucket, blob._properties)

    async def open_upload_session(
        self, bucket: str, name: str, size: int, content_type: str, *, metadata: dict[str, str], origin: str | None
    ) -> str | None:
        """Return the URL of a resumable session for one new object; None if there is an object of this name.

        Cloud Storage accepts uploads from pages of `origin` only, and only with this type and number of bytes.
        """
        blob = self._client.bucket(bucket).blob(name)
        blob.metadata = metadata or None
        start = partial(
            blob.create_resumable_upload_session,
            content_type=content_type,
            size=size,
            origin=origin,
            if_generation_match=0,
            retry=RETRY,
        )
        try:
            return cast(str, await self._run(start))
        except api_errors.PreconditionFailed:
            return None

    async def delete(self, bucket: str, name: str) -> None:
        """Delete an object. It is no error if the object does not exist."""
        try:
            await classified(self._requests.delete(bucket, name))
        except api_errors.NotFound:
            return

    async def listing(self, bucket: str, prefix: str, *, after: str = "") -> AsyncIterator[StoredObject]:
        """Yield the live objects under `prefix`, ordered by name, page by page; `after` resumes past a name."""
        pages = self._client.list_blobs(bucket, prefix=prefix, start_offset=after or None, page_size=_PAGE).pages
        while (page := await self._run(lambda: next(pages, None))) is not None:
            for blob in page:
                if blob.name != after:
                    yield _stored(bucket, blob._properties)

    def _fetcher(self, source: StoredObject) -> Fetch:
        """Return a function that reads ranges of the object's content."""
        if source.unpacked is not None:
            return source.unpacked.fetch
        blob = self._client.bucket(source.bucket).blob(source.name, generation=source.generation)

        def fetch(start: int, end: int) -> bytes:
            is_whole = start == 0 and end == source.size
            if is_whole and (content := self._read_before.take(source.identity)) is not None:
                return content
            try:
                data = cast(
                    bytes,
                    blob.download_as_bytes(start=start, end=end - 1, raw_download=True, checksum=None, retry=RETRY),
                )
            except api_errors.NotFound as error:
                raise SourceVanished(blob.name) from error
            except api_errors.BadRequest as error:
                raise unreadable(error) from error
            except FAULTS as error:
                raise failure(error) from error
            if is_whole:
                self._read_before.keep(source.identity, data)
            return data

        return fetch

    async def aclose(self) -> None:
        await self._requests.aclose()
        self._client.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    async def _read(request: Awaitable[T]) -> T:
        """Await a read as `classified` does. A bad request is permanent: it would fail the same way every time."""
        try:
            return await classified(request)
        except TransientFailure as error:
            if isinstance(error.__cause__, api_errors.BadRequest):
                raise unreadable(error.__cause__) from error
            raise

    async def _run(self, call: Callable[[], T]) -> T:
        return await classified(asyncio.get_running_loop().run_in_executor(self._threads, call))


def _is_possible_name(name: str) -> bool:
    """Return whether an object can have this name (Cloud Storage, "Object name requirements")."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= 1024 and "\r" not in name and "\n" not in name and name not in (".", "..")


def _stored(bucket: str, resource: Mapping[str, Any]) -> StoredObject:
    """Return the object that a resource of the JSON API describes."""
    return StoredObject(
        bucket=bucket,
        name=resource["name"],
        generation=int(resource["generation"]),
        size=int(resource.get("size") or 0),
        content_type=resource.get("contentType"),
        created_at=datetime.fromisoformat(resource["timeCreated"]),
        metadata=dict(resource.get("metadata") or {}),
        crc32c=resource.get("crc32c") or "",
        content_encoding=(resource.get("contentEncoding") or "").strip().lower(),
        own_key=resource.get("customerEncryption") is not None,
    )
