"""JSON Schemas of others: what is taken has a bounded cost, and Gemini takes it too."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.standins.gemini.errors import ApiError
from local.standins.gemini.schema_rules import check_json_schema
from shared.domain.answer.schema_limits import MAX_EXPANDED, evaluations
from shared.domain.answer.schemas import as_sent, fits, is_quick, schema_flaw, violations
from tests.shared.domain.request.hostile_schemas import HOSTILE, Schema, doubling, judged_in_a_child, nested_twice

HERE = "tests.shared.domain.request.hostile_schemas"


@pytest.mark.parametrize(
    "function",
    ["shared.domain.answer.schemas:schema_flaw", f"{HERE}:refused_by_request", f"{HERE}:refused_by_recipe"],
)
def test_schemas_made_to_stop_the_service_are_refused_in_little_time_and_memory(function: str) -> None:
    cost = judged_in_a_child(function, HOSTILE)
    assert cost.refused == list(HOSTILE)
    assert cost.seconds < 4
    assert cost.mebibytes < 250


@pytest.mark.parametrize(
    ("schema", "path", "says"),
    [
        ({"properties": {"price": {"type": "string", "pattern": "^a"}}}, "properties.price.pattern", "'pattern'"),
        ({"items": {"allOf": []}}, "items.allOf", "'allOf'"),
        ({"anyOf": [{}, {"type": "number", "exclusiveMinimum": 1}]}, "anyOf.1.exclusiveMinimum", "exclusiveMinimum"),
        ({"$defs": {"a": {"not": {}}}, "type": "object"}, "$defs.a.not", "'not'"),
        ({"additionalProperties": {"minLength": 1}}, "additionalProperties.minLength", "minLength"),
        ({"prefixItems": [{"if": {}}]}, "prefixItems.0.if", "'if'"),
        ({"items": {"$ref": "https://example.com/a"}}, "items.$ref", "out of the schema"),
        ({"items": {"$ref": "#/$defs/none"}}, "items.$ref", "no part of the schema"),
        (
            {"items": {"$ref": "#/$defs/a", "description": "d"}, "$defs": {"a": {}}},
            "items.description",
            "beside a $ref",
        ),
        ({"items": {"enum": ["a", True]}}, "items.enum.1", "strings and numbers"),
        ({"items": {"const": {"a": 1}}}, "items.const", "strings and numbers"),
        ({"maxItems": 10**30}, "maxItems", "too large"),
        ({"$anchor": 3, "type": "string"}, "$anchor", "must be text"),
    ],
)
def test_a_refusal_leads_to_the_place(schema: Schema, path: str, says: str) -> None:
    flaw = schema_flaw(schema)
    assert flaw is not None
    assert (flaw.path, says in flaw.message) == (path, True), flaw


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("word", ["minimum", "default", "const"])
def test_numbers_that_json_does_not_have_are_refused(word: str, number: float) -> None:
    assert schema_flaw({"type": "number", word: number}) is not None


def test_half_a_surrogate_pair_is_refused_wherever_it_stands() -> None:
    halves: list[Schema] = [{"title": "\ud800"}, {"properties": {"\udfff": {}}}, {"enum": ["a\ud800"]}]
    for schema in halves:
        assert schema_flaw(schema) is not None


def test_schemas_as_programs_make_them_are_taken() -> None:
    address = {
        "type": "object",
        "title": "Address",
        "properties": {"street": {"type": "string"}},
        "required": ["street"],
    }
    schema: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.com/person.json",
        "$defs": {"Address": address, "a/b": {"type": "integer"}, "named": {"$anchor": "here", "type": "string"}},
        "type": "object",
        "properties": {
            "home": {"$ref": "#/$defs/Address"},
            "work": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "default": None},
            "count": {"$ref": "#/$defs/a~1b"},
            "word": {"$ref": "#here"},
            "kind": {"const": "person", "title": "Kind", "type": "string"},
            "friends": {"type": "array", "items": {"$ref": "#"}, "minItems": 0, "maxItems": 10, "uniqueItems": True},
            "pair": {"prefixItems": [{"type": "string"}, {"enum": ["a", 2, None]}], "items": False},
        },
        "required": ["home"],
        "additionalProperties": False,
        "propertyOrdering": ["home", "work"],
    }
    assert schema_flaw(schema) is None
    check_json_schema(as_sent(schema), "schema")
    good: dict[str, Any] = {
        "home": {"street": "a"},
        "count": 1,
        "word": "w",
        "kind": "person",
        "friends": [{"home": {"street": "b"}}],
    }
    assert violations(good, schema) == []
    assert violations({**good, "count": "x"}, schema) != []
    assert violations({**good, "pair": ["a", "b"]}, schema) != []


def test_references_mean_the_same_under_every_id_and_dialect() -> None:
    """An `$id` would give `#` another meaning, a `$schema` other keywords; Gemini knows neither."""
    inner: Schema = {
        "$id": "https://example.com/inner",
        "$defs": {"a": {"type": "integer"}},
        "items": {"$ref": "#/$defs/a"},
    }
    schema: Schema = {"$defs": {"a": {"type": "string"}}, "properties": {"list": inner}}
    assert fits({"list": ["x"]}, schema)
    assert not fits({"list": [1]}, schema)
    old: Schema = {"$schema": "http://json-schema.org/draft-04/schema#", "prefixItems": [{"type": "string"}]}
    assert not fits([1], old)


words = st.sampled_from(["a", "b"])
leaves: st.SearchStrategy[Schema] = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "array", "object", ["string", "null"]])}),
    st.fixed_dictionaries({"enum": st.lists(st.one_of(st.text(max_size=2), st.integers(), st.booleans()), min_size=1)}),
    st.fixed_dictionaries({"$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#x"])}),
    st.fixed_dictionaries({"const": st.one_of(st.text(max_size=2), st.none(), st.booleans())}),
    st.just({"pattern": "a"}),
    st.just({}),
)


def larger(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    named = st.dictionaries(words, inner, max_size=2)
    listed = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"properties": named}, optional={"$defs": named}),
        st.fixed_dictionaries({"items": inner}),
        st.fixed_dictionaries({"anyOf": listed}),
        st.fixed_dictionaries({"prefixItems": listed, "items": inner}),
        st.fixed_dictionaries({"additionalProperties": st.one_of(inner, st.booleans())}),
    )


schemas: st.SearchStrategy[Schema] = st.recursive(leaves, larger, max_leaves=12)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.integers(0, 3), st.text(max_size=1)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=2)),
    max_leaves=12,
)


@pytest.mark.long
@given(schemas, values)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_what_is_taken_is_taken_by_the_service_and_can_be_judged(schema: Schema, value: Any) -> None:
    if schema_flaw(schema) is not None:
        return
    try:
        check_json_schema(as_sent(schema), "schema")
    except ApiError as error:
        raise AssertionError(f"the service refuses what was taken: {error}") from error
    assert fits(value, schema) == (violations(value, schema) == [])
    assert is_quick(value, schema)


def test_the_cost_of_a_check_is_known_before_it() -> None:
    assert evaluations({"type": "object", "properties": {"a": {"type": "string"}}}, 3) == 1
    assert evaluations({"anyOf": [{"type": "string"}, {"type": "null"}]}, 0) == 3
    assert (evaluations(nested_twice(), 20) or 0) > 2**20
    assert evaluations(doubling(20), 0) is not None
    assert evaluations({"patternProperties": {"a": {}}}, 0) is None


def test_the_largest_schemas_that_are_taken_are_judged_in_bounded_time_and_memory() -> None:
    most = max(levels for levels in range(4, 14) if schema_flaw(doubling(levels)) is None)
    assert 2**most <= MAX_EXPANDED
    cost = judged_in_a_child(f"{HERE}:unfit_answers_to", {"most": doubling(most)})
    assert cost.refused == ["most"]
    assert cost.seconds < 4
    assert cost.mebibytes < 250


def test_a_check_that_doubles_with_each_level_of_the_answer_is_never_thought_quick() -> None:
    value: Any = 3
    for _ in range(40):
        value = {"c": value}
    began = time.process_time()
    assert schema_flaw(nested_twice()) is None
    assert not is_quick(value, nested_twice())
    assert time.process_time() - began < 1


def test_an_ordinary_schema_costs_a_few_milliseconds() -> None:
    row = {"type": "object", "properties": {name: {"type": "string"} for name in "abcdefgh"}, "required": ["a"]}
    schema: Schema = {"type": "object", "properties": {"rows": {"type": "array", "items": row}}}
    began = time.process_time()
    for _ in range(100):
        assert schema_flaw(schema) is None
    assert time.process_time() - began < 1


def test_misfits_with_very_many_alternatives_are_told_in_one_sentence() -> None:
    schema = {"type": "array", "items": {"$ref": "#/$defs/a0"}, "$defs": doubling(10)["$defs"]}
    assert schema_flaw(schema) is None
    assert violations(["x"] * 1_000 + [3], schema) == ["the answer: it does not fit the schema"]


def test_a_schema_may_hold_as_much_as_it_says() -> None:
    properties = {f"p{n}": {"type": "string", "description": "x" * 20} for n in range(1_500)}
    schema: Schema = {"type": "object", "properties": properties}
    assert len(json.dumps(schema)) > 90_000
    assert schema_flaw(schema) is None
    assert schema_flaw({"enum": [str(n) for n in range(1_000)]}) is None
