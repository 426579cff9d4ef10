"""Nothing that a newcomer copies names a model that is gone, about to end, or closed to new users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from shared.domain.models.catalogue import Model, catalogue, resolve
from shared.domain.recipe.book import BUILT_IN

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\bgemini-\d+(?:\.\d+)?-[a-z][a-z0-9.-]*[a-z0-9]")
WARNING = timedelta(days=30)
CODE = ("functions", "shared", "local", "terraform", "tests/bench")
"""Folders whose sources hold examples: the API's documentation, help texts, recipes."""
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "Makefile", "docs", "terraform/README.md")


def sources() -> Iterator[Path]:
    for place in (*CODE, *PAGES):
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.suffix in {".py", ".toml", ".md", ".tf", ".hcl", ""}:
                yield file


def problem(name: str, today: date) -> str | None:
    """Why a new user should not be sent to `name`."""
    found = resolve(name, today)
    if not isinstance(found, Model):
        return "is not there"
    if found.closed_to_new:
        return "is closed to new users"
    if found.shutdown is not None and found.shutdown.on - today <= WARNING:
        return f"ends on {found.shutdown.on}"
    return None


def test_no_example_names_a_model_that_a_new_user_cannot_go_on_using() -> None:
    today = datetime.now(UTC).date()
    found = {
        f"{file.relative_to(ROOT)}: {name} {why}"
        for file in sources()
        for name in NAME.findall(file.read_text(encoding="utf-8"))
        if (why := problem(name, today))
    }
    assert not found


def test_the_default_and_the_built_in_recipes_can_be_asked_by_a_new_user() -> None:
    today = datetime.now(UTC).date()
    for name in {catalogue().default, *(recipe.model for recipe in BUILT_IN), *catalogue().latest}:
        assert problem(name, today) is None, name


@pytest.mark.parametrize(
    ("name", "today", "why"),
    [
        ("gemini-2.5-flash", date(2026, 10, 1), None),
        ("gemini-2.5-flash", date(2026, 11, 1), "ends on 2026-12-01"),
        ("gemini-2.5-flash", date(2027, 1, 1), "ends on 2026-12-01"),
        ("gemini-3.7-flash", date(2026, 11, 26), "ends on 2026-10-08"),
        ("gemini-2.5-pro", date(2026, 1, 1), "is closed to new users"),
        ("gemini-2.0-flash-001", date(2026, 1, 1), "is not there"),
        ("gemini-3.5-flash-lite", date(2026, 11, 26), None),
    ],
)
def test_a_model_is_not_named_once_its_end_is_a_month_away(name: str, today: date, why: str | None) -> None:
    assert problem(name, today) == why


def test_the_examples_are_found() -> None:
    read = {str(file.relative_to(ROOT)) for file in sources()}
    assert {"README.md", "shared/domain/recipe/built_in.toml", "functions/api/main.py"} <= read
