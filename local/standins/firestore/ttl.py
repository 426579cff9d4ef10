"""Time to live: documents are deleted soon after the time in their TTL field."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from local.standins.firestore import paths, values
from local.standins.firestore.databases import Databases
from local.standins.firestore.entries import Indexed
from local.standins.firestore.store import Collection, Database, Record
from local.standins.firestore.wire import Refusal, Value, timestamp_of
from shared.clock import Clock

_EARLIEST = bytes([values.TIMESTAMP])
_AT_ONCE = 100
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
                for collection_id, field in self._fields.items():
                    await self._sweep(database, collection_id, field)
            await self._clock.sleep(self._interval)

    async def _sweep(self, database: Database, collection_id: str, field: paths.FieldPath) -> None:
        """Delete expired documents in batches, yielding to other requests in between."""
        latest = values.encode(Value(timestamp_value=timestamp_of(int(self._clock.time() * 1_000_000))))
        expired = [
            record for collection in database.group(collection_id) for record in _expired(collection, field, latest)
        ]
        for start in range(0, len(expired), _AT_ONCE):
            batch = [record.path for record in expired[start : start + _AT_ONCE] if _is_over(record, field, latest)]
            with contextlib.suppress(Refusal):  # The disk is full: the next sweep tries again.
                self._databases.expire(database, batch)
            await asyncio.sleep(0)


def _expired(collection: Collection, field: paths.FieldPath, latest: bytes) -> list[Record]:
    if collection.names is not None:
        index = collection.index(Indexed(field))
        records = [collection.record(entry) for entry in index.between(*index.span(_EARLIEST, latest))]
    else:
        records = list(collection.records.values())
    return [record for record in records if _is_over(record, field, latest)]


def _is_over(record: Record, field: paths.FieldPath, latest: bytes) -> bool:
    encoded = values.field_bytes(record.document, field) if record.document is not None else None
    return encoded is not None and _EARLIEST <= encoded <= latest
