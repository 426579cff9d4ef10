"""Decide whether a call may be made within the budgets of a day, and what it may cost at most.

spent         what ended tasks cost, from the counters
reserved      what calls under way, and unfinished tasks, may still add
far           so much is left that neither has to be looked at for this call
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, assert_never, get_args

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.models.catalogue import Model, default_model, resolve
from shared.domain.models.prices import InputKind, Tier
from shared.domain.models.text_tokens import most_of_text
from shared.domain.money.calls import Tokens, cost_of
from shared.domain.money.totals import assumed_cost
from shared.domain.recipe.making import Makes

MAX_OUTPUT = 65_536
"""Tokens that one streamed call answers with at most, whatever the model's limit for several."""
_TRANSCRIPT_LEAST, _TRANSCRIPT_A_SECOND = 45_056, 60
"""Tokens of a transcript: with a time for each word, speech takes about 45 a second. What thinking and a structured
answer may take beside is not known by the length, so the least is wide."""

_LEAST_SPEECH, _SPEECH_A_CHARACTER = 256, 12
"""Tokens of speech: 25 a second, and two characters a second where each is a word."""
_PICTURE, _WORDS_OF_PICTURE = 2 * 2_520, 8_192
"""Tokens of two pictures of the largest size, and of what the model thinks and says about them."""

Verdict = Literal["far", "granted", "busy", "spent"]


@dataclass(frozen=True)
class Scope:
    """One budget of a day: of the deployment, an inbox or a key. Amounts are picodollars."""

    name: str
    limit: int
    spent: int
    reserved: int = 0

    @property
    def left(self) -> int:
        return self.limit - self.spent


def is_far(scopes: Sequence[Scope], own: int, *, instances: int) -> bool:
    """Return whether calls need no reservation: if each of `instances` added `own`, all would be within the budgets.

    `own`: what an instance has added since `spent` was read, and what its calls under way may add.
    """
    return all(own * instances <= scope.left - scope.reserved for scope in scopes)


def decide(scopes: Sequence[Scope], estimate: int) -> tuple[Verdict, Scope | None]:
    """Return whether the call is granted, and the budget that is against it otherwise.

    `busy`: reservations are in its way, which may be settled for less. While anything is left, one call at a time is
    granted even if its estimate is more: so a budget is overdrawn by one call at most, and never left unused.
    """
    verdict: tuple[Verdict, Scope | None] = ("granted", None)
    for scope in scopes:
        if scope.left <= 0:
            return "spent", scope
        if scope.reserved + estimate > scope.left and scope.reserved > 0:
            verdict = ("busy", scope)
    return verdict


def output_ceiling(body: Json, model: str, today: date, *, transcript_seconds: float | None = None) -> int:
    """Return the most tokens that one call may answer with: as the request says, or by the recording's length."""
    config = body.get("generationConfig")
    requested = config.get("maxOutputTokens") if isinstance(config, dict) else None
    if isinstance(requested, int):
        return requested
    known = resolve(model, today)
    most = min(MAX_OUTPUT, known.output_tokens) if isinstance(known, Model) else MAX_OUTPUT
    if transcript_seconds is None:
        return most
    return min(most, _TRANSCRIPT_LEAST + int(transcript_seconds * _TRANSCRIPT_A_SECOND))


def estimated_cost(
    body: Json,
    media: Mapping[InputKind, int],
    model: str,
    tier: Tier,
    today: date,
    *,
    ceiling: int,
    makes: Makes | None = None,
    cached: int = 0,
) -> Decimal:
    """Return a call's highest possible cost: its media by the documented rules, its text, and its longest answer.

    `cached`: tokens of the context cache that it names. They count as sound, which costs the most. A model without a
    known price counts at the highest price in the catalogue.
    """
    counts: dict[str, int] = {str(kind): count for kind, count in media.items()}
    counts["text"] = counts.get("text", 0) + most_of_text(*_prompt_texts(body))
    counts["audio"] = counts.get("audio", 0) + cached
    tokens = Tokens(prompt=counts, cached={"audio": cached}, answer=_most_answered(makes, body, ceiling))
    cost = cost_of(tokens, model, tier, today)
    return assumed_cost(tokens) if cost is None else cost


def highest_call_cost(model: str, today: date) -> Decimal:
    """Return the highest possible cost of a call of which only the model is known: its window full of sound."""
    known = resolve(model, today)
    window = (known if isinstance(known, Model) else default_model()).input_tokens
    tokens = Tokens(prompt={"audio": window}, answer={"text": output_ceiling({}, model, today)})
    costs = [cost for tier in get_args(Tier) if (cost := cost_of(tokens, model, tier, today)) is not None]
    return max(costs, default=assumed_cost(tokens))


def _most_answered(makes: Makes | None, body: Json, ceiling: int) -> dict[str, int]:
    """Return the most tokens of an answer by their kind. `ceiling`: the most tokens of words."""
    match makes:
        case None:
            return {"text": ceiling}
        case "speech":
            spoken = _LEAST_SPEECH + _SPEECH_A_CHARACTER * sum(map(len, _texts(body.get("contents"))))
            return {"audio": min(ceiling, spoken)}
        case "picture":
            return {"image": _PICTURE, "text": _WORDS_OF_PICTURE}
        case "embedding":
            return {}
        case _:
            assert_never(makes)


def prompt_characters(body: Json) -> int:
    """Return how many characters of text a request sends."""
    return sum(map(len, _prompt_texts(body)))


def _prompt_texts(body: Json) -> list[str]:
    return [*_texts(body.get("contents")), *_texts(body.get("systemInstruction"))]


def _texts(value: JsonValue) -> list[str]:
    """Return the texts in contents."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if not isinstance(value, dict):
        return []
    own = value.get("text")
    return [*([own] if isinstance(own, str) else []), *_texts(value.get("parts"))]
