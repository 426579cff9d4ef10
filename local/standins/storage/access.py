"""Handlers of the access control entries of buckets, of their default for objects, and of objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from local.standins.storage.acl import (
    AclField,
    check_entries,
    entry_resource,
    refuse_public,
    refuse_under_uniform_access,
)
from local.standins.storage.buckets import Buckets
from local.standins.storage.catalog import Catalog
from local.standins.storage.errors import ApiError
from local.standins.storage.records import Bucket, Json, ObjectVersion
from local.standins.storage.request import ApiRequest

Change = Callable[[list[Json]], list[Json]]
Holder = Bucket | ObjectVersion


@dataclass(frozen=True)
class Lists:
    """One of the three kinds of lists."""

    catalog: Catalog
    buckets: Buckets
    kind: AclField
    of: Literal["bucket", "object"]
    plural: str

    async def listing(self, request: ApiRequest) -> Response:
        holder, entries = self._read(request)
        items = [entry_resource(entry, self.kind, holder, request.base) for entry in entries]
        return request.json_response({"kind": f"storage#{self.plural}", "items": items})

    async def get(self, request: ApiRequest) -> Response:
        holder, entries = self._read(request)
        return request.json_response(
            entry_resource(_find(entries, request.parts["entity"]), self.kind, holder, request.base)
        )

    async def insert(self, request: ApiRequest) -> Response:
        return await self._put(request, None, must_exist=False)

    async def update(self, request: ApiRequest) -> Response:
        return await self._put(request, request.parts["entity"], must_exist=False)

    async def patch(self, request: ApiRequest) -> Response:
        return await self._put(request, request.parts["entity"], must_exist=True)

    async def delete(self, request: ApiRequest) -> Response:
        def without(entries: list[Json]) -> list[Json]:
            gone = _find(entries, request.parts["entity"])
            return [entry for entry in entries if entry is not gone]

        self._change(request, without)
        return Response(None, 204)

    async def _put(self, request: ApiRequest, entity: str | None, must_exist: bool) -> Response:
        body = await request.json()
        new_entry: Json = {}

        def with_entry(entries: list[Json]) -> list[Json]:
            existing = _find(entries, entity) if must_exist and entity else {}
            requested = {**existing, **body, **({"entity": entity} if entity else {})}
            new_entry.update(check_entries([requested], self.of)[0])
            return [*(entry for entry in entries if entry["entity"] != new_entry["entity"]), new_entry]

        holder = self._change(request, with_entry)
        return request.json_response(entry_resource(new_entry, self.kind, holder, request.base))

    def _read(self, request: ApiRequest) -> tuple[Holder, list[Json]]:
        bucket = self.catalog.bucket(request.parts["bucket"])
        refuse_under_uniform_access(bucket, "get legacy ACL for a bucket or an object")
        holder: Holder = bucket
        if "object" in request.parts:
            holder = self.catalog.object(bucket.name, request.parts["object"], request.generation)
        request.preconditions.check_read(holder)
        return holder, holder.state.get(self.kind, [])

    def _change(self, request: ApiRequest, change: Change) -> Holder:
        def state_of(bucket: Bucket, holder: Holder) -> Json:
            refuse_under_uniform_access(bucket, "update access control for a bucket or an object")
            entries = change(list(holder.state.get(self.kind, [])))
            refuse_public(bucket, entries)
            return {**holder.state, self.kind: entries}

        name = request.parts["bucket"]
        if "object" in request.parts:
            return self.catalog.amend(
                name, request.parts["object"], request.generation, request.preconditions, state_of
            )
        with self.catalog.store.transaction():
            bucket = self.catalog.bucket(name)
            request.preconditions.check_write(bucket)
            return self.buckets.put(bucket, state_of(bucket, bucket))


def _find(entries: list[Json], entity: str | None) -> Json:
    for entry in entries:
        if entry["entity"] == entity:
            return entry
    raise ApiError(404, f"The specified ACL entity does not exist: {entity}")
