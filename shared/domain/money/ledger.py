"""What a task used and cost: what its claims add up in its document, and its public form, `usage`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, JsonValue

from shared.domain.answer.response import Json
from shared.domain.models.catalogue import Model, resolve
from shared.domain.money.calls import PICO, Call, Tokens, as_dollars
from shared.domain.money.storage import Storage, storage_as_public, total_storage

Step = Literal["event", "queue", "upload", "file_processing", "model", "store"]
OPENAI_USAGE = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
)
"""The fields of `usage` that OpenAI's API has."""
_MAX_ATTEMPTS = 50
_MAX_CHARACTERS = 300


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Attempt(_Frozen):
    """A claim that did not end the task, and why."""

    claim: int
    at: datetime
    reason: str
    detail: str = ""


class LostCalls(_Frozen):
    """Calls of which no count came, as of a killed instance, and what they may have cost at most.

    A task's takeovers lose one call at most up to the next call that a claim makes, which is when they are looked at.
    """

    calls: int = 0
    picodollars: int = 0
    takeovers: int = 0
    """The task's takeovers that have been looked at."""
    estimate: int | None = None
    """Picodollars that the latest call may cost at most; None if there is none that is known of."""

    def with_call(self, picodollars: int) -> LostCalls:
        return self.model_copy(update={"calls": self.calls + 1, "picodollars": self.picodollars + picodollars})

    def __sub__(self, other: LostCalls) -> LostCalls:
        """Return what has to be added to the other one's calls to have these; the numbers may be negative."""
        return LostCalls(calls=self.calls - other.calls, picodollars=self.picodollars - other.picodollars)

    def after_takeovers(self, takeovers: int, picodollars: int) -> LostCalls:
        """Return the lost calls after so many takeovers of the task. `picodollars`: what the last one lost at most."""
        if takeovers <= self.takeovers:
            return self
        return self.with_call(picodollars).model_copy(update={"takeovers": takeovers})


class Ledger(_Frozen):
    """What earlier claims of a task did; the calls themselves are stored as rounds."""

    timings: dict[str, float] = {}
    """Seconds of each step, all claims together."""
    attempts: tuple[Attempt, ...] = ()
    uploaded: int = 0
    """Bytes sent to the Files API."""
    storages: tuple[Storage, ...] = ()
    """The context caches with which the task is done."""
    lost: LostCalls = LostCalls()
    counted: int = 0
    """Picodollars of its calls that the budgets' counters include already, though the task has not ended."""

    def with_seconds(self, step: Step, seconds: float) -> Ledger:
        spent = self.timings.get(step, 0.0) + max(0.0, seconds)
        return self.model_copy(update={"timings": {**self.timings, step: round(spent, 3)}})

    def with_upload(self, size: int) -> Ledger:
        return self.model_copy(update={"uploaded": self.uploaded + size})

    def with_storage(self, storage: Storage | None) -> Ledger:
        return self if storage is None else self.model_copy(update={"storages": (*self.storages, storage)})

    def with_lost(self, lost: LostCalls) -> Ledger:
        return self if lost == self.lost else self.model_copy(update={"lost": lost})

    def with_attempt(self, claim: int, at: datetime, reason: str, detail: str = "") -> Ledger:
        """Return the ledger with one more attempt; the oldest are dropped past `_MAX_ATTEMPTS`."""
        attempt = Attempt(claim=claim, at=at, reason=reason, detail=detail[:_MAX_CHARACTERS])
        return self.model_copy(update={"attempts": (*self.attempts, attempt)[-_MAX_ATTEMPTS:]})


def usage_of(
    calls: Sequence[Call],
    *,
    ledger: Ledger,
    sizes: Mapping[str, int],
    prices_read: date,
) -> dict[str, JsonValue]:
    """Return a task's public `usage`: all its calls together, and each by itself under `rounds`.

    `sizes`: bytes of the source and of what was uploaded. `cost` is None if the price of any call, or of the storage of
    a context cache, is not known.
    """
    tokens = sum((call.tokens for call in calls), Tokens())
    cost = total_cost(calls, ledger.storages)
    last = calls[-1] if calls else None
    return {
        **_as_openai(tokens),
        "prompt_tokens_by_modality": dict(tokens.prompt),
        "cached_tokens_by_modality": dict(tokens.cached),
        "tool_tokens_by_modality": dict(tokens.tools),
        "answer_tokens_by_modality": dict(tokens.answer),
        "thinking_tokens": tokens.thinking,
        "model": last.answered if last else None,
        "service_tier": last.tier if last else None,
        "price_date": prices_read.isoformat(),
        "cost": as_dollars(cost) if cost is not None else None,
        "price_source": price_source(calls),
        **({"cache_storage": storage_as_public(ledger.storages)} if ledger.storages else {}),
        **({"lost_calls": _lost_as_public(ledger.lost)} if ledger.lost.calls else {}),
        "calls": len(calls),
        "rounds": [_round(call) for call in calls],
        "bytes": dict(sizes),
        "timings": dict(ledger.timings),
        "attempts": [
            {**attempt.model_dump(mode="json", exclude={"at"}), "at": int(attempt.at.timestamp())}
            for attempt in ledger.attempts
        ],
    }


class Late(NamedTuple):
    """What is not in a task's usage yet."""

    calls: list[Call]
    parts: list[Json]
    """The rounds of the usage that count a part of such a call."""


def late_calls(calls: Sequence[Call], usage: Mapping[str, JsonValue]) -> Late:
    """Return the calls that are not among the `rounds` of a task's usage, or of which less is.

    A call that was counted while its answer came is stored with more of it later, and belongs to the same question.
    """
    counted = list(cast(Sequence[Json], usage.get("rounds") or ()))
    uncounted: list[tuple[Call, Json]] = []
    for call in calls:
        shown = _round(call)
        if shown in counted:
            counted.remove(shown)
        else:
            uncounted.append((call, shown))
    late = Late([], [])
    for call, shown in uncounted:
        part = next((entry for entry in counted if entry["question"] == shown["question"]), None)
        if part is not None:
            counted.remove(part)
            if _extent(shown) <= _extent(part):
                continue
            late.parts.append(part)
        late.calls.append(call)
    return late


def total_cost(calls: Sequence[Call], storages: Sequence[Storage] = ()) -> Decimal | None:
    """Return what the calls and the storage cost together, or None if the price of one is not known."""
    total = Decimal(0)
    for cost in (*(call.cost for call in calls), total_storage(storages)):
        if cost is None:
            return None
        total += cost
    return total


def price_source(calls: Sequence[Call]) -> str | None:
    """Return where the prices of the calls come from: Google's page, or a third party if that holds for any."""
    models = [resolve(call.answered, call.day) for call in calls]
    sources = {model.price_source for model in models if isinstance(model, Model) and model.prices}
    return "third_party" if "third_party" in sources else "google" if "google" in sources else None


def money_warnings(calls: Sequence[Call]) -> list[str]:
    """Return what the task's owner should know of the models that answered and of their prices, as sentences."""
    rerouted = {(call.asked, call.answered) for call in calls if call.is_rerouted}
    priced = [call for call in calls if call.day is not None and not call.is_estimated]
    unpriced = {f"{call.answered} ({call.tier})" for call in priced if call.cost is None}
    uncounted = sum(call.is_estimated for call in calls)
    return [
        *(f"model_rerouted: {asked} was asked for, and {answered} answered." for asked, answered in sorted(rerouted)),
        *(f"What this cost is not known: there is no price for {name}." for name in sorted(unpriced)),
        *(
            [f"What this cost is not known: Gemini did not count the tokens of {uncounted} of its calls."]
            if uncounted
            else []
        ),
    ]


def _lost_as_public(lost: LostCalls) -> Json:
    return {"calls": lost.calls, "assumed_cost": as_dollars(Decimal(lost.picodollars) / PICO)}


def _round(call: Call) -> Json:
    return {
        "question": call.question,
        "model": call.answered,
        "service_tier": call.tier,
        "prompt_tokens": call.tokens.input,
        "cached_tokens": sum(call.tokens.cached.values()),
        "answer_tokens": sum(call.tokens.answer.values()),
        "thinking_tokens": call.tokens.thinking,
        "cost": as_dollars(call.cost) if call.cost is not None else None,
        "seconds": call.seconds,
    }


def _extent(shown: Json) -> tuple[bool, int]:
    """Return how much is known of a call: whether its cost is, and its tokens."""
    names = ("prompt_tokens", "answer_tokens", "thinking_tokens")
    return shown["cost"] is not None, sum(cast(int, shown[name]) for name in names)


def _as_openai(tokens: Tokens) -> Json:
    """Return the counts as OpenAI has them: completion tokens include thinking."""
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {
            "cached_tokens": sum(tokens.cached.values()),
            "audio_tokens": cast(JsonValue, tokens.prompt.get("audio", 0)),
        },
        "completion_tokens_details": {"reasoning_tokens": tokens.thinking},
    }
