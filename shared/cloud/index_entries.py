"""Store in Firestore which File Search store an index is, and what each object has in it.

The service can list a store's documents only from end to end, so what belongs to an object is remembered here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from google.api_core import exceptions as api_errors
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from shared.domain.index_entries import Entry

_CHANGED = (api_errors.Conflict, api_errors.FailedPrecondition, api_errors.NotFound)


@dataclass(frozen=True)
class StoredEntry:
    """An entry, and when its document was last written."""

    entry: Entry
    version: Any


class IndexEntries:
    def __init__(self, client: firestore.AsyncClient) -> None:
        self._client = client
        self._stores = client.collection("index_stores")
        self._entries = client.collection("index_entries")

    async def store(self, index: str) -> str | None:
        """Return the File Search store of an index, or None if nothing was ever added to it."""
        snapshot = await self._stores.document(index).get()
        return str(snapshot.get("store")) if snapshot.exists else None

    async def settle_store(self, index: str, name: str) -> str:
        """Make `name` the store of an index, unless another instance was faster; return the store."""
        try:
            await self._stores.document(index).create({"store": name})
        except api_errors.Conflict:
            return await self.store(index) or name
        return name

    async def get(self, key: str) -> StoredEntry | None:
        return (await self.get_many([key])).get(key)

    async def get_many(self, keys: Collection[str]) -> dict[str, StoredEntry]:
        """Return the entries that exist."""
        references = [self._entries.document(key) for key in keys]
        if not references:
            return {}
        return {
            snapshot.id: _stored(snapshot) async for snapshot in self._client.get_all(references) if snapshot.exists
        }

    async def of_object(self, uri: str) -> list[StoredEntry]:
        """Return what an object has in all indexes."""
        query = self._entries.where(filter=FieldFilter("object", "==", uri))
        return [_stored(snapshot) async for snapshot in query.stream()]

    async def put(self, entry: Entry, before: StoredEntry | None) -> StoredEntry | None:
        """Write an entry if it is still as it was `before`; return None if another writer was faster."""
        reference, fields = self._entries.document(entry.key), entry.model_dump()
        try:
            if before is None:
                written = await reference.create(fields)
            else:
                option = self._client.write_option(last_update_time=before.version)
                written = await reference.update(fields, option=option)
        except _CHANGED:
            # The client repeats a commit whose answer was lost, and then meets its own document.
            stored = await self.get(entry.key)
            return stored if stored is not None and stored.entry == entry else None
        return StoredEntry(entry, written.update_time)

    async def remove(self, stored: StoredEntry) -> bool:
        """Delete an entry if it is still as it was read."""
        option = self._client.write_option(last_update_time=stored.version)
        try:
            await self._entries.document(stored.entry.key).delete(option=option)
        except _CHANGED:
            return False
        return True

    async def due(self, before: datetime, limit: int) -> list[StoredEntry]:
        """Return the entries whose objects are to be looked for before this time, the longest due first."""
        filtered = self._entries.order_by("check_at").end_before({"check_at": before}).limit(limit)
        return [_stored(snapshot) async for snapshot in filtered.stream()]


def _stored(snapshot: firestore.DocumentSnapshot[Any]) -> StoredEntry:
    return StoredEntry(Entry.model_validate(cast(dict[str, Any], snapshot.to_dict())), snapshot.update_time)
