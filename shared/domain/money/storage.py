"""What it costs to keep tokens in a context cache: so much for a million tokens an hour, prorated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from shared.domain.answer.response import Json
from shared.domain.models.catalogue import Model, resolve
from shared.domain.money.calls import as_dollars
from shared.domain.tasks.task import GeminiCache

_TOKEN_SECONDS = Decimal(3600 * 1_000_000)
_SMALLEST = Decimal("1e-12")
"""A picodollar, in which totals are counted."""
DEAR_STORAGE = Decimal("4.5")
"""US dollars for a million tokens an hour: the dearest of the catalogue."""


@dataclass(frozen=True)
class Storage:
    """What a task pays for its context cache."""

    tokens: int
    seconds: float
    model: str
    day: date

    @property
    def cost(self) -> Decimal | None:
        """Return US dollars, or None if the price is not known."""
        model = resolve(self.model, self.day)
        rate = model.cache_storage if isinstance(model, Model) else None
        return None if rate is None else _cost(self.tokens, self.seconds, rate)

    def as_public(self) -> Json:
        cost = self.cost
        return {
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "cost": None if cost is None else as_dollars(cost),
        }


def storage_of(cache: GeminiCache | None, model: str, now: datetime) -> Storage | None:
    """Return what a task that ends now pays for its cache; None if it has none, or one that others pay for.

    The task deletes its cache as it ends, unless it leaves it for reruns: then it pays until the cache expires.
    """
    if cache is None or cache.paid_from is None:
        return None
    until = cache.expires_at if cache.left else min(now, cache.expires_at)
    seconds = (until - cache.paid_from).total_seconds()
    return Storage(cache.tokens, seconds, model, now.date()) if seconds > 0 else None


def most_storage_cost(tokens: int, seconds: float, model: str, day: date) -> Decimal:
    """Return what keeping the tokens so long costs at most; a model without a known price is taken to be dear."""
    cost = Storage(tokens, seconds, model, day).cost
    return _cost(tokens, seconds, DEAR_STORAGE) if cost is None else cost


def _cost(tokens: int, seconds: float, rate: Decimal) -> Decimal:
    return (tokens * Decimal(str(seconds)) * rate / _TOKEN_SECONDS).quantize(_SMALLEST)
