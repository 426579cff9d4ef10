"""Fields laid over a recipe: what they replace, what they are merged into, and what goes with another question."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.overlay import first_flaw, overlay, with_fields

TRANSCRIPT = {"prompt": "Transcribe.", "transcript": True, "parameters": {"seed": 1, "top_k": 3}, "outputs": ["txt"]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"outputs": ["md"]}, {"outputs": ["md"]}),
        ({"parameters": {"seed": 2}}, {"parameters": {"seed": 2, "top_k": 3}}),
        ({"prompt": "Transcribe."}, {}),
        ({"prompt": "Who speaks?", "transcript": True}, {"prompt": "Who speaks?"}),
    ],
)
def test_fields_replace_those_of_the_recipe_and_tables_are_merged(
    changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert overlay(TRANSCRIPT, changes) == {**TRANSCRIPT, **expected}


def test_another_question_leaves_nothing_of_the_former_one() -> None:
    assert overlay({"prompt": "a", "transcript": True}, {"prompt": "b"}) == {"prompt": "b"}
    assert overlay({"prompt": "a", "transcript": True}, {"asks": [1]}) == {"asks": [1]}
    assert overlay({"asks": [1], "system": "s"}, {"prompt": "b"}) == {"prompt": "b", "system": "s"}


def test_a_faulty_field_is_named_by_its_path() -> None:
    recipe = Recipe(name="x", takes=("audio",), prompt="p")
    assert with_fields(recipe, {"parameters": {"seed": 3}}).parameters.seed == 3
    with pytest.raises(ValidationError) as raised:
        with_fields(recipe, {"parameters": {"temperature": 9}})
    assert first_flaw(raised.value) == ("parameters.temperature", "Input should be less than or equal to 2")
