"""Read the recipe snapshot that is stored on a task."""

from __future__ import annotations

from typing import get_args

from pydantic import JsonValue, ValidationError

from shared.domain.answer.response import Json
from shared.domain.recipe.definition import Recipe, RecipeQuestion
from shared.domain.recipe.making import Makes
from shared.domain.tasks.task import Ran


def questions_of(ran: Ran | None) -> tuple[RecipeQuestion, ...]:
    """Return the questions that were asked; their prompts are empty for a request."""
    if ran is None:
        return ()
    try:
        return Recipe.model_validate(ran.snapshot).questions
    except ValidationError:
        # Version 1.0 stored the fields of a request that named no recipe.
        schema = _schema(ran.snapshot.get("response_format"))
        return (
            RecipeQuestion(
                name="", prompt="", response_schema=schema, outputs=("md",) if schema is None else ("json",)
            ),
        )


def makes_of(ran: Ran | None) -> Makes | None:
    """Return what the recipe makes instead of words, or None."""
    return next((name for name in get_args(Makes) if ran is not None and ran.snapshot.get(name) is not None), None)


def _schema(form: JsonValue) -> Json | None:
    match form:
        case {"type": "json_schema", "json_schema": {"schema": dict() as schema}}:
            return schema
        case {"type": "json_object"}:
            return {"type": "object"}
        case _:
            return None
