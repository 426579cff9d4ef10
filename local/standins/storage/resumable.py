"""Resumable uploads: a session receives an object's bytes in any number of requests, and survives a restart.

POST start ──▶ open ──PUT bytes a-b/*──▶ open, 308 with what is stored
                │ └───PUT bytes a-b/T (b+1 = T)──▶ done, 200 with the object
                └────DELETE──▶ cancelled, 499

What is stored is always a multiple of 256 KiB until the end: a chunk's odd tail, or what an interrupted request
brought beyond the last multiple, is not kept, and the caller sends it again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import NoReturn

from starlette.responses import Response

from local.standins.storage.catalog import Catalog
from local.standins.storage.checksums import check_digests, note_object, object_name, stated_checksums
from local.standins.storage.conditions import Preconditions
from local.standins.storage.content import Contents, Writer, blocks
from local.standins.storage.encryption import customer_key
from local.standins.storage.errors import ApiError, invalid
from local.standins.storage.object_config import new_state
from local.standins.storage.records import Json, ObjectVersion
from local.standins.storage.request import ApiRequest

QUANTUM = 256 << 10
_LIFETIME = 7 * 86400.0
_RANGE = re.compile(r"bytes (?:\*|(\d{1,19})-(\d{1,19}|\*))/(\d{1,19}|\*)")


@dataclass(frozen=True)
class _Span:
    """A `Content-Range`: the position of the body's bytes. `first` is None for an empty body, as in a status query."""

    first: int | None
    last: int | None
    total: int | None

    @classmethod
    def of(cls, request: ApiRequest) -> _Span:
        header, length = request.http.headers.get("content-range"), request.http.headers.get("content-length")
        size = int(length) if length is not None else None
        if header is None:
            return cls(0, None if size is None else size - 1, size)
        match = _RANGE.fullmatch(header.strip())
        if match is None:
            raise invalid(f"Invalid Content-Range header: {header}")
        first, last, total = (None if part in (None, "*") else int(part) for part in match.groups())
        if first is not None and last is not None and size is not None and last - first + 1 != size:
            raise invalid(f"Invalid request: Content-Range {header} does not fit a body of {size} bytes.")
        if first is not None and last is not None and (last < first or (total is not None and last >= total)):
            raise invalid(f"Invalid Content-Range header: {header}")
        if first is None and size:
            raise invalid("Invalid request: a status query has no body.")
        return cls(first, last, total)


@dataclass
class _Session:
    id: str
    record: Json
    writer: Writer | None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while bytes are written or the object is created."""
    turn: int = 0
    """The number of the request that may write. A later request takes over from one that may hang on a dead connection.
    """

    async def ready(self, contents: Contents) -> Writer:
        if self.writer is None:
            self.writer = contents.reopen_writer(self.id)
            await contents.run(self.writer.reopen, self.writer.size // QUANTUM * QUANTUM)
        return self.writer


class Resumables:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._sessions: dict[str, _Session] = {}
        self._origins: dict[str, str | None] = {}
        """The origin of the page for which a session was opened, also once the session has ended."""

    async def start(self, request: ApiRequest) -> Response:
        metadata = await request.json()
        if "contentType" not in metadata and "x-upload-content-type" in request.http.headers:
            metadata["contentType"] = request.http.headers["x-upload-content-type"]
        name = object_name(request, metadata)
        return self.open(request, request.parts["bucket"], name, metadata, request.query, request.preconditions)

    def open(
        self,
        request: ApiRequest,
        bucket: str,
        name: str,
        metadata: Json,
        query: Mapping[str, str],
        preconditions: Preconditions,
        status: int = 200,
    ) -> Response:
        """Open a session and answer with its address."""
        headers = request.http.headers
        holder = self._catalog.check_place(bucket, name, preconditions)
        length = request.header_number("x-upload-content-length")
        if length is not None and length < 0:
            raise invalid(f"Invalid value for X-Upload-Content-Length: {length}")
        conditions = asdict(preconditions) | {"etags": None, "not_etags": None}
        record: Json = {
            "bucket": bucket,
            "name": name,
            "state": new_state(metadata, query, holder) | customer_key(headers),
            "stated": stated_checksums(metadata, headers),
            "preconditions": conditions,
            "total": length,
            "expires": self._catalog.clock.time() + _LIFETIME,
            "origin": headers.get("origin"),
        }
        writer = self._catalog.contents.new()
        session = _Session(writer.content, record, writer)
        self._sessions[session.id] = session
        self._origins[session.id] = record["origin"]
        self._catalog.store.put_upload(session.id, "open", record)
        url = request.http.url.query
        location = f"{request.base}/upload/storage/v1/b/{bucket}/o?{url}&upload_id={session.id}"
        return Response(None, status, {"location": location, "x-guploader-uploadid": session.id})

    async def preflight(self, request: ApiRequest) -> Response:
        """Answer a browser's question whether a page may use the session: yes, if the session was opened for it."""
        response = Response(None, 200, {"content-length": "0"})
        response.headers.update(self._cross_origin_headers(request))
        return response

    async def put(self, request: ApiRequest) -> Response:
        """Take bytes, or tell what is stored; a page of the session's origin may read the answer, errors too."""
        shared = self._cross_origin_headers(request)
        try:
            response = await self._put(request)
        except ApiError as refusal:
            refusal.headers.update(shared)
            raise
        response.headers.update(shared)
        return response

    def _cross_origin_headers(self, request: ApiRequest) -> dict[str, str]:
        """Return the headers that let pages of the origin that opened the session use it; none for other pages."""
        session_id, origin = request.query.get("upload_id", ""), request.http.headers.get("origin")
        if session_id not in self._origins:
            _, record = self._catalog.store.upload(session_id) or ("unknown", {})
            self._origins[session_id] = record.get("origin")
        if origin is None or self._origins[session_id] != origin:
            return {}
        return {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "PUT, DELETE",
            "access-control-allow-headers": "content-type, content-range",
            "access-control-expose-headers": "Content-Length, Content-Type, Date, Range, X-GUploader-UploadID",
            "access-control-max-age": "3600",
            "vary": "Origin",
        }

    async def _put(self, request: ApiRequest) -> Response:
        upload = self._find(request)
        if isinstance(upload, ObjectVersion):
            return request.json_response(upload.resource(request.base, request.full))
        session, span = upload, _Span.of(request)
        if span.first is None:
            return await self._status(request, session, span)
        session.turn += 1
        turn = session.turn
        async with session.lock:
            writer = await session.ready(self._catalog.contents)
        if span.first > writer.size:
            raise ApiError(
                503,
                f"Invalid request.  According to the Content-Range header, the upload offset is {span.first} byte(s), "
                f"which exceeds already uploaded size of {writer.size} byte(s).",
            )
        self._agree_on_total(session, span)
        tail = await self._take(request, session, turn, writer, writer.size - span.first)
        total = session.record["total"]
        if total is None and (span.last is None or "content-range" not in request.http.headers):
            # The end of the bytes is the end of the request: Google's client for Node sends `bytes 0-*/*`.
            total = writer.size + len(tail)
        if total is None or writer.size + len(tail) < total:
            return self._incomplete(request, writer.size)
        if writer.size + len(tail) > total:
            raise invalid(f"Invalid request: more bytes came than the {total} that were announced.")
        async with session.lock:
            self._still_its_turn(session, turn)
            if tail:
                await self._append(request, writer, tail)
            return self._finish(request, session, writer)

    async def cancel(self, request: ApiRequest) -> Response:
        if isinstance(self._find(request), ObjectVersion):
            raise ApiError(404, "The upload is complete; there is nothing to cancel.")
        session_id = request.query["upload_id"]
        self._sessions[session_id].turn += 1
        self._end(session_id, "cancelled")
        return Response(None, 499, {"content-length": "0"})

    def _find(self, request: ApiRequest) -> _Session | ObjectVersion:
        """Return the open session that the request names, or the object that it created.

        Raises ApiError if it ended otherwise.
        """
        session_id = request.query.get("upload_id", "")
        if session_id in self._sessions:
            session = self._sessions[session_id]
        else:
            state, record = self._catalog.store.upload(session_id) or ("unknown", {})
            if state == "done":
                return ObjectVersion(**record)
            if state != "open":
                _refuse_ended(state)
            session = self._sessions[session_id] = _Session(session_id, record, None)
        if self._catalog.clock.time() >= session.record["expires"]:
            self._end(session_id, "expired")
            _refuse_ended("expired")
        note_object(session.record["bucket"], session.record["name"])
        return session

    def _agree_on_total(self, session: _Session, span: _Span) -> None:
        total = session.record["total"]
        if span.total is None or span.total == total:
            return
        if total is not None:
            raise invalid(
                f"Invalid request: the total of {span.total} bytes differs from the {total} announced before."
            )
        session.record["total"] = span.total

    async def _status(self, request: ApiRequest, session: _Session, span: _Span) -> Response:
        async with session.lock:
            writer = await session.ready(self._catalog.contents)
            if span.total is not None and writer.size == span.total:
                return self._finish(request, session, writer)
            return self._incomplete(request, writer.size)

    async def _take(self, request: ApiRequest, session: _Session, turn: int, writer: Writer, skip: int) -> bytes:
        """Store the request's bytes behind the first `skip`, which are there already.

        Return the unstored tail of under 256 KiB.
        """
        tail = b""
        async for block in blocks(_without_first(request.http.stream(), skip)):
            data = tail + block
            whole = len(data) // QUANTUM * QUANTUM
            tail = data[whole:]
            async with session.lock:
                self._still_its_turn(session, turn)
                if whole:
                    await self._append(request, writer, data[:whole])
        return tail

    async def _append(self, request: ApiRequest, writer: Writer, data: bytes) -> None:
        await self._catalog.contents.run(writer.append, data)
        request.ledger.count("storage", "bytes_in", len(data))

    def _finish(self, request: ApiRequest, session: _Session, writer: Writer) -> Response:
        record, digests = session.record, writer.digests.values()
        preconditions = Preconditions(**record["preconditions"])
        try:
            check_digests(record["stated"], digests)
            check_digests(stated_checksums({}, request.http.headers), digests)
            version = self._catalog.place(
                *(record["bucket"], record["name"], writer.content, writer.size, record["state"] | digests),
                preconditions,
                # In the same transaction: bytes that are an object's must never be appended to again.
                lambda placed: self._catalog.store.put_upload(session.id, "done", asdict(placed)),
            )
        except ApiError:
            self._end(session.id, "failed")
            raise
        del self._sessions[session.id]
        return request.json_response(version.resource(request.base, request.full))

    def _end(self, session_id: str, state: str) -> None:
        del self._sessions[session_id]
        self._catalog.store.put_upload(session_id, state, {})
        self._catalog.contents.discard(session_id)

    def _incomplete(self, request: ApiRequest, size: int) -> Response:
        headers = {"range": f"bytes=0-{size - 1}"} if size else {}
        if request.http.headers.get("x-guploader-no-308") == "yes":
            return Response(None, 200, {**headers, "x-http-status-code-override": "308"})
        return Response(None, 308, headers)

    def _still_its_turn(self, session: _Session, turn: int) -> None:
        if session.turn != turn:
            raise ApiError(503, "A later request has taken this upload over.")


async def _without_first(chunks: AsyncIterator[bytes], skip: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def _refuse_ended(state: str) -> NoReturn:
    if state == "cancelled":
        raise ApiError(499, "The upload was cancelled.")
    if state == "unknown":
        raise ApiError(404, "No such upload: the upload_id is unknown.")
    raise ApiError(410, f"The upload session has {state}. Start a new one.")
