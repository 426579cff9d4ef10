"""An answer is asked for with its evidence, and users get both apart."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.evidence import EVIDENCE_PROMPT, Quote, split_evidence, with_evidence
from shared.domain.recipe.validation import flaws
from shared.domain.recipe.wire import request

JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
}
NAMED: dict[str, Any] = {
    "type": "object",
    "properties": {"first": {"$ref": "#/$defs/money"}, "second": {"$ref": "#/properties/first"}},
    "required": ["first"],
    "$defs": {"money": {"type": "number"}},
}


@pytest.mark.parametrize(
    ("schema", "answer", "fits"),
    [
        (TREE, {"name": "a", "children": [{"name": "b", "children": []}]}, True),
        (TREE, {"name": "a", "children": [{"children": []}]}, False),
        (NAMED, {"first": 1, "second": 2.5}, True),
        (NAMED, {"first": "1"}, False),
        (NAMED, {"first": 1, "second": "2.5"}, False),
        ({"type": "array", "items": {"type": "string"}}, ["a"], True),
        ({"type": "array", "items": {"type": "string"}}, [1], False),
    ],
)
def test_the_wrapped_schema_takes_the_answers_that_the_users_schema_takes(
    schema: dict[str, Any], answer: Any, fits: bool
) -> None:
    validator = jsonschema_rs.validator_for(with_evidence(schema))
    assert validator.is_valid({"answer": answer, "evidence": []}) == fits
    assert not validator.is_valid({"answer": answer})


def test_an_answer_and_its_quotes_come_apart() -> None:
    entries: list[JsonValue] = [
        {"path": "total", "quote": "Total 12", "page": 3},
        {"path": "tax", "quote": "2", "page": 0},
    ]
    assert split_evidence({"answer": {"total": 12}, "evidence": entries}) == (
        {"total": 12},
        (Quote("total", "Total 12", 3), Quote("tax", "2", None)),
    )


@given(JSON)
def test_any_answer_can_be_taken_apart(value: Any) -> None:
    split_evidence(value)
    apart = split_evidence({"answer": value, "evidence": value})
    assert apart is not None
    assert apart.answer == value


def test_a_question_with_evidence_asks_for_the_wrapped_schema_and_says_how_to_quote() -> None:
    recipe = Recipe(name="invoice", takes=("pdf",), prompt="Extract.", response_schema=NAMED, evidence=True)
    body: Any = request(recipe, recipe.questions[0], "Extract.", [])
    sent = body["generationConfig"]["responseJsonSchema"]
    assert list(sent["properties"]) == ["answer", "evidence"]
    assert [part["text"] for part in body["contents"][0]["parts"]] == ["Extract.", EVIDENCE_PROMPT]
    assert list(flaws(recipe)) == []


def test_evidence_for_an_answer_without_a_schema_is_a_flaw() -> None:
    recipe = Recipe(name="invoice", takes=("pdf",), prompt="Extract.", evidence=True)
    assert [place for place, _ in flaws(recipe)] == [("evidence",)]
    assert not recipe.questions[0].evidence
