"""List prices of models: what a million tokens cost, by day, service tier and kind of input."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Tier = Literal["standard", "flex", "priority"]
"""Service tiers of the Gemini API. OpenAI's name for the first is `default`."""
InputKind = Literal["text", "image", "audio", "video"]

Dollars = Annotated[Decimal, Field(ge=0), PlainSerializer(float, return_type=float, when_used="json")]
"""US dollars for a million tokens."""


class CatalogueEntry(BaseModel):
    """A part of the catalogue of models."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class InputPrices(CatalogueEntry):
    """What a million tokens of each kind of input cost. Pages of documents count as images."""

    text: Dollars
    image: Dollars
    audio: Dollars
    video: Dollars

    def of(self, kind: InputKind) -> Decimal:
        price: Decimal = getattr(self, kind)
        return price


class Rates(CatalogueEntry):
    input: InputPrices
    cached: InputPrices
    """Input that comes out of a cache."""
    output: Dollars
    """The answer, with its thoughts."""
    made: Dollars | None = None
    """Sound or pictures in the answer; None if the model makes none, or the price is not known."""


class LongPromptRates(Rates):
    """What holds instead for a prompt of more than `over` tokens."""

    over: int


class Price(Rates):
    """What one tier of a model costs in an interval of days, both included; None: from the beginning, until changed."""

    from_: date | None = Field(default=None, alias="from")
    until: date | None = None
    tier: Tier
    long: LongPromptRates | None = None

    def holds_on(self, day: date) -> bool:
        return (self.from_ is None or self.from_ <= day) and (self.until is None or day <= self.until)

    def rates_for(self, prompt_tokens: int) -> Rates:
        return self.long if self.long is not None and prompt_tokens > self.long.over else self


def price_on(prices: Sequence[Price], tier: Tier, day: date) -> Price | None:
    """Return the price of a tier on a day, or None if it is not known."""
    return next((price for price in prices if price.tier == tier and price.holds_on(day)), None)
