"""Create a submitted task and the record of its Idempotency-Key in one commit.

two submits with one key          object A   object B
──────────────────────────────────────────────────────────────
commit {task A, record → A}       made
commit {task B, record → A?}                 refused: the record is there
                                             B's object is deleted; left over, it becomes no task: the record says A
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from google.api_core import exceptions as api_errors
from google.cloud import firestore

from shared.cloud.firestore import to_document
from shared.cloud.tracing import current_context
from shared.domain.tasks.task import Frozen, Task, key_of

RECORD_LIFETIME = timedelta(hours=24)


class Record(Frozen):
    """The record of an Idempotency-Key."""

    task: str
    payload: str
    """The SHA-256 of the canonical body."""
    expires_at: datetime


@dataclass(frozen=True)
class StoredRecord:
    record: Record
    version: Any


class Submissions:
    def __init__(self, client: firestore.AsyncClient) -> None:
        self._client = client

    async def find(self, record: str) -> StoredRecord | None:
        """Return the record, even if it has expired: the time to live deletes it within about a day."""
        snapshot = await self._client.collection("idempotency").document(record).get()
        if not snapshot.exists:
            return None
        fields = cast(dict[str, Any], snapshot.to_dict())
        return StoredRecord(Record.model_validate(fields, extra="ignore"), snapshot.update_time)

    async def commit(
        self, task: Task, *, record: str | None = None, payload: str = "", expired: StoredRecord | None = None
    ) -> bool:
        """Commit both; return False if either exists already. `expired` is a record that may be replaced.

        The client repeats a commit whose answer was lost, so False may also mean that this commit succeeded.
        """
        batch = self._client.batch()
        marked = task.model_copy(update={"change": secrets.token_hex(8), "trace": current_context() or task.trace})
        batch.create(self._client.collection("tasks").document(key_of(task.id)), to_document(marked))
        if record is not None:
            reference = self._client.collection("idempotency").document(record)
            fields = Record(task=task.id, payload=payload, expires_at=task.accepted_at + RECORD_LIFETIME).model_dump()
            if expired is None:
                batch.create(reference, fields)
            else:
                batch.update(reference, fields, option=self._client.write_option(last_update_time=expired.version))
        try:
            await batch.commit()
        except (api_errors.Conflict, api_errors.FailedPrecondition, api_errors.NotFound):
            return False
        return True
