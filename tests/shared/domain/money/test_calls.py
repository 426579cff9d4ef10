"""What one call used and cost: tokens by modality, list prices by day, tier and length of the prompt."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from shared.domain.models.catalogue import catalogue
from shared.domain.models.prices import InputKind, Rates, Tier
from shared.domain.money.calls import Call, Tokens, as_dollars, call_of, cost_of, tokens_of
from shared.domain.money.ledger import money_warnings
from shared.domain.money.totals import ASSUMED_INPUT, ASSUMED_MADE, ASSUMED_OUTPUT, assumed_cost, rows_of_calls
from shared.domain.tasks.task import Source, Task, new_task

DAY = date(2026, 11, 26)


def record(model: str, usage: dict[str, Any], **response: Any) -> Any:
    return {
        "question": {"model": model, "name": ""},
        "response": {"usageMetadata": usage, **response},
        "at": "2026-11-26T10:00:00+00:00",
        "seconds": 1.5,
    }


def task() -> Task:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    source = Source(kind="object", bucket="inbox", name="a.wav", generation=1, size=3, created_at=now)
    return new_task(source, owner="inbox:inbox", model="m", now=now, keep=timedelta(days=30))


def details(**counts: int) -> Any:
    return [{"modality": name.upper(), "tokenCount": count} for name, count in counts.items()]


def test_tokens_are_read_by_modality_and_what_the_details_leave_out_is_text() -> None:
    tokens = tokens_of(
        {
            "usageMetadata": {
                "promptTokenCount": 1000,
                "promptTokensDetails": details(audio=600, document=300),
                "cachedContentTokenCount": 600,
                "cacheTokensDetails": details(audio=600),
                "toolUsePromptTokenCount": 20,
                "candidatesTokenCount": 50,
                "thoughtsTokenCount": 7,
            }
        }
    )
    assert tokens.prompt == {"audio": 600, "document": 300, "text": 100}
    assert (tokens.cached, tokens.tools, tokens.answer, tokens.thinking) == (
        {"audio": 600},
        {"text": 20},
        {"text": 50},
        7,
    )
    assert (tokens.input, tokens.output) == (1020, 57)
    assert tokens_of({"usageMetadata": None}) == Tokens()


@pytest.mark.parametrize(
    ("model", "tier", "day", "tokens", "dollars"),
    [
        ("gemini-3.5-flash-lite", "standard", DAY, Tokens({"audio": 1_000_000}, answer={"text": 1_000_000}), "2.8"),
        ("gemini-3.5-flash-lite", "flex", DAY, Tokens({"audio": 1_000_000}, answer={"text": 1_000_000}), "1.4"),
        ("gemini-2.5-flash-lite", "standard", DAY, Tokens({"audio": 1_000_000, "text": 1_000_000}), "0.4"),
        ("gemini-2.5-flash-lite", "standard", DAY, Tokens({"audio": 1000}, {"audio": 1000}), "0.00003"),
        ("gemini-3.8-flash", "standard", date(2026, 12, 31), Tokens(thinking=1_000_000), "3.75"),
        ("gemini-3.8-flash", "standard", date(2027, 1, 1), Tokens(thinking=1_000_000), "7.5"),
        ("gemini-4-argon", "standard", date(2026, 12, 1), Tokens({"text": 1_000_000}), "4"),
        ("gemini-3.1-pro-preview", "standard", DAY, Tokens({"text": 200_000}), "0.4"),
        ("gemini-3.1-pro-preview", "standard", DAY, Tokens({"text": 200_001}), "0.800004"),
        ("gemini-2.5-flash-lite", "standard", DAY, Tokens({"text": 1}), "0.0000001"),
        ("gemini-2.5-pro", "standard", date(2026, 12, 1), Tokens({"text": 1_000_000}), "0.75"),
        ("gemini-flash-latest", "standard", DAY, Tokens({"document": 1_000_000}), "0.75"),
        ("gemini-3.8-flash-tts", "standard", DAY, Tokens({"text": 1_000}, answer={"audio": 1_000}), "0.0095"),
        ("gemini-3.8-flash-tts", "standard", date(2027, 1, 1), Tokens(answer={"audio": 1_000}), "0.018"),
        ("gemini-3.1-flash-image", "standard", DAY, Tokens(answer={"image": 1_120, "text": 100}), "0.0675"),
        ("gemini-embedding-2", "standard", DAY, Tokens({"text": 1_000_000}), "0.2"),
    ],
)
def test_the_cost_follows_the_day_the_tier_the_length_and_the_kind_of_input(
    model: str, tier: Tier, day: date, tokens: Tokens, dollars: str
) -> None:
    cost = cost_of(tokens, model, tier, day)
    assert cost is not None
    assert as_dollars(cost) == dollars


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gemini-9-xenon", Tokens({"text": 1})),
        ("gemini-2.0-flash", Tokens({"text": 1})),
        ("gemini-2.5-flash-preview-tts", Tokens({"text": 1})),
        ("gemini-3.5-flash-lite", Tokens({"text": 1}, answer={"image": 1290})),
    ],
)
def test_an_unknown_price_is_none_and_never_zero(model: str, tokens: Tokens) -> None:
    assert cost_of(tokens, model, "standard", DAY) is None


@pytest.mark.parametrize(
    ("asked", "answered", "rerouted"),
    [
        ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite", False),
        ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite-001", False),
        ("gemini-3.8-flash", "models/gemini-3.8-flash", False),
        ("gemini-flash-latest", "gemini-3.8-flash", False),
        ("gemini-3.7-flash", "gemini-3.8-flash", True),
        ("gemini-2.5-pro", "gemini-3.8-flash", True),
        ("gemini-3.5-flash-lite", "gemini-9-xenon", True),
    ],
)
def test_a_call_is_rerouted_if_another_model_answered_than_was_asked(asked: str, answered: str, rerouted: bool) -> None:
    call = call_of(record(asked, {"promptTokenCount": 1}, modelVersion=answered))
    assert call.is_rerouted is rerouted
    assert call.answered == answered.removeprefix("models/")


def test_the_named_cache_of_an_answer_without_counts_is_counted_as_sound_as_its_reservation_was() -> None:
    stored = record("gemini-3.5-flash-lite", {}, candidates=[{"content": {"parts": [{"text": "word"}]}}])
    stored["question"]["cached_tokens"], stored["characters"] = 9_000, 400
    tokens = call_of(stored).tokens
    assert (tokens.prompt, tokens.cached) == ({"text": 100, "audio": 9_000}, {"audio": 9_000})


def test_a_round_of_an_earlier_version_has_no_day_and_so_no_cost() -> None:
    stored = record("gemini-3.5-flash-lite", {"promptTokenCount": 5})
    del stored["at"], stored["seconds"]
    call = call_of(stored)
    assert (call.cost, call.tokens.input, call.seconds) == (None, 5, None)


def test_the_tier_is_the_one_that_was_served() -> None:
    stored = record("gemini-3.5-flash-lite", {}, serviceTier="standard")
    assert call_of({**stored, "tier": "flex"}).tier == "standard"
    del stored["response"]["serviceTier"]
    assert call_of({**stored, "tier": "flex"}).tier == "flex"
    assert call_of(stored).tier == "standard"


def test_every_price_in_the_catalogue_holds_on_its_day_and_no_two_hold_at_once() -> None:
    assert catalogue().prices_read <= date(2027, 6, 1), "read the list of prices again"
    for model in catalogue().models:
        for day in (DAY, date(2026, 12, 31), date(2027, 1, 1)):
            for tier in ("standard", "flex", "priority"):
                holding = [price for price in model.prices if price.tier == tier and price.holds_on(day)]
                assert len(holding) <= 1, (model.id, tier, day)
        flex, standard = model.price("flex", DAY), model.price("standard", DAY)
        if flex is not None and standard is not None:
            assert flex.output * 2 == standard.output
            assert flex.input.audio * 2 == standard.input.audio
    default = catalogue().default_model()
    assert default.price("standard", DAY) is not None


def test_costs_of_calls_add_up_exactly() -> None:
    call = Call(
        "", "gemini-2.5-flash-lite", "gemini-2.5-flash-lite", "flex", Tokens({"audio": 7}, answer={"text": 3}), DAY
    )
    assert call.cost == Decimal("0.00000165")


def test_an_answer_that_the_service_did_not_count_has_an_unknown_cost_and_is_no_gift() -> None:
    stored = record("gemini-3.5-flash-lite", {}, candidates=[{"content": {"parts": [{"text": "x" * 400}]}}])
    stored["question"]["media"] = {"audio": 1920}
    assert call_of(stored).tokens.input == 1920, "records of before have no number of characters"
    call = call_of({**stored, "characters": 4000})
    assert (call.cost, call.tokens.input, call.tokens.output) == (None, 2920, 100)
    assert money_warnings([call]) == ["What this cost is not known: Gemini did not count the tokens of 1 of its calls."]
    [(_, counters)] = rows_of_calls(task(), [call]).items()
    assert (counters.unpriced_calls, counters.picodollars) == (1, 0)
    assert counters.assumed_picodollars >= (2920 * 3 + 100 * 25) * 10**5


def test_what_has_no_known_price_is_taken_to_be_as_dear_as_the_dearest() -> None:
    asked = [model for model in catalogue().models if "embedding" not in model.outputs]
    rates: list[Rates] = [rate for model in asked for price in model.prices for rate in (price, price.long) if rate]
    assert max(rate.output for rate in rates) == ASSUMED_OUTPUT
    assert max(rate.made or 0 for rate in rates) == ASSUMED_MADE
    assert max(getattr(rate.input, kind) for rate in rates for kind in get_args(InputKind)) == ASSUMED_INPUT
    picture = Tokens(prompt={"text": 10**6}, answer={"text": 10**6, "image": 10**6})
    assert assumed_cost(picture) == ASSUMED_INPUT + ASSUMED_OUTPUT + ASSUMED_MADE
