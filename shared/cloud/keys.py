"""API keys at rest: only the SHA-256 of a secret is stored, as the id of its document.

Several documents may carry one key id: a rotated key's old secret goes on until its own expiry.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from datetime import datetime

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from shared.clock import Clock
from shared.domain.access import Key

_COLLECTION = "keys"
_FRESH_SECONDS = 20.0
"""How long an instance takes a key's document for true, and so the longest that a revoked key still works."""
_UNKNOWN_FRESH_SECONDS = 5.0
_REMEMBERED = 10_000


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_secret() -> str:
    """`sk-` and 43 random characters; shown once."""
    return "sk-" + secrets.token_urlsafe(32)


class Keys:
    def __init__(self, client: firestore.AsyncClient, clock: Clock) -> None:
        self._collection = client.collection(_COLLECTION)
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Key | None]] = OrderedDict()

    async def find(self, secret: str) -> Key | None:
        """Looked up by its digest; a guess costs the service one read in five seconds."""
        wanted, now = digest(secret), self._clock.time()
        read_at, key = self._known.get(wanted, (0.0, None))
        if now - read_at >= (_FRESH_SECONDS if key is not None else _UNKNOWN_FRESH_SECONDS):
            snapshot = await self._collection.document(wanted).get()
            matches = snapshot.exists and hmac.compare_digest(snapshot.id, wanted)
            key = Key.model_validate(snapshot.to_dict()) if matches else None
            self._known[wanted] = (now, key)
        self._known.move_to_end(wanted)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return key

    async def store(self, secret: str, key: Key) -> None:
        await self._collection.document(digest(secret)).create(key.model_dump())

    async def listing(self) -> list[Key]:
        """Every secret's key, the oldest first."""
        found = [Key.model_validate(snapshot.to_dict()) async for snapshot in self._collection.stream()]
        return sorted(found, key=lambda key: key.created_at)

    async def expire(self, key_id: str, at: datetime, *, made_before: datetime) -> int:
        """Let the older secrets of a key end at `at`, unless they end before; how many those are."""
        changed = 0
        async for reference, key in self._of(key_id):
            if key.created_at < made_before and not key.revoked and (key.expires_at is None or key.expires_at > at):
                await reference.update({"expires_at": at})
                changed += 1
        return changed

    async def revoke(self, key_id: str) -> int:
        """End every secret of a key; how many there are."""
        changed = 0
        async for reference, _ in self._of(key_id):
            await reference.update({"revoked": True})
            changed += 1
        return changed

    async def _of(self, key_id: str) -> AsyncIterator[tuple[firestore.AsyncDocumentReference, Key]]:
        query = self._collection.where(filter=FieldFilter("id", "==", key_id))
        async for snapshot in query.stream():
            yield snapshot.reference, Key.model_validate(snapshot.to_dict())
