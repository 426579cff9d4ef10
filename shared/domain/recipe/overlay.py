"""Override a recipe's fields with those of a recipe that uses it, an object's metadata, a request or a rerun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue, ValidationError

from shared.domain.recipe.definition import Recipe


def overlay(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's fields with `changes` in them; tables of settings are merged by key.

    A new question replaces the former one completely, and its answer is not compared with the recording's length.
    """
    whole = dict(fields)
    if any(field in changes and changes[field] != fields.get(field) for field in ("prompt", "asks")):
        for field in ("prompt", "asks", "transcript"):
            whole.pop(field, None)
    for field, value in changes.items():
        before = whole.get(field)
        if (
            field in ("parameters", "safety", "speech", "embedding", "picture")
            and isinstance(before, dict)
            and isinstance(value, dict)
        ):
            whole[field] = {**before, **value}
        else:
            whole[field] = value
    return whole


def with_fields(recipe: Recipe, changes: Mapping[str, JsonValue]) -> Recipe:
    """Return `recipe` with `changes` (see `overlay`). Raises pydantic's ValidationError."""
    return Recipe.model_validate(overlay(recipe.model_dump(mode="json"), changes)) if changes else recipe


def first_flaw(error: ValidationError) -> tuple[str, str]:
    """Return the path of the first faulty field (empty: the recipe as a whole) and its error."""
    first = error.errors()[0]
    return ".".join(str(step) for step in first["loc"]), first["msg"].removeprefix("Value error, ")
