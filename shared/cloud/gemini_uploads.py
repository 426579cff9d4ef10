"""Upload files to the Gemini API: a small one in one request, others as one stream that goes on from where it broke.

google-genai, which makes all other requests, sends 8 MiB at a time, waits for the answer to each, and gives up once
the connection breaks.

start ──▶ upload, finalize ──connection breaks──▶ query ──▶ upload, finalize from the offset that was received
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import cast

import aiohttp
import yarl
from google.genai import errors, types

from shared.cloud.object_stream import PIECE_BYTES
from shared.domain.errors import ConnectionBroken, TransientFailure

_SERVICE = "https://generativelanguage.googleapis.com"
_WRITE_BYTES = 256 << 10
_SMALL_BYTES = 256 << 10
"""Files up to this are sent in one request: little is lost if it breaks off."""
_STALL_SECONDS = 180.0
"""How long the service may take no more bytes, or take to answer."""
_PAUSES_SECONDS = (0.2, 1.0, 2.0)
"""Before an upload goes on; the later ones where the one before got no further."""
_BREAKS = (aiohttp.ClientError, ConnectionError)
_FIELDS = ("name", "uri", "mimeType", "expirationTime", "state")


class GeminiUploads:
    """Belongs to the event loop that sends its first request. Raises the errors of google-genai and aiohttp."""

    def __init__(self, api_key: str, threads: Executor, find: Callable[[str], Awaitable[types.File]]) -> None:
        """`threads` read the streams that are not in memory; `find` returns the file of a name, `files/ID`."""
        self._key, self._threads, self._find = {"x-goog-api-key": api_key}, threads, find
        self._service = yarl.URL(os.environ.get("GOOGLE_GEMINI_BASE_URL") or _SERVICE)
        self._begin = self._service / "upload/v1beta/files"
        self._opened: aiohttp.ClientSession | None = None

    async def send(self, stream: io.IOBase, *, name: str, mime_type: str, display_name: str) -> types.File:
        """Upload a stream as the file `name`, which is `files/ID`; the ID is the caller's choice."""
        size = stream.seek(0, io.SEEK_END)
        resource = {"name": name, "mimeType": mime_type, "displayName": display_name}
        if size <= _SMALL_BYTES:
            return await self._send_at_once(stream, size, resource)
        url = await self._start(size, resource)
        try:
            return await self._send_from(url, stream, 0, size)
        except _BREAKS as broken:
            return await self._resume(url, stream, size, name, broken)

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def _send_at_once(self, stream: io.IOBase, size: int, resource: Mapping[str, str]) -> types.File:
        """Send the description and the content in a body of two parts (RFC 2387)."""
        boundary, kind = secrets.token_hex(16), resource["mimeType"]
        described = f"Content-Type: application/json; charset=utf-8\r\n\r\n{json.dumps({'file': resource})}"
        before = f"--{boundary}\r\n{described}\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode()
        after = f"\r\n--{boundary}--".encode()
        headers = {
            **self._key,
            "X-Goog-Upload-Protocol": "multipart",
            "Content-Type": f"multipart/related; boundary={boundary}",
            "Content-Length": str(len(before) + size + len(after)),
        }

        async def body() -> AsyncIterator[bytes]:
            yield before
            async for piece in self._pieces(stream, 0):
                yield piece
            yield after

        _, content = await self._post(self._begin, headers, body())
        return _file_of(content)

    async def _start(self, size: int, resource: Mapping[str, str]) -> yarl.URL:
        """Begin an upload; return its URL, with the host that this client was told to send to."""
        described = json.dumps({"file": {**resource, "sizeBytes": str(size)}}).encode()
        headers = {
            **self._key,
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(size),
            "X-Goog-Upload-Header-Content-Type": resource["mimeType"],
            "Content-Type": "application/json",
        }
        answered, _ = await self._post(self._begin, headers, described)
        if not (url := answered.get("X-Goog-Upload-URL")):
            raise TransientFailure("the upload to Gemini was not begun: its answer names no URL")
        return self._service.join(yarl.URL(url, encoded=True).relative())

    async def _send_from(self, url: yarl.URL, stream: io.IOBase, offset: int, size: int) -> types.File:
        headers = {
            "X-Goog-Upload-Command": "upload, finalize",
            "X-Goog-Upload-Offset": str(offset),
            "Content-Length": str(size - offset),
        }
        _, content = await self._post(url, headers, self._pieces(stream, offset))
        return _file_of(content)

    async def _resume(self, url: yarl.URL, stream: io.IOBase, size: int, name: str, broken: Exception) -> types.File:
        """Go on with an upload that broke off, as long as it gets further."""
        offset, vain = 0, 0
        while vain < len(_PAUSES_SECONDS):
            await asyncio.sleep(_PAUSES_SECONDS[vain])
            vain += 1
            try:
                received = await self._received(url)
                if received is None:
                    # Only the answer was lost.
                    return await self._find(name)
                if received > offset:
                    offset, vain = received, 0
                return await self._send_from(url, stream, offset, size)
            except io.UnsupportedOperation as error:
                # What is fetched from the web or converted meanwhile is read once.
                broken = error
                break
            except (*_BREAKS, errors.APIError) as error:
                # Refused is also what comes before the service has noticed that the connection is gone.
                broken = error
        raise ConnectionBroken(f"the upload to Gemini broke off: {type(broken).__name__}") from broken

    async def _received(self, url: yarl.URL) -> int | None:
        """Return how many bytes the service has; None if the upload is finished."""
        try:
            headers, _ = await self._post(url, {"X-Goog-Upload-Command": "query"}, None)
        except errors.APIError as error:
            if error.code in (400, 404, 410):  # It has forgotten the upload, as it does with finished ones.
                return None
            raise
        is_finished = headers.get("X-Goog-Upload-Status") == "final"
        return None if is_finished else int(headers.get("X-Goog-Upload-Size-Received", "0"))

    async def _pieces(self, stream: io.IOBase, offset: int) -> AsyncIterator[bytes]:
        run, in_memory = asyncio.get_running_loop().run_in_executor, isinstance(stream, io.BytesIO)
        stream.seek(offset)
        while piece := stream.read(PIECE_BYTES) if in_memory else await run(self._threads, stream.read, PIECE_BYTES):
            view = memoryview(piece)
            for start in range(0, len(view), _WRITE_BYTES):
                yield cast(bytes, view[start : start + _WRITE_BYTES])

    async def _post(
        self, url: yarl.URL, headers: Mapping[str, str], body: AsyncIterator[bytes] | bytes | None
    ) -> tuple[Mapping[str, str], bytes]:
        """Return the headers and the content of the answer to a request. Raises errors of the body as they are."""
        failed = list[Exception]()
        async with asyncio.timeout(_STALL_SECONDS) as limit:

            async def watched(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
                try:
                    async for piece in pieces:
                        yield piece
                        limit.reschedule(asyncio.get_running_loop().time() + _STALL_SECONDS)
                except Exception as error:
                    failed.append(error)
                    raise

            data = watched(body) if isinstance(body, AsyncIterator) else body
            try:
                async with self._session().post(url, headers=headers, data=data) as response:
                    await errors.APIError.raise_for_async_response(response)
                    return response.headers, await response.read()
            except aiohttp.ClientError:
                # aiohttp takes an error of the stream for one of the connection.
                if failed:
                    raise failed[0] from None
                raise

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                # The slots for transfers limit how many there are.
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"User-Agent": "Dropsight"},
                trust_env=True,
            )
        return self._opened


def _file_of(content: bytes) -> types.File:
    answer = json.loads(content or b"{}")
    file = answer.get("file") if isinstance(answer, dict) else None
    if not isinstance(file, dict):
        raise TransientFailure("the upload to Gemini was not finished: its answer names no file")
    return types.File.model_validate({field: file[field] for field in _FIELDS if field in file})
