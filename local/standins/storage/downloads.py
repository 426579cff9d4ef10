"""Downloads: whole objects or ranges, read in blocks; gzip content is unpacked for clients that do not accept it."""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from local.standins.ledger import Ledger
from local.standins.storage.catalog import Catalog
from local.standins.storage.content import BLOCK, SMALL, Reader
from local.standins.storage.encryption import check_key
from local.standins.storage.errors import ApiError
from local.standins.storage.object_config import parse_time
from local.standins.storage.records import ObjectVersion
from local.standins.storage.request import ApiRequest

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_IN_NAMES = "!#$&'*+.^_`|~-"
"""Characters allowed in a header's name beside letters and digits."""


@dataclass(frozen=True)
class _Slice:
    start: int
    end: int
    """Past the last byte."""


class Downloads:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.link_mib_s: float | None = None
        """How fast each download is sent, in MiB a second; None: as fast as it is read."""

    def media(self, request: ApiRequest, version: ObjectVersion) -> Response:
        http_headers = request.http.headers
        check_key(version, http_headers)
        unpack = (
            version.state.get("contentEncoding") == "gzip"
            and not _takes_gzip(http_headers.get("accept-encoding", ""))
            and "no-transform" not in version.state.get("cacheControl", "")
        )
        headers = _headers(version)
        reader = self._catalog.contents.open(version.content)
        if unpack:
            # The length and the ranges of what is unpacked are not known, so that a range is passed over.
            headers += [
                ("x-guploader-response-body-transformations", "gunzipped"),
                ("warning", "214 UploadServer gunzipped"),
                ("vary", "Accept-Encoding"),
            ]
            return self._stream(request.ledger, _unpacked(self._read(reader, _Slice(0, version.size))), 200, headers)
        if "contentEncoding" in version.state:
            headers.append(("content-encoding", version.state["contentEncoding"]))
        requested = _requested_slice(http_headers.get("range"), version.size)
        status = 200
        if requested is not None:
            status = 206
            headers.append(("content-range", f"bytes {requested.start}-{requested.end - 1}/{version.size}"))
        part = requested or _Slice(0, version.size)
        length = part.end - part.start
        headers.append(("content-length", str(length)))
        if length <= SMALL:
            request.ledger.count("storage", "bytes_out", length)
            return _with_headers(Response(reader.read(part.start, length), status), headers)
        return self._stream(request.ledger, self._read(reader, part), status, headers)

    def _stream(
        self, ledger: Ledger, blocks: AsyncIterator[bytes], status: int, headers: list[tuple[str, str]]
    ) -> Response:
        async def counted() -> AsyncIterator[bytes]:
            async for block in blocks:
                ledger.count("storage", "bytes_out", len(block))
                yield block

        return _with_headers(StreamingResponse(counted(), status), headers)

    async def _read(self, reader: Reader, part: _Slice) -> AsyncIterator[bytes]:
        at, began = part.start, time.monotonic()
        while at < part.end:
            block = await self._catalog.contents.run(reader.read, at, min(BLOCK, part.end - at))
            at += len(block)
            if self.link_mib_s is not None:
                due = began + (at - part.start) / (self.link_mib_s * (1 << 20))
                await asyncio.sleep(due - time.monotonic())
            yield block


def _requested_slice(header: str | None, size: int) -> _Slice | None:
    """Return the slice that a `Range` header requests, or None for all.

    Malformed headers and multiple ranges are ignored.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= size:
        raise ApiError(416, "Request range not satisfiable", headers={"content-range": f"bytes */{size}"})
    return _Slice(start, end)


def _headers(version: ObjectVersion) -> list[tuple[str, str]]:
    state = version.state
    updated = parse_time(state["updated"]).astimezone(UTC)
    headers = [
        ("content-type", state.get("contentType", "application/octet-stream")),
        ("cache-control", state.get("cacheControl", "no-cache, no-store, max-age=0, must-revalidate")),
        ("etag", version.etag),
        ("last-modified", format_datetime(updated, usegmt=True)),
        ("x-goog-generation", str(version.generation)),
        ("x-goog-metageneration", str(version.metageneration)),
        ("x-goog-hash", ",".join(version.hashes)),
        ("x-goog-storage-class", state["storageClass"]),
        ("x-goog-stored-content-encoding", state.get("contentEncoding", "identity")),
        ("x-goog-stored-content-length", str(version.size)),
    ]
    for field, name in (("contentDisposition", "content-disposition"), ("contentLanguage", "content-language")):
        if field in state:
            headers.append((name, state[field]))
    # JSON API headers carry custom metadata too; they hold ASCII only.
    headers += [
        (f"x-goog-meta-{quote(key, safe=_IN_NAMES)}", quote(value, safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}~"))
        for key, value in state.get("metadata", {}).items()
    ]
    if key := state.get("customerEncryption"):
        headers += [("x-goog-encryption-algorithm", "AES256"), ("x-goog-encryption-key-sha256", key["keySha256"])]
    return headers


def _with_headers(response: Response, headers: list[tuple[str, str]]) -> Response:
    # Set raw: names and dispositions may hold what the framework's Latin-1 cannot write.
    response.raw_headers = [(name.encode(), _field_value(value)) for name, value in headers]
    return response


def _field_value(text: str) -> bytes:
    """Return a valid header value: trimmed, with control characters %-encoded."""
    trimmed = text.strip(" \t")
    return _CONTROL.sub(lambda match: f"%{ord(match.group()):02X}", trimmed).encode()


def _takes_gzip(accepted: str) -> bool:
    """Return whether an `Accept-Encoding` header accepts gzip."""
    for item in accepted.lower().split(","):
        coding, _, weight = item.partition(";")
        if coding.strip() in ("gzip", "x-gzip"):
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None
    return False


async def _unpacked(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Gunzip a stream in bounded memory, whatever its compression ratio. Data that is not gzip passes unchanged."""
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    started = False
    async for block in blocks:
        try:
            while block:
                data = unzip.decompress(block, BLOCK)
                started = True
                if data:
                    yield data
                block = unzip.unconsumed_tail
                if unzip.eof and unzip.unused_data:
                    block, unzip = unzip.unused_data, zlib.decompressobj(zlib.MAX_WBITS | 16)
        except zlib.error:
            if started:
                raise
            yield block
            started = False
            async for rest in blocks:
                yield rest
