"""What keeping a context cache costs, and which task pays for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.models.catalogue import catalogue
from shared.domain.money.storage import (
    DEAR_STORAGE,
    Storage,
    known_storage,
    most_storage_cost,
    storage_as_public,
    storage_of,
)
from shared.domain.tasks.task import GeminiCache

NOW, DAY = datetime(2026, 11, 26, 12, tzinfo=UTC), date(2026, 11, 26)
LITE = "gemini-3.5-flash-lite"


def cache(*, left: bool = False, paid: float | None = 0, ends: float = 600) -> GeminiCache:
    """`paid`, `ends`: seconds after NOW since when it is paid for, and when it expires."""
    paid_from = None if paid is None else NOW + timedelta(seconds=paid)
    return GeminiCache(
        name="cachedContents/x",
        holds="h",
        expires_at=NOW + timedelta(seconds=ends),
        tokens=100_000,
        paid_from=paid_from,
        left=left,
    )


@pytest.mark.parametrize(
    ("kept", "ends_after", "seconds"),
    [
        (cache(), 36, 36),
        (cache(ends=20), 36, 20),
        (cache(left=True, ends=300), 36, 300),
        (cache(left=True, paid=300, ends=300), 36, None),
        (cache(left=True, paid=300, ends=480), 36, 180),
        (cache(paid=None), 36, None),
        (None, 36, None),
    ],
    ids=["deleted at the end", "expired before", "left for reruns", "found", "found and prolonged", "unknown", "none"],
)
def test_a_task_pays_for_what_it_keeps(kept: GeminiCache | None, ends_after: float, seconds: float | None) -> None:
    storage = storage_of(kept, LITE, NOW + timedelta(seconds=ends_after))
    assert (storage.seconds if storage else None) == seconds


def storage(tokens: int, seconds: float, model: str = LITE) -> Storage:
    return Storage(tokens=tokens, seconds=seconds, model=model, day=DAY)


def test_a_cache_that_could_not_be_deleted_is_paid_for_until_it_expires() -> None:
    kept = storage_of(cache(), LITE, NOW + timedelta(seconds=36), is_deleted=False)
    assert kept == storage(100_000, 600)


def test_storage_has_the_price_of_the_model_that_the_cache_was_made_for() -> None:
    made_for = cache().model_copy(update={"model": "gemini-3.1-pro-preview"})
    kept = storage_of(made_for, LITE, NOW + timedelta(seconds=36))
    assert kept is not None
    assert kept.cost == Decimal("0.0045")


def test_a_document_takes_storage_and_gives_it_back() -> None:
    kept = storage(4097, 1.337)
    stored = kept.model_dump()
    assert stored == {"tokens": 4097, "seconds": 1.337, "model": LITE, "day": "2026-11-26"}
    assert Storage.model_validate(stored) == kept


def test_storage_is_charged_by_tokens_and_hours() -> None:
    assert storage(1_000_000, 3600).cost == 1
    assert storage(100_000, 36).cost == Decimal("0.001")
    assert storage_as_public([storage(4097, 1.337)])["cost"] == "0.00000152158"


def test_several_caches_of_a_task_cost_what_each_costs() -> None:
    both = [storage(1_000_000, 3600), storage(100_000, 36)]
    assert storage_as_public(both) == {"tokens": 1_000_000, "seconds": 3636, "cost": "1.001"}
    assert storage_as_public([*both, storage(1, 1, "gemini-9-unknown")])["cost"] is None
    assert known_storage([*both, storage(1, 1, "gemini-9-unknown")]) == Decimal("1.001")


def test_storage_without_a_price_has_no_cost_and_counts_as_dear() -> None:
    assert storage(1_000_000, 3600, "gemini-9-unknown").cost is None
    assert storage_as_public([storage(1_000_000, 3600, "gemini-9-unknown")])["cost"] is None
    assert most_storage_cost(1_000_000, 3600, "gemini-9-unknown", DAY) == DEAR_STORAGE


def test_each_model_that_caches_has_a_price_of_storage_and_each_price_a_source() -> None:
    for model in catalogue().models:
        assert (model.cache_storage is not None) == (bool(model.prices) and model.can("caching")), model.id
        assert (model.price_source is not None) == bool(model.prices), model.id
        assert model.cache_storage is None or model.cache_storage <= DEAR_STORAGE
