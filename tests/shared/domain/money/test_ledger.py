"""What a cancelled task used is counted once, though some of it is stored only after it was counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from shared.domain.money.calls import Call, Tokens
from shared.domain.money.ledger import Ledger, LostCalls, late_calls, usage_of
from shared.domain.money.totals import Counters, rows_of, rows_of_calls, rows_of_late_calls
from tests.shared.domain.money.test_calls import DAY, task

WHOLE = Call(
    "",
    "gemini-2.5-flash-lite",
    "gemini-2.5-flash-lite",
    "standard",
    Tokens({"text": 500, "audio": 1920}, answer={"text": 90}, thinking=12),
    DAY,
    7.5,
)
BEGUN = replace(WHOLE, tokens=replace(WHOLE.tokens, answer={"text": 40}), seconds=None)


def usage(calls: Sequence[Call]) -> dict[str, Any]:
    return usage_of(calls, ledger=Ledger(), sizes={}, prices_read=date(2026, 11, 1))


def sums(calls: Sequence[Call]) -> Counters:
    return sum(rows_of_calls(task(), calls).values(), Counters())


@pytest.mark.parametrize("estimated", [False, True], ids=["counted", "not counted by the service"])
def test_a_call_that_was_counted_while_it_ran_counts_for_what_it_has_grown_by(estimated: bool) -> None:
    other = replace(WHOLE, question="other")
    before = [replace(BEGUN, is_estimated=estimated), other]
    after = [WHOLE, other, replace(WHOLE, seconds=9.5)]
    late = late_calls(after, usage(before))
    added = sum(rows_of_late_calls(task(), *late, LostCalls()).values(), Counters())
    assert sums(before) + added == sums(after)


def test_a_call_of_which_less_was_read_than_is_counted_adds_nothing() -> None:
    assert late_calls([BEGUN], usage([WHOLE])) == ([], [])
    assert late_calls([WHOLE], usage([WHOLE])) == ([], [])


def test_takeovers_lose_one_call_until_the_next_call_and_what_it_cost_is_told() -> None:
    once = LostCalls(estimate=7).after_takeovers(2, 10)
    assert (once.calls, once.picodollars) == (1, 10)
    assert once.after_takeovers(2, 10) is once
    twice = once.after_takeovers(3, 5).with_call(1)
    assert (twice.calls, twice.picodollars) == (3, 16)
    assert twice - once == LostCalls(calls=2, picodollars=6)
    assert once - twice == LostCalls(calls=-2, picodollars=-6)
    shown = usage_of([WHOLE], ledger=Ledger(lost=twice), sizes={}, prices_read=DAY)
    assert shown["lost_calls"] == {"calls": 3, "assumed_cost": "0.000000000016"}
    assert (shown["cost"], "lost_calls" in usage([WHOLE])) == (usage([WHOLE])["cost"], False)


def test_a_correction_of_lost_calls_goes_to_the_row_in_which_they_were_entered() -> None:
    lost = LostCalls(calls=1, picodollars=10, takeovers=1)
    ended = task().model_copy(update={"model": "gemini-pro-latest", "ledger": Ledger(lost=lost)})
    entered = rows_of(ended, [WHOLE])
    corrected = rows_of_late_calls(ended, [], [], LostCalls() - lost)
    [(row, correction)] = corrected.items()
    assert (entered[row] + correction).lost_calls == (entered[row] + correction).assumed_picodollars == 0
