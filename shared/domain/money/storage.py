"""What it costs to keep tokens in a context cache: so much for a million tokens an hour, prorated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, field_serializer

from shared.domain.answer.response import Json
from shared.domain.models.catalogue import Model, resolve
from shared.domain.money.calls import as_dollars

if TYPE_CHECKING:
    from shared.domain.tasks.task import GeminiCache

_TOKEN_SECONDS = Decimal(3600 * 1_000_000)
_SMALLEST = Decimal("1e-12")
"""A picodollar, in which totals are counted."""
DEAR_STORAGE = Decimal("4.5")
"""US dollars for a million tokens an hour: the dearest of the catalogue."""


class Storage(BaseModel):
    """What a task pays for one context cache."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tokens: int
    seconds: float
    model: str
    day: date

    @field_serializer("day")
    def _as_text(self, day: date) -> str:
        """Firestore knows moments only, and no days."""
        return day.isoformat()

    @property
    def cost(self) -> Decimal | None:
        """Return US dollars, or None if the price is not known."""
        model = resolve(self.model, self.day)
        rate = model.cache_storage if isinstance(model, Model) else None
        return None if rate is None else _cost(self.tokens, self.seconds, rate)


def storage_of(cache: GeminiCache | None, model: str, now: datetime, *, is_deleted: bool = True) -> Storage | None:
    """Return what a task pays for a cache with which it is done now; None if it has none, or one that others pay for.

    `model`: the one asked, for a cache that does not name its own. One that is not deleted, as it is left for reruns,
    is paid for until it expires.
    """
    if cache is None or cache.paid_from is None:
        return None
    until = min(now, cache.expires_at) if is_deleted and not cache.left else cache.expires_at
    seconds = (until - cache.paid_from).total_seconds()
    if seconds <= 0:
        return None
    return Storage(tokens=cache.tokens, seconds=seconds, model=cache.model or model, day=now.date())


def total_storage(storages: Sequence[Storage]) -> Decimal | None:
    """Return what all caches of a task cost together, or None if the price of one is not known."""
    costs = [storage.cost for storage in storages]
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def known_storage(storages: Sequence[Storage]) -> Decimal:
    """Return what those caches cost whose price is known."""
    return sum((cost for storage in storages if (cost := storage.cost) is not None), Decimal(0))


def storage_as_public(storages: Sequence[Storage]) -> Json:
    """Return `usage.cache_storage`: the tokens of the largest cache, and all caches' seconds and cost together."""
    cost = total_storage(storages)
    return {
        "tokens": max(storage.tokens for storage in storages),
        "seconds": round(sum(storage.seconds for storage in storages), 3),
        "cost": None if cost is None else as_dollars(cost),
    }


def most_storage_cost(tokens: int, seconds: float, model: str, day: date) -> Decimal:
    """Return what keeping the tokens so long costs at most; a model without a known price is taken to be dear."""
    cost = Storage(tokens=tokens, seconds=seconds, model=model, day=day).cost
    return _cost(tokens, seconds, DEAR_STORAGE) if cost is None else cost


def _cost(tokens: int, seconds: float, rate: Decimal) -> Decimal:
    return (tokens * Decimal(str(seconds)) * rate / _TOKEN_SECONDS).quantize(_SMALLEST)
