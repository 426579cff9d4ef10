"""Which names mean the same model."""

from __future__ import annotations

import pytest

from shared.domain.models.comparison import are_different


@pytest.mark.parametrize(
    ("name", "other", "different"),
    [
        ("gemini-3.8-flash", "gemini-3.8-flash", False),
        ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite-001", False),
        ("gemini-3.8-flash", "gemini-3.5-flash-lite", True),
        ("gemini-3.8-flash", "gemini-9-xenon", True),
        ("gemini-flash-latest", "gemini-3.8-flash", False),
        ("gemini-9-xenon", "gemini-flash-latest", False),
    ],
)
def test_names_differ_if_neither_moves_and_the_catalogue_has_two_models_for_them(
    name: str, other: str, different: bool
) -> None:
    assert are_different(name, other) is different
    assert are_different(other, name) is different
