"""Read from a stored response what one model call used and cost.

The service counts (`usageMetadata`); it names no price, so the cost comes from the catalogue's list prices. A prompt's
count includes what came out of a cache. Pages of documents are charged like images, thoughts like the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import cast, get_args

from pydantic import JsonValue

from shared.domain.answer.response import Json, candidates, text
from shared.domain.models.catalogue import Model, resolve
from shared.domain.models.comparison import are_different
from shared.domain.models.prices import InputKind, InputPrices, Tier
from shared.domain.models.text_tokens import CHARACTERS_PER_TOKEN

PICO = 10**12
_MILLION = Decimal(1_000_000)
_KINDS: dict[str, InputKind] = {
    "text": "text",
    "image": "image",
    "document": "image",
    "audio": "audio",
    "video": "video",
}
"""How each modality of the service's count is charged; another one is charged as text."""

ModalityCounts = Mapping[str, int]


@dataclass(frozen=True)
class Tokens:
    """Tokens of one call or of several, as the service counts them, by modality in lower case."""

    prompt: ModalityCounts = field(default_factory=dict)
    """Includes what came out of a cache."""
    cached: ModalityCounts = field(default_factory=dict)
    tools: ModalityCounts = field(default_factory=dict)
    """What tools of the service put into the prompt, such as search results."""
    answer: ModalityCounts = field(default_factory=dict)
    thinking: int = 0

    @property
    def input(self) -> int:
        return sum(self.prompt.values()) + sum(self.tools.values())

    @property
    def output(self) -> int:
        return sum(self.answer.values()) + self.thinking

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            prompt=Counter(self.prompt) + Counter(other.prompt),
            cached=Counter(self.cached) + Counter(other.cached),
            tools=Counter(self.tools) + Counter(other.tools),
            answer=Counter(self.answer) + Counter(other.answer),
            thinking=self.thinking + other.thinking,
        )


@dataclass(frozen=True)
class Call:
    """One billed model call of a task."""

    question: str
    """The question's name; empty if the task has only one."""
    asked: str
    """The model that was asked for."""
    answered: str
    """The model that answered."""
    tier: Tier
    """The service tier that was served."""
    tokens: Tokens
    day: date | None = None
    seconds: float | None = None
    cut: bool = False
    """Whether the stream was closed before its end, so that the last count seen stands for what was billed."""
    is_estimated: bool = False
    """Whether the service did not count the tokens."""

    @property
    def cost(self) -> Decimal | None:
        """Return US dollars by the list prices of its day, or None if they or its tokens are not known."""
        return (
            None if self.day is None or self.is_estimated else cost_of(self.tokens, self.answered, self.tier, self.day)
        )

    @property
    def is_rerouted(self) -> bool:
        """Return whether another model answered than was asked for. An alias that moves may mean any model."""
        return are_different(self.asked, self.answered)


def call_of(record: Json) -> Call:
    """Return the call of a stored round; see `functions.generate.model.call`."""
    question, response = cast(Json, record["question"]), cast(Json, record["response"])
    asked, at, seconds = str(question["model"]), record.get("at"), record.get("seconds")
    counted = tokens_of(response)
    is_estimated = bool(candidates(response)) and not counted.input
    return Call(
        question=str(question.get("name") or ""),
        asked=asked.removeprefix("models/"),
        answered=str(response.get("modelVersion") or asked).removeprefix("models/"),
        tier=served_tier(response, record.get("tier")),
        tokens=_estimated_tokens(record) if is_estimated else counted,
        is_estimated=is_estimated,
        day=date.fromisoformat(at[:10]) if isinstance(at, str) else None,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        cut=bool(response.get("cutBy")),
    )


def tokens_of(response: Json) -> Tokens:
    """Return the tokens that a response counts. What its details leave out of a total is text."""
    counted = response.get("usageMetadata")
    counted = counted if isinstance(counted, dict) else {}
    return Tokens(
        prompt=_modalities(counted, "promptTokensDetails", "promptTokenCount"),
        cached=_modalities(counted, "cacheTokensDetails", "cachedContentTokenCount"),
        tools=_modalities(counted, "toolUsePromptTokensDetails", "toolUsePromptTokenCount"),
        answer=_answered(response, counted),
        thinking=_number(counted.get("thoughtsTokenCount")),
    )


def _estimated_tokens(record: Json) -> Tokens:
    """Return about what a call used whose answer came without the service's count."""
    question, response = cast(Json, record["question"]), cast(Json, record["response"])
    media, cached = question.get("media"), _number(question.get("cached_tokens"))
    counts = {name: _number(count) for name, count in media.items()} if isinstance(media, dict) else {}
    sent = _number(record.get("characters")) // CHARACTERS_PER_TOKEN
    counts["text"] = counts.get("text", 0) + sent
    if cached:
        # As sound, which costs the most: what the cache holds is not known. The reservation counts it so too.
        counts["audio"] = counts.get("audio", 0) + cached
    characters = sum(len(text(candidate)) for candidate in candidates(response))
    answered = {"text": characters // CHARACTERS_PER_TOKEN}
    return Tokens(prompt=counts, cached={"audio": cached} if cached else {}, answer=answered)


def served_tier(response: Json, requested: JsonValue = None) -> Tier:
    """Return the tier that the response names, else the one that was requested, else the standard tier."""
    named = response.get("serviceTier")
    for name in (named, requested):
        if isinstance(name, str) and name.lower() in get_args(Tier):
            return cast(Tier, name.lower())
    return "standard"


def cost_of(tokens: Tokens, model: str, tier: Tier, day: date) -> Decimal | None:
    """Return what the tokens cost in US dollars, or None if the catalogue has no price.

    Pictures and sound in an answer have a price of their own.
    """
    known = resolve(model, day)
    price = known.price(tier, day) if isinstance(known, Model) else None
    made = sum(count for modality, count in tokens.answer.items() if modality != "text")
    if price is None:
        return None
    rates = price.rates_for(tokens.input)
    if made and rates.made is None:
        return None
    fresh = {name: count - tokens.cached.get(name, 0) for name, count in tokens.prompt.items()}
    total = (
        _charge(fresh, rates.input)
        + _charge(tokens.tools, rates.input)
        + _charge(tokens.cached, rates.cached)
        + (tokens.output - made) * rates.output
        + made * (rates.made or 0)
    )
    return total / _MILLION


def in_pico(dollars: Decimal) -> int:
    return int(dollars * PICO)


def as_dollars(cost: Decimal) -> str:
    """Return the amount as a decimal string without an exponent or trailing zeros."""
    text = f"{cost:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _charge(counts: ModalityCounts, prices: InputPrices) -> Decimal:
    return sum((count * prices.of(_KINDS.get(name, "text")) for name, count in counts.items()), Decimal(0))


def _modalities(counted: Json, details: str, total: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    listed = counted.get(details)
    for detail in listed if isinstance(listed, list) else []:
        if isinstance(detail, dict) and isinstance(detail.get("modality"), str):
            counts[cast(str, detail["modality"]).lower()] += _number(detail.get("tokenCount"))
    if (rest := _number(counted.get(total)) - sum(counts.values())) > 0:
        counts["text"] += rest
    return {name: count for name, count in counts.items() if count}


def _answered(response: Json, counted: Json) -> dict[str, int]:
    """Return the answer's tokens. Of a stream that was closed early, the service may not have counted the last ones."""
    counts = _modalities(counted, "candidatesTokensDetails", "candidatesTokenCount")
    came = _number(response.get("cutTokens"))
    return {**counts, "text": came} if came > sum(counts.values()) else counts


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
