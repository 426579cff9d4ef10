"""API keys: only the SHA-256 of a key is stored, as the id of its document."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Literal

from google.cloud import firestore
from pydantic import BaseModel, ConfigDict

Scope = Literal["submit", "read"]


class Key(BaseModel):
    """What a key may do. `id` names it in logs and owners; it tells nothing of the key itself."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    scopes: tuple[Scope, ...] = ("submit", "read")
    sources: tuple[str, ...] = ()
    """Prefixes such as `gs://inbox/team-a/`: tasks it sees, objects it may name."""
    created_at: datetime
    expires_at: datetime | None = None
    requests_per_minute: int = 600
    daily_tasks: int | None = None
    revoked: bool = False


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """`sk-` and 43 random characters; shown once."""
    return "sk-" + secrets.token_urlsafe(32)


class Keys:
    def __init__(self, client: firestore.AsyncClient) -> None:
        self._collection = client.collection("keys")

    async def find(self, secret: str) -> Key | None:
        """Looked up by its digest, so no comparison of secrets takes place that could be timed."""
        snapshot = await self._collection.document(digest(secret)).get()
        return Key.model_validate(snapshot.to_dict()) if snapshot.exists else None

    async def store(self, secret: str, key: Key) -> None:
        await self._collection.document(digest(secret)).create(key.model_dump())

    async def listing(self) -> list[Key]:
        return [Key.model_validate(snapshot.to_dict()) async for snapshot in self._collection.stream()]
