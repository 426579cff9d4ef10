"""Counters of what tasks used and cost: `usage/{day}-{shard}`, written in the commit that ends a task or puts it off.

A document takes about one write a second, so a day has several; they are read together.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from shared.cloud import document_wire
from shared.domain.money.totals import Counters, DayRow, Labels, counters_from

_COLLECTION = "usage"
_SHARDS = 16
_KEPT = timedelta(days=800)


class Totals:
    def __init__(self, client: firestore.AsyncClient) -> None:
        self._collection = client.collection(_COLLECTION)

    def add(self, batch: firestore.AsyncWriteBatch, now: datetime, rows: Mapping[Labels, Counters]) -> None:
        """Add counters to a batch, as one write."""
        day = now.astimezone(UTC).date()
        shard = random.randrange(_SHARDS)  # noqa: S311
        path = self._collection.document(f"{day.isoformat()}-{shard:02d}")._document_path
        row_labels = {labels.row: labels._asdict() for labels in rows}
        increments = {
            f"rows.{labels.row}.{name}": count
            for labels, counters in rows.items()
            for name, count in asdict(counters).items()
            if count
        }
        fields = {"day": day.isoformat(), "expires_at": now + _KEPT, "rows": row_labels}
        batch._add_write_pbs([document_wire.merge_write(path, fields, increments)])

    async def rows(self, first: date, last: date) -> list[DayRow]:
        """Return the rows of these days, both included."""
        return [row async for row in self._stream(first, last)]

    async def _stream(self, first: date, last: date) -> AsyncIterator[DayRow]:
        query = self._collection.where(filter=FieldFilter("day", ">=", first.isoformat())).where(
            filter=FieldFilter("day", "<=", last.isoformat())
        )
        async for snapshot in query.stream():
            document: dict[str, Any] = snapshot.to_dict() or {}
            for row in document.get("rows", {}).values():
                labels = Labels(*(str(row.get(name, "")) for name in Labels._fields))
                yield DayRow(str(document["day"]), labels, counters_from(row))
