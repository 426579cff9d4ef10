"""Handlers of the objects' methods: get, list, patch, update, delete, copy, rewrite, compose, move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from local.standins.storage.acl import check_entries, predefined_object_acl, refuse_public, refuse_under_uniform_access
from local.standins.storage.body_shapes import COMPOSITION
from local.standins.storage.catalog import Catalog
from local.standins.storage.conditions import Preconditions
from local.standins.storage.content import Digests, concatenate
from local.standins.storage.downloads import Downloads
from local.standins.storage.encryption import OF_SOURCE, check_key, customer_key, with_visible_checksums
from local.standins.storage.errors import ApiError, invalid, no_such_object, not_offered
from local.standins.storage.iam import authorize
from local.standins.storage.listing import Listing, list_objects
from local.standins.storage.object_config import (
    acl_state,
    check_storage_class,
    new_state,
    patch_state,
    replace_state,
)
from local.standins.storage.records import Bucket, Json, ObjectVersion
from local.standins.storage.request import ApiRequest

_NO_KEY = Headers()
_COMPOSE_LIMIT = 32
_NOT_COPIED = (
    *("timeCreated", "updated", "timeStorageClassUpdated", "timeFinalized", "timeDeleted", "acl", "owner", "retention"),
    *("retentionExpirationTime", "temporaryHold", "eventBasedHold", "storageClass", "customerEncryption", "kmsKeyName"),
)


class Objects:
    def __init__(self, catalog: Catalog, downloads: Downloads) -> None:
        self._catalog, self._downloads = catalog, downloads

    async def get(self, request: ApiRequest) -> Response:
        if "softDeleted" in request.query and request.flag("softDeleted"):
            raise not_offered("Soft deletion")
        version = self._catalog.object(
            request.parts["bucket"], request.parts["object"], request.generation, request.preconditions
        )
        if request.query.get("alt") == "media":
            return self._downloads.media(request, version)
        return request.json_response(
            with_visible_checksums(version, request.http.headers).resource(request.base, request.full)
        )

    async def download(self, request: ApiRequest) -> Response:
        version = self._catalog.object(
            request.parts["bucket"], request.parts["object"], request.generation, request.preconditions
        )
        return self._downloads.media(request, version)

    async def list(self, request: ApiRequest) -> Response:
        authorize("storage.objects.list", request.parts["bucket"])
        bucket = self._catalog.bucket(request.parts["bucket"]).name
        if request.flag("softDeleted"):
            raise not_offered("Soft deletion")
        page = list_objects(self._catalog.store, bucket, Listing.of(request))
        full = request.full
        answer: Json = {"kind": "storage#objects"}
        if page.token:
            answer["nextPageToken"] = page.token
        if page.prefixes:
            answer["prefixes"] = page.prefixes
        if page.items:
            answer["items"] = [
                with_visible_checksums(version, _NO_KEY).resource(request.base, full) for version in page.items
            ]
        return request.json_response(answer)

    async def patch(self, request: ApiRequest) -> Response:
        return await self._amend(request, patch_state)

    async def update(self, request: ApiRequest) -> Response:
        return await self._amend(request, replace_state)

    async def delete(self, request: ApiRequest) -> Response:
        self._catalog.remove(
            request.parts["bucket"], request.parts["object"], request.generation, request.preconditions
        )
        return Response(None, 204)

    async def restore(self, request: ApiRequest) -> Response:
        raise not_offered("Soft deletion")

    async def copy(self, request: ApiRequest) -> Response:
        version = await self._duplicate(request, await request.json())
        return request.json_response(version.resource(request.base, request.full))

    async def rewrite(self, request: ApiRequest) -> Response:
        """Copy in a single call: the copy shares its source's bytes."""
        version = await self._duplicate(request, await request.json())
        done = {"kind": "storage#rewriteResponse", "totalBytesRewritten": str(version.size), "done": True}
        return request.json_response(
            {**done, "objectSize": str(version.size), "resource": version.resource(request.base, request.full)}
        )

    async def move(self, request: ApiRequest) -> Response:
        source = self._source(request, request.parts["bucket"], request.parts["object"])
        if source.name == request.parts["to"]:
            raise invalid("The source and destination objects are the same.")
        state = {key: value for key, value in source.state.items() if key not in ("timeDeleted",)}
        version = self._catalog.move(source, request.parts["to"], state, request.preconditions)
        return request.json_response(version.resource(request.base, request.full))

    async def compose(self, request: ApiRequest) -> Response:
        body = await request.json(COMPOSITION)
        bucket, name = request.parts["bucket"], request.parts["object"]
        holder = self._catalog.check_place(bucket, name, request.preconditions)
        sources = [self._component(bucket, source) for source in _source_objects(body)]
        destination = body.get("destination") or {}
        key = customer_key(request.http.headers)
        for source in sources:
            check_key(source, request.http.headers)
        query = {**request.query}
        if "destinationPredefinedAcl" in query:
            query["predefinedAcl"] = query["destinationPredefinedAcl"]
        state = new_state(destination, query, holder) | key
        state["componentCount"] = sum(source.state.get("componentCount", 1) for source in sources)
        contents = self._catalog.contents
        readers = [contents.open(source.content) for source in sources]
        writer = contents.new(Digests(md5=False))
        try:
            await contents.run(concatenate, readers, writer)
            digests = writer.digests.values()
            version = self._catalog.place(
                bucket, name, writer.content, writer.size, state | digests, request.preconditions
            )
        except BaseException:
            contents.discard(writer.content)
            raise
        return request.json_response(version.resource(request.base, request.full))

    async def _amend(self, request: ApiRequest, merge: Callable[[Json, Json], Json]) -> Response:
        body = await request.json()
        predefined = request.query.get("predefinedAcl")
        override = request.flag("overrideUnlockedRetention")

        def change(holder: Bucket, version: ObjectVersion) -> Json:
            state = merge(version.state, body)
            _check_retention_change(version.state.get("retention"), state.get("retention"), override)
            if body.get("acl") is not None or predefined is not None:
                refuse_under_uniform_access(holder, "update access control for an object")
                named = predefined_object_acl(predefined) if predefined else check_entries(body["acl"], "object")
                refuse_public(holder, named)
                state["acl"] = named
            return state

        version = self._catalog.amend(
            request.parts["bucket"], request.parts["object"], request.generation, request.preconditions, change
        )
        return request.json_response(version.resource(request.base, request.full))

    def _source(self, request: ApiRequest, bucket: str, name: str) -> ObjectVersion:
        """Return the source of a copy.

        Its preconditions are those of a write: a failed "not match" is a 412, not a 304.
        """
        version = self._catalog.object(bucket, name, request.number("sourceGeneration"))
        request.source_preconditions.check_write(version)
        return version

    async def _duplicate(self, request: ApiRequest, destination: Json) -> ObjectVersion:
        source = self._source(request, request.parts["bucket"], request.parts["object"])
        bucket, name = request.parts["to_bucket"], request.parts["to"]
        holder = self._catalog.check_place(bucket, name, request.preconditions)
        headers = request.http.headers
        same_place = (source.bucket, source.name) == (bucket, name)
        if "x-goog-copy-source-encryption-key" in headers or source.state.get("customerEncryption"):
            check_key(source, headers, OF_SOURCE)
        inherited = {key: value for key, value in source.state.items() if key not in _NOT_COPIED}
        # A destination resource with anything to say replaces the source's metadata whole.
        overrides = {
            key: value for key, value in destination.items() if key not in ("name", "bucket", "storageClass", "acl")
        }
        settings = new_state(overrides if overrides else {**inherited}, {}, holder)
        physical = {key: inherited[key] for key in ("crc32c", "md5Hash", "componentCount") if key in inherited}
        state: dict[str, Any] = settings | physical | customer_key(headers)
        if destination.get("storageClass"):
            state["storageClass"] = check_storage_class(destination["storageClass"])
        elif same_place:
            state["storageClass"] = source.state["storageClass"]
        state |= acl_state(destination.get("acl"), request.query.get("destinationPredefinedAcl"), holder)
        return self._catalog.place(bucket, name, source.content, source.size, state, request.preconditions)

    def _component(self, bucket: str, source: Json) -> ObjectVersion:
        name, generation = source.get("name"), source.get("generation")
        if not isinstance(name, str):
            raise invalid("Required parameter: sourceObjects[].name")
        authorize("storage.objects.get", bucket, name)
        version = self._catalog.store.object(bucket, name, int(generation) if generation is not None else None)
        if version is None:
            raise no_such_object(bucket, name)
        conditions = source.get("objectPreconditions") or {}
        if (expected := conditions.get("ifGenerationMatch")) is not None:
            Preconditions(generation=int(expected)).check_write(version)
        return version


def _source_objects(body: Json) -> list[Json]:
    sources: list[Json] = body.get("sourceObjects") or []
    if not sources:
        raise ApiError(400, "You must provide at least one source component.", "required")
    if len(sources) > _COMPOSE_LIMIT:
        raise invalid(
            f"The number of source components provided ({len(sources)}) exceeds the maximum ({_COMPOSE_LIMIT})."
        )
    return sources


def _check_retention_change(before: Json | None, after: Json | None, override: bool) -> None:
    if not before or before == after:
        return
    weaker = after is None or after["mode"] != before["mode"] or after["retainUntilTime"] < before["retainUntilTime"]
    if not weaker:
        return
    if before["mode"] == "Locked":
        raise ApiError(403, "The object's retention is locked: it cannot be removed or shortened.")
    if not override and (after is None or after["retainUntilTime"] < before["retainUntilTime"]):
        raise ApiError(403, "overrideUnlockedRetention is required to remove or shorten an object's retention.")
