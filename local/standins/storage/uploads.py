"""Uploads in one request: media (the bytes alone) and multipart (metadata, then the bytes)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response

from local.standins.storage.catalog import Catalog
from local.standins.storage.checksums import check_digests, object_name, stated_checksums
from local.standins.storage.conditions import Preconditions
from local.standins.storage.encryption import customer_key
from local.standins.storage.errors import invalid
from local.standins.storage.multipart import Parts, boundary_of, raw_header
from local.standins.storage.object_config import new_state
from local.standins.storage.records import Json, ObjectVersion
from local.standins.storage.request import ApiRequest, parse_json
from local.standins.storage.resumable import Resumables

_METADATA_LIMIT = 1 << 20


class Uploads:
    """The handler of `POST /upload/…/o`."""

    def __init__(self, catalog: Catalog, resumables: Resumables) -> None:
        self._catalog, self._resumables = catalog, resumables

    async def insert(self, request: ApiRequest) -> Response:
        kind = request.query.get("uploadType")
        if "upload_id" in request.query:
            return await self._resumables.put(request)
        if kind == "resumable":
            return await self._resumables.start(request)
        if kind == "multipart":
            return await self._multipart(request)
        if kind == "media":
            content_type = request.http.headers.get("content-type")
            return await self._insert(
                request, {"contentType": content_type} if content_type else {}, request.http.stream()
            )
        raise invalid(f"Invalid upload type: {kind}" if kind else "Required parameter: uploadType")

    async def _multipart(self, request: ApiRequest) -> Response:
        parts = Parts(request.http.stream(), boundary_of(request.http.headers.get("content-type", "")))
        if await parts.next() is None:
            raise invalid("Bad request: the metadata part is missing.")
        metadata = parse_json(await parts.body(_METADATA_LIMIT, "Metadata part"))
        media = await parts.next()
        if media is None:
            raise invalid("Bad request: the media part is missing.")
        if "contentType" not in metadata and (content_type := raw_header(media, "content-type")):
            metadata["contentType"] = content_type
        return await self._insert(request, metadata, parts.stream())

    async def _insert(self, request: ApiRequest, metadata: Json, chunks: AsyncIterator[bytes]) -> Response:
        name = object_name(request, metadata)
        version = await self.store(
            request, request.parts["bucket"], name, metadata, chunks, request.query, request.preconditions
        )
        return request.json_response(version.resource(request.base, request.full))

    async def store(
        self,
        request: ApiRequest,
        bucket: str,
        name: str,
        metadata: Json,
        chunks: AsyncIterator[bytes],
        query: Mapping[str, str],
        preconditions: Preconditions,
    ) -> ObjectVersion:
        """Create an object of the bytes in `chunks`. Raises ApiError."""
        catalog = self._catalog
        holder = catalog.check_place(bucket, name, preconditions)
        state = new_state(metadata, query, holder) | customer_key(request.http.headers)
        stated = stated_checksums(metadata, request.http.headers)
        writer = catalog.contents.new()
        try:
            await catalog.contents.pour(chunks, writer)
            digests = writer.digests.values()
            check_digests(stated, digests)
            return catalog.place(bucket, name, writer.content, writer.size, state | digests, preconditions)
        except BaseException:
            catalog.contents.discard(writer.content)
            raise
        finally:
            request.ledger.count("storage", "bytes_in", writer.size)
