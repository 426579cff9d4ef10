"""The prices that the pages tell are those of the catalogue."""

from __future__ import annotations

import pytest

from local.price_tables import PAGES, ROOT, cost_table, filled, price_table
from shared.domain.models.catalogue import catalogue


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_are_up_to_date(page: str) -> None:
    text = (ROOT / page).read_text()
    assert "<!-- cost -->" in text or "<!-- prices -->" in text
    assert filled(text) == text, "run `python -m local.price_tables`"


def test_the_tables_name_the_default_model_and_the_day_of_its_prices() -> None:
    assert catalogue().default in cost_table()
    assert catalogue().prices_read.isoformat() in cost_table()
    assert "the default" in price_table()
