"""The cost of keeping tokens in a context cache: a price for a million tokens an hour, prorated."""

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
"""US dollars for a million tokens an hour: the highest price in the catalogue."""


class Storage(BaseModel):
    """A task's cost of one context cache."""

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
    """Return the task's cost of a cache that it no longer uses; None without a cache, or if other tasks pay for it.

    `model`: the model of the call, for a cache that does not name its own. A cache that is left for reruns is paid for
    until it expires.
    """
    if cache is None or cache.paid_from is None:
        return None
    until = min(now, cache.expires_at) if is_deleted and not cache.left else cache.expires_at
    seconds = (until - cache.paid_from).total_seconds()
    if seconds <= 0:
        return None
    return Storage(tokens=cache.tokens, seconds=seconds, model=cache.model or model, day=now.date())


def total_storage(storages: Sequence[Storage]) -> Decimal | None:
    """Return the cost of all caches of a task, or None if a price is unknown."""
    costs = [storage.cost for storage in storages]
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def known_storage(storages: Sequence[Storage]) -> Decimal:
    """Return the cost of the caches with a known price."""
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
    """Return the highest possible cost of keeping the tokens so long. An unknown price counts as the highest one."""
    cost = Storage(tokens=tokens, seconds=seconds, model=model, day=day).cost
    return _cost(tokens, seconds, DEAR_STORAGE) if cost is None else cost


def _cost(tokens: int, seconds: float, rate: Decimal) -> Decimal:
    return (tokens * Decimal(str(seconds)) * rate / _TOKEN_SECONDS).quantize(_SMALLEST)
