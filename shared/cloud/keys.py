"""Store and look up API keys: only the SHA-256 of a secret is stored, as the id of its document.

Several documents may carry one key id: a rotated key's old secret goes on until its own expiry.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal

from cachetools import LRUCache, TTLCache
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from shared.clock import Clock
from shared.domain.errors import DropsightError
from shared.domain.tasks.access import Key

_COLLECTION = "keys"
_FRESH_SECONDS = 20.0
"""Seconds an instance caches a key, and so the longest that a revoked key still works."""
_UNKNOWN_FRESH_SECONDS = 5.0
"""Seconds an unknown secret is not looked up again, and so the longest that a new key may have to wait."""
_BUDGET_FRESH_SECONDS = 60.0
_REMEMBERED = 10_000
_FORM = re.compile(r"sk-[A-Za-z0-9_-]{32,128}")
_UNKNOWN_BURST, _UNKNOWN_A_SECOND = 100, 20
"""Limit on look-ups of unknown secrets by one instance: each is a billed read."""


class TooManyUnknown(DropsightError):
    """Too many unknown secrets were sent; this one was not looked up."""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_secret() -> str:
    """Return a new secret: `sk-` and 43 random characters."""
    return "sk-" + secrets.token_urlsafe(32)


class Keys:
    def __init__(self, client: firestore.AsyncClient, clock: Clock) -> None:
        self._collection = client.collection(_COLLECTION)
        self._clock = clock
        self._cached: LRUCache[str, tuple[float, Key]] = LRUCache(_REMEMBERED)
        self._unknown_digests: TTLCache[str, bool] = TTLCache(_REMEMBERED, _UNKNOWN_FRESH_SECONDS, clock.time)
        self._guesses = _Guesses(clock)
        self._budgets: TTLCache[str, Decimal | None] = TTLCache(_REMEMBERED, _BUDGET_FRESH_SECONDS, clock.time)

    async def find(self, secret: str) -> Key | None:
        """Return the key of a secret, or None if there is none.

        A malformed secret, or one that was unknown a moment ago, costs no read. Raises `TooManyUnknown` if so many
        unknown secrets were sent that a secret new to this instance is not looked up.
        """
        if _FORM.fullmatch(secret) is None:
            return None
        secret_digest, now = digest(secret), self._clock.time()
        if secret_digest in self._unknown_digests:
            return None
        cached = self._cached.get(secret_digest)
        if cached is not None and now - cached[0] < _FRESH_SECONDS:
            return cached[1]
        if cached is None:
            self._guesses.count()
        key = await self._read(secret_digest)
        if key is None:
            self._cached.pop(secret_digest, None)
            self._unknown_digests[secret_digest] = True
            return None
        if cached is None:
            self._guesses.uncount()
        self._cached[secret_digest] = (now, key)
        return key

    async def daily_budget(self, key_id: str) -> Decimal | None:
        """Return the budget that a key has of its own, in US dollars a day; read again after a minute."""
        with contextlib.suppress(KeyError):
            return self._budgets[key_id]
        newest: Key | None = None
        async for _, key in self._of(key_id):
            newest = key if newest is None or key.created_at > newest.created_at else newest
        self._budgets[key_id] = newest.daily_budget if newest is not None else None
        return self._budgets[key_id]

    async def sources(self, key_id: str, now: datetime) -> tuple[str, ...]:
        """Return the sources of a key's newest secret; none if no secret of it works any more."""
        keys = [key async for _, key in self._of(key_id)]
        working = [key for key in keys if not key.revoked and (key.expires_at is None or key.expires_at > now)]
        newest = max(working, key=lambda key: key.created_at, default=None)
        return newest.sources if newest is not None else ()

    async def _read(self, secret_digest: str) -> Key | None:
        snapshot = await self._collection.document(secret_digest).get()
        matches = snapshot.exists and hmac.compare_digest(snapshot.id, secret_digest)
        return Key.model_validate(snapshot.to_dict()) if matches else None

    async def store(self, secret: str, key: Key) -> None:
        await self._collection.document(digest(secret)).create(
            key.model_dump(mode="python", exclude={"daily_budget"}) | _budget_field(key)
        )

    async def listing(self) -> list[Key]:
        """Return the keys of all secrets, oldest first."""
        keys = [Key.model_validate(snapshot.to_dict()) async for snapshot in self._collection.stream()]
        return sorted(keys, key=lambda key: key.created_at)

    async def rotate(self, key: Key, now: datetime, *, old_ones_until: datetime) -> str:
        """Return a new secret for the key; its older ones go on until `old_ones_until`."""
        secret = new_secret()
        # The new one first: there is no moment without a secret that works.
        await self.store(secret, key.model_copy(update={"created_at": now}))
        await self.expire(key.id, old_ones_until, made_before=now)
        return secret

    async def expire(self, key_id: str, at: datetime, *, made_before: datetime) -> int:
        """Let the older secrets of a key expire at `at`; return how many do."""
        changed = 0
        async for reference, key in self._of(key_id):
            if key.created_at < made_before and not key.revoked and (key.expires_at is None or key.expires_at > at):
                await reference.update({"expires_at": at})
                changed += 1
        return changed

    async def revoke(self, key_id: str) -> int:
        """Revoke every secret of a key; return how many there are."""
        changed = 0
        async for reference, _ in self._of(key_id):
            await reference.update({"revoked": True})
            changed += 1
        return changed

    async def _of(self, key_id: str) -> AsyncIterator[tuple[firestore.AsyncDocumentReference, Key]]:
        query = self._collection.where(filter=FieldFilter("id", "==", key_id))
        async for snapshot in query.stream():
            yield snapshot.reference, Key.model_validate(snapshot.to_dict())


def _budget_field(key: Key) -> dict[str, str | None]:
    """Return the key's budget as Firestore takes it: text, which stays exact."""
    return {"daily_budget": None if key.daily_budget is None else str(key.daily_budget)}


class _Guesses:
    """A token bucket for look-ups that find nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left, self._filled_at = float(_UNKNOWN_BURST), clock.time()

    def count(self) -> None:
        """Take a token before a look-up. Raises `TooManyUnknown` if none is left."""
        now = self._clock.time()
        self._left = min(_UNKNOWN_BURST, self._left + max(0.0, now - self._filled_at) * _UNKNOWN_A_SECOND)
        self._filled_at = now
        if self._left < 1:
            raise TooManyUnknown
        self._left -= 1

    def uncount(self) -> None:
        """Give the token back: the look-up found a key."""
        self._left = min(_UNKNOWN_BURST, self._left + 1)
