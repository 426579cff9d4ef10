"""Small documents of one kind, by name: what sweep and the throttle remember between their runs."""

from __future__ import annotations

from typing import Any

from google.cloud import firestore


class Notes:
    """Small documents that instances share with each other and with their next run."""

    def __init__(self, client: firestore.AsyncClient, collection: str) -> None:
        self._collection = client.collection(collection)

    async def read(self, name: str) -> dict[str, Any] | None:
        snapshot = await self._collection.document(name).get()
        return snapshot.to_dict() if snapshot.exists else None

    async def write(self, name: str, note: dict[str, Any]) -> None:
        await self._collection.document(name).set(note)

    async def merge(self, name: str, fields: dict[str, Any]) -> None:
        """Change these fields of the note, nested ones too, and leave its others as they are."""
        await self._collection.document(name).set(fields, merge=True)
