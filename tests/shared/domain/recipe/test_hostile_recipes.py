"""Recipe files and objects' metadata of any form: every problem has its place, and nothing is stumbled over."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import PermanentFailure, RequestRefused
from shared.domain.recipe.book import BUILT_IN, check
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.matching import Dropped, choose
from shared.domain.recipe.object_metadata import METADATA_KEYS, apply_metadata
from shared.domain.request.rerun import resolve_rerun
from shared.domain.tasks.task import Ran
from tests.shared.domain.request.hostile_schemas import HOSTILE, doubling

FILE = '[[recipe]]\nname = "a"\ntakes = "audio"\nprompt = "p"\n'
DIGITS = "9" * 5_000


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        (f'for = {{ max_size = "{"9" * 400}" }}', "recipe[0].for.max_size", "more than any object has"),
        (f"thinking = {DIGITS}", "", "not TOML"),
        (f'thinking = "{DIGITS}"', "recipe[0].thinking", "digits"),
        ("thinking = 9999999999", "recipe[0].thinking", "less than or equal"),
        ("x = " + "[" * 5_000, "", "not TOML"),
        ("range = { from = inf }", "recipe[0].range", "finite"),
        ("range = { from = nan }", "recipe[0].range", "finite"),
        ("parameters = { temperature = inf }", "recipe[0].parameters.temperature", "less than or equal"),
        ("parameters = { top_k = 9999999999 }", "recipe[0].parameters.top_k", "less than"),
        ('parameters = { stop = [""] }', "recipe[0].parameters.stop[0]", "at least 1"),
        ('model = "models/"', "recipe[0].model", "name a model"),
        ("response_schema = { minimum = inf }", "recipe[0].response_schema", "JSON"),
        ("response_schema = { default = 2020-01-01 }", "recipe[0].response_schema", "JSON"),
        ("response_schema = '" + "[" * 50_000 + "'", "recipe[0].response_schema", "levels deep"),
        ("response_schema = '{\"title\": \"\\ud800\"}'", "recipe[0].response_schema", "surrogate"),
        ("response_schema = { properties = { a = { not = {} } } }", "recipe[0].response_schema", "properties.a.not"),
        ("functions = [{ name = 'f', parameters = { pattern = 'b' } }]", "recipe[0].functions", "pattern"),
        ("functions = [{ name = 'f' }, { name = 'f' }]", "recipe[0].functions", "two functions named f"),
    ],
)  # fmt: skip
def test_what_no_recipe_can_say_has_its_line_and_field(line: str, field: str, says: str) -> None:
    (problem,) = check(f"{FILE}{line}\n")[:1]
    assert problem.field.startswith(field)
    assert says in problem.message


def test_a_recipe_fits_on_the_document_of_its_task() -> None:
    prompt = "x" * 99_000
    asks = ", ".join(f'{{ name = "q{number}", prompt = "{prompt}" }}' for number in range(8))
    text = f'[[recipe]]\nname = "a"\ntakes = "audio"\nasks = [{asks}]\n'
    assert "bytes as JSON" in check(text)[0].message


def test_a_models_name_is_taken_as_a_request_takes_it() -> None:
    assert Recipe(name="a", takes=("audio",), prompt="p", model=" models/gemini-2.5-pro ").model == "gemini-2.5-pro"
    about = Dropped(name="a.mp3", family="audio", metadata={"dropsight-model": "models/gemini-2.5-pro"})
    assert apply_metadata(BUILT_IN, choose(BUILT_IN, about), about).recipe.model == "gemini-2.5-pro"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_metadata_with_a_schema_made_to_stop_the_service_is_refused_at_once(hostile: str) -> None:
    metadata = {"dropsight-recipe": "extract", "dropsight-schema": json.dumps(HOSTILE[hostile])}
    about = Dropped(name="a.pdf", family="pdf", metadata=metadata)
    began = time.process_time()
    with pytest.raises(PermanentFailure, match="dropsight-schema"):
        apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)
    assert time.process_time() - began < 2


values = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *(recipe.name for recipe in BUILT_IN),
            DIGITS,
            "99999999:59-",
            "1:00-2:00",
            "nan",
            "inf",
            "1e999",
            "-1",
            "{}",
            "[" * 5_000,
            json.dumps(doubling(20)),
            '{"type": "object"}',
            "json,csv",
            "a.mp3,../b",
            "models/gemini-2.5-pro",
            "low",
            "off",
            "{name}",
            "\0",
        ]
    ),
)


@given(
    st.dictionaries(st.sampled_from([f"dropsight-{key}" for key in METADATA_KEYS]), values, max_size=4), st.booleans()
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_odd_wishes_are_granted_or_refused(metadata: dict[str, str], everything: bool) -> None:
    recipes = [recipe.model_copy(update={"allow": METADATA_KEYS}) for recipe in BUILT_IN] if everything else BUILT_IN
    about = Dropped(name="folder/a.mp3", family="audio", metadata=metadata)
    try:
        granted = apply_metadata(recipes, choose(recipes, about), about)
    except PermanentFailure:
        return
    assert Recipe.model_validate(granted.recipe.ran().snapshot).model_copy(update={"rule": None}) == (
        granted.recipe.model_copy(update={"rule": None})
    )


def test_a_rerun_of_what_is_not_taken_any_more_says_so() -> None:
    """Of a task of an earlier version."""
    snapshot: dict[str, Any] = {**BUILT_IN[0].ran().snapshot, "response_schema": {"type": "string", "pattern": "a"}}
    with pytest.raises(RequestRefused, match="not taken any more: pattern") as refused:
        resolve_rerun(Ran(recipe="own", sha256="0" * 64, snapshot=snapshot), "gs://box/a.mp3", b"{}")
    assert (refused.value.status, refused.value.param) == (422, "recipe")
