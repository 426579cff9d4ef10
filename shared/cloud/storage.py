"""Read inputs from Cloud Storage by generation, as streams or in ranges, and write small objects.

The client has no async form, so its calls run in a thread pool of their own, as large as the function's concurrency.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar, cast
from urllib.request import getproxies

import requests.exceptions
from google.api_core import exceptions as api_errors
from google.auth import exceptions as auth_errors
from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]
from google.resumable_media import common as media_errors

from shared.cloud.object_stream import Fetch, ObjectRanges, ObjectStream, SmallContents, SourceVanished
from shared.cloud.object_upload import RETRY, ObjectUpload
from shared.cloud.unpacking import MAGIC, Unpacked, unpacked_up_to
from shared.domain.errors import Blocked, PermanentFailure, ReadForbidden, TaskFailure, TransientFailure, Unavailable

T = TypeVar("T")

# Else the client looks up each bucket in the background, for the attributes of traces that nobody takes: a billed call
# at every cold start, which a function's account may not even make.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")

_CERTIFICATES = frozenset({"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"})
_PAGE = 1000
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
_OWN_KEY = "resourceIsEncryptedWithCustomerEncryptionKey"
_PACKED = ("gzip", "x-gzip")
"""Content encodings that are unpacked."""
_MOST_UNPACKED = 64 << 20
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
    """Encrypted with a key of the uploader: nobody else can read it."""
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
        # Else every request looks for proxies, certificates and ~/.netrc anew: a fifth of its CPU time.
        self._client._http.trust_env = bool(getproxies()) or not _CERTIFICATES.isdisjoint(os.environ)
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="storage")
        self._read_before = SmallContents()

    async def stat(self, bucket: str, name: str) -> StoredObject | None:
        """Return the live generation of an object; None also for names that no object can have."""
        if not _is_possible_name(name):
            return None
        blob = await self._read(partial(self._client.bucket(bucket).get_blob, name, retry=RETRY))
        return None if blob is None else _stored(blob)

    async def read(
        self, bucket: str, name: str, *, generation: int | None = None, start: int = 0, length: int | None = None
    ) -> bytes | None:
        """Return `length` bytes from `start`: fewer at the object's end, none past it.

        An object that is packed with gzip is unpacked where it is read from its start, up to 64 MiB of it.
        """
        if length == 0:
            return b""
        blob = self._client.bucket(bucket).blob(name, generation=generation)
        end = None if length is None else start + length - 1
        call = partial(blob.download_as_bytes, start=start or None, end=end, raw_download=True, retry=RETRY)

        def download() -> bytes:
            data = cast(bytes, call())
            if start == 0 and (blob.content_encoding or "").lower() in _PACKED:
                return unpacked_up_to(data, _MOST_UNPACKED + 1 if length is None else length)
            return data

        try:
            return await self._read(download)
        except api_errors.NotFound:
            return None
        except api_errors.RequestRangeNotSatisfiable:
            return b""

    async def readable(self, stored: StoredObject, stop: threading.Event | None = None) -> StoredObject:
        """Return the object with its unpacked content and size, if it is stored with Content-Encoding: gzip.

        Raises `PermanentFailure` where it cannot be read at all, or unpacks to more than is taken.
        """
        if stored.own_key:
            raise PermanentFailure("source_not_readable", _own_key_message(f"gs://{stored.bucket}/{stored.name}"))
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
        blob = self._client.bucket(bucket).blob(name)
        blob.metadata, blob.content_disposition = metadata, disposition
        condition = 0 if only_if_absent else if_generation
        upload = partial(
            blob.upload_from_string,
            data,
            content_type=content_type,
            if_generation_match=condition,
            checksum="crc32c",
            retry=RETRY,
        )
        try:
            await self._run(upload)
        except api_errors.PreconditionFailed:
            return None
        return int(blob.generation)

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
        return _stored(blob)

    async def open_upload_session(
        self, bucket: str, name: str, size: int, content_type: str, *, metadata: dict[str, str], origin: str | None
    ) -> str | None:
        """Return the URL of a resumable session for one new object; None if there is an object of this name.

        Cloud Storage answers pages of `origin` only, and takes neither another type nor another number of bytes.
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
        """Delete an object; one that does not exist is no error."""
        try:
            await self._run(partial(self._client.bucket(bucket).blob(name).delete, retry=RETRY))
        except api_errors.NotFound:
            return

    async def listing(self, bucket: str, prefix: str, *, after: str = "") -> AsyncIterator[StoredObject]:
        """Yield the live objects under `prefix`, ordered by name, page by page; `after` resumes past a name."""
        pages = self._client.list_blobs(bucket, prefix=prefix, start_offset=after or None, page_size=_PAGE).pages
        while (page := await self._run(lambda: next(pages, None))) is not None:
            for blob in page:
                if blob.name != after:
                    yield _stored(blob)

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
                raise _unreadable(error) from error
            except _FAULTS as error:
                raise failure(error) from error
            if is_whole:
                self._read_before.keep(source.identity, data)
            return data

        return fetch

    async def _read(self, call: Callable[[], T]) -> T:
        """Run a read as `_run` does. A bad request is permanent: it would fail the same way every time."""
        try:
            return await self._run(call)
        except TransientFailure as error:
            if isinstance(error.__cause__, api_errors.BadRequest):
                raise _unreadable(error.__cause__) from error
            raise

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except (api_errors.NotFound, api_errors.PreconditionFailed, api_errors.RequestRangeNotSatisfiable):
            raise
        except _FAULTS as error:
            if isinstance(error, media_errors.InvalidResponse) and error.response.status_code == 412:
                # Resumable uploads have errors of their own.
                raise api_errors.PreconditionFailed(str(error)) from error  # type: ignore[no-untyped-call]
            raise failure(error) from error


def failure(error: Exception) -> TaskFailure:
    """Return what an error of Cloud Storage means for a task."""
    if isinstance(error, api_errors.Forbidden | api_errors.Unauthorized):
        kind = ReadForbidden if isinstance(error, api_errors.Forbidden) else Blocked
        return kind(f"Cloud Storage refuses the function's service account: {error.message}")
    if isinstance(error, api_errors.ClientError) and error.code not in _WORTH_ANOTHER_TRY:
        return TransientFailure(f"Cloud Storage refused a request: {error.message}")
    return Unavailable(f"Cloud Storage did not answer: {type(error).__name__}")


def _unreadable(error: api_errors.BadRequest) -> PermanentFailure:
    if _OWN_KEY in str(error.errors):
        return PermanentFailure("source_not_readable", _own_key_message("The object"))
    return PermanentFailure("source_not_readable", f"Cloud Storage does not let it be read: {error.message}")


def _is_possible_name(name: str) -> bool:
    """Return whether an object can have this name (Cloud Storage, "Object name requirements")."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= 1024 and "\r" not in name and "\n" not in name and name not in (".", "..")


def _own_key_message(subject: str) -> str:
    return (
        f"{subject} is encrypted with a customer-supplied key, which only its uploader has: it cannot be read. Upload "
        "it without such a key, or with a key of Cloud KMS."
    )


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
        content_encoding=(blob.content_encoding or "").strip().lower(),
        own_key=blob._properties.get("customerEncryption") is not None,
    )
