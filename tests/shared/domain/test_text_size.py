"""How much text a JSON value holds."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.domain.text_size import text_size


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("four", 4),
        (["one", ["two", {"key": "three"}]], 11),
        ({"text": "ä", "count": 12345, "is_last": True, "none": None}, 1),
        ([], 0),
    ],
)
def test_strings_are_counted_at_any_depth(value: JsonValue, size: int) -> None:
    assert text_size(value) == size


def test_deep_values_are_counted_too() -> None:
    value: JsonValue = "end"
    for _ in range(5000):
        value = [value]
    assert text_size(value) == 3
