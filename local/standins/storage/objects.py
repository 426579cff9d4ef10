"""Handlers of the objects' methods: get, list, patch, update, delete, copy, rewrite, compose, move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from local.standins.storage.acl import check_entries, predefined_object_acl, refuse_public, refuse_under_uniform_access
from local.standins.storage.catalog import Catalog
from local.standins.storage.conditions import Preconditions
from local.standins.storage.content import Digests, concatenate
from local.standins.storage.downloads import Downloads
from local.standins.storage.encryption import OF_SOURCE, check_key, customer_key, with_visible_checksums
from local.standins.storage.errors import ApiError, invalid, no_such_object, not_offered
from local.standins.storage.listing import Listing, list_objects
from local.standins.storage.object_config import (
    acl_state,
    check_storage_class,
    new_state,
    patch_state,
    replace_state,
)
from local.standins.storage.records import Bucket, Json, ObjectVersion
from local.standins.storage.request import Ask

_NO_KEY = Headers()
_COMPOSE_LIMIT = 32
_NOT_COPIED = (
    *("timeCreated", "updated", "timeStorageClassUpdated", "timeFinalized", "timeDeleted", "acl", "owner", "retention"),
    *("retentionExpirationTime", "temporaryHold", "eventBasedHold", "storageClass", "customerEncryption", "kmsKeyName"),
)


class Objects:
    def __init__(self, catalog: Catalog, downloads: Downloads) -> None:
        self._catalog, self._downloads = catalog, downloads

    async def get(self, ask: Ask) -> Response:
        if "softDeleted" in ask.query and ask.flag("softDeleted"):
            raise not_offered("Soft deletion")
        version = self._catalog.object(ask.parts["bucket"], ask.parts["object"], ask.generation, ask.preconditions)
        if ask.query.get("alt") == "media":
            return self._downloads.media(ask, version)
        return ask.answer(with_visible_checksums(version, ask.request.headers).resource(ask.base, ask.full))

    async def download(self, ask: Ask) -> Response:
        version = self._catalog.object(ask.parts["bucket"], ask.parts["object"], ask.generation, ask.preconditions)
        return self._downloads.media(ask, version)

    async def list(self, ask: Ask) -> Response:
        bucket = self._catalog.bucket(ask.parts["bucket"]).name
        if ask.flag("softDeleted"):
            raise not_offered("Soft deletion")
        page = list_objects(self._catalog.store, bucket, Listing.of(ask))
        full = ask.full
        answer: Json = {"kind": "storage#objects"}
        if page.token:
            answer["nextPageToken"] = page.token
        if page.prefixes:
            answer["prefixes"] = page.prefixes
        if page.items:
            answer["items"] = [
                with_visible_checksums(version, _NO_KEY).resource(ask.base, full) for version in page.items
            ]
        return ask.answer(answer)

    async def patch(self, ask: Ask) -> Response:
        return await self._amend(ask, patch_state)

    async def update(self, ask: Ask) -> Response:
        return await self._amend(ask, replace_state)

    async def delete(self, ask: Ask) -> Response:
        self._catalog.remove(ask.parts["bucket"], ask.parts["object"], ask.generation, ask.preconditions)
        return Response(None, 204)

    async def restore(self, ask: Ask) -> Response:
        raise not_offered("Soft deletion")

    async def copy(self, ask: Ask) -> Response:
        version = await self._duplicate(ask, await ask.json())
        return ask.answer(version.resource(ask.base, ask.full))

    async def rewrite(self, ask: Ask) -> Response:
        """Always done in one call: the copy shares its source's bytes."""
        version = await self._duplicate(ask, await ask.json())
        done = {"kind": "storage#rewriteResponse", "totalBytesRewritten": str(version.size), "done": True}
        return ask.answer({**done, "objectSize": str(version.size), "resource": version.resource(ask.base, ask.full)})

    async def move(self, ask: Ask) -> Response:
        source = self._source(ask, ask.parts["bucket"], ask.parts["object"])
        if source.name == ask.parts["to"]:
            raise invalid("The source and destination objects are the same.")
        state = {key: value for key, value in source.state.items() if key not in ("timeDeleted",)}
        version = self._catalog.move(source, ask.parts["to"], state, ask.preconditions)
        return ask.answer(version.resource(ask.base, ask.full))

    async def compose(self, ask: Ask) -> Response:
        body = await ask.json()
        bucket, name = ask.parts["bucket"], ask.parts["object"]
        holder = self._catalog.check_place(bucket, name, ask.preconditions)
        sources = [self._component(bucket, source) for source in _source_objects(body)]
        destination = body.get("destination") or {}
        key = customer_key(ask.request.headers)
        for source in sources:
            check_key(source, ask.request.headers)
        query = {**ask.query}
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
            version = self._catalog.place(bucket, name, writer.content, writer.size, state | digests, ask.preconditions)
        except BaseException:
            contents.discard(writer.content)
            raise
        return ask.answer(version.resource(ask.base, ask.full))

    async def _amend(self, ask: Ask, merge: Callable[[Json, Json], Json]) -> Response:
        body = await ask.json()
        predefined = ask.query.get("predefinedAcl")
        override = ask.flag("overrideUnlockedRetention")

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
            ask.parts["bucket"], ask.parts["object"], ask.generation, ask.preconditions, change
        )
        return ask.answer(version.resource(ask.base, ask.full))

    def _source(self, ask: Ask, bucket: str, name: str) -> ObjectVersion:
        """The source of a copy, whose conditions are those of a write: a failed "not match" is 412, never 304."""
        version = self._catalog.object(bucket, name, ask.number("sourceGeneration"))
        ask.source_preconditions.check_write(version)
        return version

    async def _duplicate(self, ask: Ask, destination: Json) -> ObjectVersion:
        source = self._source(ask, ask.parts["bucket"], ask.parts["object"])
        bucket, name = ask.parts["to_bucket"], ask.parts["to"]
        holder = self._catalog.check_place(bucket, name, ask.preconditions)
        headers = ask.request.headers
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
        state |= acl_state(destination.get("acl"), ask.query.get("destinationPredefinedAcl"), holder)
        return self._catalog.place(bucket, name, source.content, source.size, state, ask.preconditions)

    def _component(self, bucket: str, source: Json) -> ObjectVersion:
        name, generation = source.get("name"), source.get("generation")
        if not isinstance(name, str):
            raise invalid("Required parameter: sourceObjects[].name")
        version = self._catalog.store.object(bucket, name, int(generation) if generation is not None else None)
        if version is None:
            raise no_such_object(bucket, name)
        conditions = source.get("objectPreconditions") or {}
        if (expected := conditions.get("ifGenerationMatch")) is not None:
            Preconditions(generation=int(expected)).check_write(version)
        return version


def _source_objects(body: Json) -> list[Json]:
    sources = body.get("sourceObjects")
    if not isinstance(sources, list) or not sources or not all(isinstance(source, dict) for source in sources):
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
