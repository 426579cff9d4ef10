"""Send the requests of Cloud Storage's JSON API for whole objects from the event loop, over aiohttp.

Google's client has no async form: each of its requests takes a thread and five times the CPU time. Its endpoint and
credentials are used here. It still lists objects, reads ranges in threads, and opens resumable uploads.

Errors are those of `google.api_core`, `google.auth` and aiohttp. What may pass is tried again for `RETRY_SECONDS`.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import secrets
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote, urlencode

import aiohttp
import google_crc32c
import yarl
from google.api_core import exceptions as api_errors
from google.api_core.retry import AsyncRetry
from google.auth import exceptions as auth_errors
from google.auth.transport.requests import Request
from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]

from shared.cloud.object_upload import RETRY_SECONDS

_IDLE_SECONDS = 60.0
_TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
"""https://cloud.google.com/storage/docs/retry-strategy"""
BROKEN = (aiohttp.ClientError, ConnectionError, TimeoutError)
"""The exceptions for a failed connection."""
_COMPACT = {"prettyPrint": "false"}


class Answer(NamedTuple):
    body: bytes
    encoding: str = ""
    hashes: str = ""
    """`crc32c=…` and `md5=…`, separated by commas."""


class ObjectRequests:
    """Belongs to the event loop that sends its first request."""

    def __init__(
        self, client: storage.Client, *, connections: int, trust_env: bool, authorities: str | None = None
    ) -> None:
        """`authorities`: the file or folder of the certificates to trust; None for those of the system."""
        self._client, self._connections, self._trust_env = client, connections, trust_env
        self._authorities = authorities
        self._opened: aiohttp.ClientSession | None = None
        self._refreshing = asyncio.Lock()
        self._writing: set[asyncio.Task[Answer]] = set()

    async def metadata(self, bucket: str, name: str) -> dict[str, Any]:
        """Return the resource of an object. Raises `NotFound`."""
        answer = await self._send("GET", f"/storage/v1/{_path(bucket, name)}", {"projection": "noAcl", **_COMPACT})
        return cast(dict[str, Any], json.loads(answer.body))

    async def content(
        self, bucket: str, name: str, *, generation: int | None, start: int = 0, end: int | None = None
    ) -> tuple[bytes, str]:
        """Return the bytes from `start` to `end`, inclusive, as they are stored, and their content encoding.

        Raises `NotFound` or `RequestRangeNotSatisfiable`; `DataLoss` if a whole object arrives damaged.
        """
        params = {"alt": "media", **({} if generation is None else {"generation": str(generation)})}
        # Otherwise Cloud Storage decompresses objects that are stored with gzip.
        headers = {"Accept-Encoding": "gzip"}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end}"
        answer = await self._send("GET", f"/download/storage/v1/{_path(bucket, name)}", params, headers)
        if "Range" not in headers:
            require_checksum(answer.body, answer.hashes)
        return answer.body, answer.encoding

    async def insert(
        self, bucket: str, resource: Mapping[str, object], data: bytes, *, if_generation: int | None
    ) -> dict[str, Any]:
        """Write an object: its resource, with `name` and `contentType`, and its content. Return the new resource.

        The write goes on if its caller is cancelled, since its content may be a billed answer.
        Raises `PreconditionFailed`.
        """
        params = {"uploadType": "multipart", **_COMPACT}
        if if_generation is not None:
            params["ifGenerationMatch"] = str(if_generation)
        boundary = secrets.token_hex(16)
        described = json.dumps({**resource, "crc32c": _crc32c(data)}).encode()
        kind = cast(str, resource["contentType"])
        body = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode() + described
            + f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + data + f"\r\n--{boundary}--".encode()
        )  # fmt: skip
        headers = {"Content-Type": f'multipart/related; boundary="{boundary}"'}
        path = f"/upload/storage/v1/b/{quote(bucket, safe='')}/o"
        writing = asyncio.create_task(self._send("POST", path, params, headers, body))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        answer = await asyncio.shield(writing)
        return cast(dict[str, Any], json.loads(answer.body))

    async def delete(self, bucket: str, name: str) -> None:
        """Delete an object. Raises `NotFound`."""
        await self._send("DELETE", f"/storage/v1/{_path(bucket, name)}", {})

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def _send(
        self, method: str, path: str, params: dict[str, str], headers: Mapping[str, str] = {}, body: bytes | None = None
    ) -> Answer:
        url = yarl.URL(f"{self._client.api_endpoint}{path}?{urlencode(params)}", encoded=True)
        return await _RETRY(self._try)(method, url, headers, body)

    async def _try(self, method: str, url: yarl.URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        answer = await self._exchange(method, url, headers, body, refresh=False)
        if answer is None:
            answer = await self._exchange(method, url, headers, body, refresh=True)
        assert answer is not None
        return answer

    async def _exchange(
        self, method: str, url: yarl.URL, headers: Mapping[str, str], body: bytes | None, *, refresh: bool
    ) -> Answer | None:
        """Send one request and return its response; None if credentials that were not just renewed are refused."""
        all_headers = {"Accept-Encoding": "identity", **headers, **await self._authorization(refresh=refresh)}
        data = None if body is None else io.BytesIO(body)
        async with self._session().request(method, url, headers=all_headers, data=data) as response:
            received = await response.read()
            if response.status == 401 and not refresh:
                return None
            if response.status >= 400:
                raise _error(response.status, received)
            hashes = ",".join(response.headers.getall("X-Goog-Hash", ()))
            return Answer(received, response.headers.get("Content-Encoding", "").lower(), hashes)

    async def _authorization(self, *, refresh: bool) -> dict[str, str]:
        credentials = self._client._credentials
        async with self._refreshing:
            if refresh or not credentials.valid:
                await asyncio.to_thread(credentials.refresh, Request())
        headers: dict[str, str] = {}
        credentials.apply(headers)
        return headers

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=self._tls()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_IDLE_SECONDS, sock_read=_IDLE_SECONDS),
                headers={"User-Agent": "Dropsight"},
                auto_decompress=False,
                trust_env=self._trust_env,
            )
        return self._opened

    def _tls(self) -> ssl.SSLContext | bool:
        if (path := self._authorities) is None:
            return True
        is_folder = Path(path).is_dir()
        return ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)


def _path(bucket: str, name: str) -> str:
    return f"b/{quote(bucket, safe='')}/o/{quote(name, safe='~')}"


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def require_checksum(body: bytes, hashes: str) -> None:
    """Raise `DataLoss` if the body has another CRC-32C than the answer's `X-Goog-Hash` says, if it says any."""
    expected = dict(entry.strip().partition("=")[::2] for entry in hashes.split(",")).get("crc32c")
    if expected and expected != (actual := _crc32c(body)):
        message = f"the object arrived damaged: CRC-32C {actual} instead of {expected}"
        raise api_errors.DataLoss(message)  # type: ignore[no-untyped-call]


def _may_pass(error: Exception) -> bool:
    if isinstance(error, api_errors.GoogleAPICallError):
        return error.code in _TRANSIENT_STATUSES
    return isinstance(error, (*BROKEN, auth_errors.TransportError)) and not isinstance(error, aiohttp.InvalidURL)


def _error(status: int, body: bytes) -> api_errors.GoogleAPICallError:
    """Return the exception for an error response: JSON from the API, or text from a proxy before it."""
    message, errors = body.decode(errors="replace"), []
    try:
        described = json.loads(body)["error"]
        message, errors = str(described["message"]), list(described.get("errors") or [])
    except (ValueError, LookupError, TypeError):
        pass
    raised = api_errors.from_http_status(status, message, errors=errors)  # type: ignore[no-untyped-call]
    return cast(api_errors.GoogleAPICallError, raised)


_RETRY = AsyncRetry(predicate=_may_pass, timeout=RETRY_SECONDS)
