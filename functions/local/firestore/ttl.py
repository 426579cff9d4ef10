"""Time to live: documents are deleted soon after the time in their TTL field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from functions.local.firestore import paths, values
from functions.local.firestore.databases import Databases
from functions.local.firestore.store import Collection, Database
from functions.local.firestore.wire import Document, Value, timestamp_of
from shared.clock import Clock

_EARLIEST = bytes([values.TIMESTAMP])
_AT_ONCE = 500
"""Documents deleted in one commit."""


class TimeToLive:
    """Sweeps every `interval` seconds of the clock. `fields`: the TTL field of each collection id."""

    def __init__(
        self, databases: Databases, clock: Clock, fields: Mapping[str, paths.FieldPath], interval: float
    ) -> None:
        self._databases, self._clock = databases, clock
        self._fields, self._interval = fields, interval

    async def run(self) -> None:
        while True:
            for database in self._databases:
                self.sweep(database)
            await self._clock.sleep(self._interval)

    def sweep(self, database: Database) -> int:
        """Delete what has expired; how many documents that were."""
        latest = values.encode(Value(timestamp_value=timestamp_of(int(self._clock.time() * 1_000_000))))
        expired = [
            path
            for collection_id, field in self._fields.items()
            for collection in database.group(collection_id)
            for path in _expired(collection, field, latest)
        ]
        for start in range(0, len(expired), _AT_ONCE):
            self._databases.expire(database, expired[start : start + _AT_ONCE])
        return len(expired)


def _expired(collection: Collection, field: paths.FieldPath, latest: bytes) -> Iterable[str]:
    over = partial(_is_over, field=field, latest=latest)
    if collection.indexed:
        index = collection.index(paths.format_field(field))
        records = [collection.record(entry) for entry in index.between(*index.span(_EARLIEST, latest))]
    else:
        records = list(collection.records.values())
    return [record.path for record in records if record.document is not None and over(record.document)]


def _is_over(document: Document, *, field: paths.FieldPath, latest: bytes) -> bool:
    found = values.field_bytes(document, field)
    return found is not None and _EARLIEST <= found <= latest
