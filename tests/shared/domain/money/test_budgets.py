"""Which calls a budget allows, and what a call is estimated to cost at most."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.money.budgets import Scope, decide, estimated_cost, highest_call_cost, is_far, output_ceiling
from shared.domain.money.calls import Tokens
from shared.domain.money.totals import assumed_cost

DAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("spent", "reserved", "verdict"),
    [
        (0, 0, "granted"),
        (90, 0, "granted"),
        (99, 0, "granted"),
        (100, 0, "spent"),
        (120, 0, "spent"),
        (50, 40, "granted"),
        (50, 41, "busy"),
        (95, 1, "busy"),
    ],
)
def test_a_call_is_granted_within_what_is_left_or_alone(spent: int, reserved: int, verdict: str) -> None:
    assert decide([Scope("", 100, spent, reserved)], 10)[0] == verdict


def test_every_budget_must_allow_a_call_and_a_spent_one_is_named_first() -> None:
    wide, busy, spent = Scope("", 1000, 0), Scope("inbox:a", 100, 0, 95), Scope("key:b", 10, 10)
    assert decide([wide, busy], 10) == ("busy", busy)
    assert decide([wide, busy, spent], 10) == ("spent", spent)
    assert decide([wide], 10) == ("granted", None)


def test_a_call_is_far_from_a_budget_if_all_instances_could_make_it_at_once() -> None:
    assert is_far([Scope("", 1000, 0)], 50, instances=20)
    assert not is_far([Scope("", 1000, 1)], 50, instances=20)
    assert not is_far([Scope("", 1000, 0), Scope("inbox:a", 100, 50)], 50, instances=20)


@pytest.mark.parametrize(
    ("config", "model", "seconds", "most"),
    [
        ({"maxOutputTokens": 500}, "gemini-3.5-flash-lite", 60.0, 500),
        ({}, "gemini-3.5-flash-lite", None, 65_536),
        ({}, "gemini-4-neon", None, 65_536),
        ({}, "gemini-9-xenon", None, 65_536),
        ({}, "gemini-3.5-flash-lite", 60.0, 45_056 + 3_600),
        ({}, "gemini-3.5-flash-lite", 36_000.0, 65_536),
    ],
)
def test_an_answer_has_a_ceiling_by_the_request_the_model_and_the_recordings_length(
    config: Any, model: str, seconds: float | None, most: int
) -> None:
    assert output_ceiling({"generationConfig": config}, model, DAY, transcript_seconds=seconds) == most


def test_the_estimate_counts_media_texts_and_the_ceiling() -> None:
    body: Any = {
        "contents": [{"parts": [{"text": "x" * 400}]}, {"parts": [{"text": "y" * 400}, {"fileData": {}}]}],
        "systemInstruction": {"parts": [{"text": "z" * 196}]},
    }
    cost = estimated_cost(body, {"audio": 1000}, "gemini-2.5-flash-lite", "standard", DAY, ceiling=1000)
    assert cost == (Decimal("0.3") * 1000 + Decimal("0.1") * 249 + Decimal("0.4") * 1000) / 1_000_000
    half = estimated_cost(body, {"audio": 1000}, "gemini-2.5-flash-lite", "flex", DAY, ceiling=1000)
    assert half * 2 == cost
    unknown = estimated_cost({}, {}, "gemini-9-xenon", "standard", DAY, ceiling=1000)
    assert unknown > estimated_cost({}, {}, "gemini-3.1-pro-preview", "standard", DAY, ceiling=1000)


def test_the_tokens_of_a_named_cache_are_estimated_at_the_price_of_cached_sound() -> None:
    held = estimated_cost({}, {}, "gemini-2.5-flash-lite", "standard", DAY, ceiling=0, cached=1000)
    assert held == Decimal("0.03") * 1000 / 1_000_000
    unknown = estimated_cost({}, {}, "gemini-9-xenon", "standard", DAY, ceiling=0, cached=1000)
    assert unknown == assumed_cost(Tokens(prompt={"text": 1000}))


def test_a_prompt_in_chinese_is_estimated_at_a_token_a_character() -> None:
    body: Any = {"contents": [{"parts": [{"text": "字" * 1000}]}]}
    cost = estimated_cost(body, {}, "gemini-2.5-flash-lite", "standard", DAY, ceiling=0)
    assert cost == Decimal("0.1") * 1000 / 1_000_000


@pytest.mark.parametrize(
    "model", ["gemini-3.5-flash-lite", "gemini-3.1-pro-preview", "gemini-4-neon", "gemini-9-xenon"]
)
def test_no_call_costs_more_than_the_dearest_one(model: str) -> None:
    window = {"audio": 900_000, "image": 50_000, "text": 50_000}
    most = highest_call_cost(model, DAY)
    for tier in ("standard", "flex"):
        assert 0 < estimated_cost({}, window, model, tier, DAY, ceiling=65_536) <= most  # type: ignore[arg-type]
    assert most < 50
