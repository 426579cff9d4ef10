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
from local.standins.storage.request import Ask

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

    async def listing(self, ask: Ask) -> Response:
        holder, entries = self._read(ask)
        items = [entry_resource(entry, self.kind, holder, ask.base) for entry in entries]
        return ask.answer({"kind": f"storage#{self.plural}", "items": items})

    async def get(self, ask: Ask) -> Response:
        holder, entries = self._read(ask)
        return ask.answer(entry_resource(_find(entries, ask.parts["entity"]), self.kind, holder, ask.base))

    async def insert(self, ask: Ask) -> Response:
        return await self._put(ask, None, must_exist=False)

    async def update(self, ask: Ask) -> Response:
        return await self._put(ask, ask.parts["entity"], must_exist=False)

    async def patch(self, ask: Ask) -> Response:
        return await self._put(ask, ask.parts["entity"], must_exist=True)

    async def delete(self, ask: Ask) -> Response:
        def without(entries: list[Json]) -> list[Json]:
            gone = _find(entries, ask.parts["entity"])
            return [entry for entry in entries if entry is not gone]

        self._change(ask, without)
        return Response(None, 204)

    async def _put(self, ask: Ask, entity: str | None, must_exist: bool) -> Response:
        body = await ask.json()
        new_entry: Json = {}

        def with_entry(entries: list[Json]) -> list[Json]:
            existing = _find(entries, entity) if must_exist and entity else {}
            requested = {**existing, **body, **({"entity": entity} if entity else {})}
            new_entry.update(check_entries([requested], self.of)[0])
            return [*(entry for entry in entries if entry["entity"] != new_entry["entity"]), new_entry]

        holder = self._change(ask, with_entry)
        return ask.answer(entry_resource(new_entry, self.kind, holder, ask.base))

    def _read(self, ask: Ask) -> tuple[Holder, list[Json]]:
        bucket = self.catalog.bucket(ask.parts["bucket"])
        refuse_under_uniform_access(bucket, "get legacy ACL for a bucket or an object")
        holder: Holder = bucket
        if "object" in ask.parts:
            holder = self.catalog.object(bucket.name, ask.parts["object"], ask.generation)
        ask.preconditions.check_read(holder)
        return holder, holder.state.get(self.kind, [])

    def _change(self, ask: Ask, change: Change) -> Holder:
        def state_of(bucket: Bucket, holder: Holder) -> Json:
            refuse_under_uniform_access(bucket, "update access control for a bucket or an object")
            entries = change(list(holder.state.get(self.kind, [])))
            refuse_public(bucket, entries)
            return {**holder.state, self.kind: entries}

        name = ask.parts["bucket"]
        if "object" in ask.parts:
            return self.catalog.amend(name, ask.parts["object"], ask.generation, ask.preconditions, state_of)
        with self.catalog.store.transaction():
            bucket = self.catalog.bucket(name)
            ask.preconditions.check_write(bucket)
            return self.buckets.put(bucket, state_of(bucket, bucket))


def _find(entries: list[Json], entity: str | None) -> Json:
    for entry in entries:
        if entry["entity"] == entity:
            return entry
    raise ApiError(404, f"The specified ACL entity does not exist: {entity}")
