"""Store the chunks of streams as documents `tasks/{key}/chunks/{offset}`, written once and read by many followers."""

from __future__ import annotations

import json
from typing import Any, cast

from google.api_core import exceptions as api_errors
from google.cloud import firestore

from shared.domain.answer.chunks import Chunk, as_text
from shared.domain.tasks.task import key_of

_PAGE = 300


class ChunkStore:
    def __init__(self, client: firestore.AsyncClient) -> None:
        self._client = client

    async def put(self, task_id: str, offset: int, chunk: Chunk) -> bool:
        """Write a chunk; return False if the offset is taken."""
        # The delta is JSON text: a document's fields would be indexed, and its nested lists refused.
        document = {**chunk.model_dump(exclude={"delta"}), "text": as_text(chunk.delta)}
        reference = self._chunks(task_id).document(_name(offset))
        try:
            await reference.create(document)
        except api_errors.Conflict:
            # The client repeats a commit whose answer was lost, and then meets its own document.
            snapshot = await reference.get()
            return snapshot.exists and _chunk(snapshot) == chunk
        return True

    async def since(self, task_id: str, offset: int) -> list[Chunk]:
        """Return the chunks from `offset` on, in order, up to the first gap."""
        stored: list[Chunk] = []
        while True:
            start = offset + len(stored)
            query = self._chunks(task_id).order_by("__name__").limit(_PAGE)
            if start > 0:
                query = query.start_at({"__name__": self._chunks(task_id).document(_name(start))})
            page = [snapshot async for snapshot in query.stream()]
            for index, snapshot in enumerate(page):
                if snapshot.id != _name(start + index):
                    return stored
                stored.append(_chunk(snapshot))
            if len(page) < _PAGE:
                return stored

    def _chunks(self, task_id: str) -> firestore.AsyncCollectionReference:
        task = self._client.collection("tasks").document(key_of(task_id))
        return cast(firestore.AsyncCollectionReference, task.collection("chunks"))


def _name(offset: int) -> str:
    return f"{offset:06d}"


def _chunk(snapshot: firestore.DocumentSnapshot[Any]) -> Chunk:
    document = cast(dict[str, Any], snapshot.to_dict())
    delta = json.loads(document.pop("text"))
    return Chunk.model_validate({**document, "delta": delta})
