"""Recipes that make something else than words: what fits them, and what is sent."""

from __future__ import annotations

from typing import get_args

import pytest

from shared.domain.recipe.book import BUILT_IN, check
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.making import MADE_ENDINGS, NEEDED_OUTPUTS, Embedding, Makes, embedding_body

MADE = {recipe.makes: recipe for recipe in BUILT_IN if recipe.makes is not None}


def problems(*lines: str) -> list[str]:
    return [problem.message for problem in check("\n".join(["[[recipe]]", 'name = "mine"', *lines]))]


def test_there_is_a_built_in_recipe_for_each_thing_that_is_made() -> None:
    assert set(MADE) == set(NEEDED_OUTPUTS) == set(MADE_ENDINGS) == set(get_args(Makes))
    assert [recipe.outputs for recipe in MADE.values()] == [("wav",), ("embeddings.json",), ("png",)]


@pytest.mark.parametrize("name", ["speak", "embed", "draw"])
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("evidence = true", "evidence is for answers in words"),
        ('response_schema = { type = "object" }', "response_schema is for answers in words"),
        ("transcript = true", "transcript is for answers in words"),
        ('system = "Be kind."', "system is for answers in words"),
        ('tools = ["google_search"]', "tools is for answers in words"),
        ("parameters = { max_tokens = 5 }", "max_tokens is for answers in words"),
        ('outputs = ["md"]', "a recipe that makes "),
        ('takes = ["video"]', "can be made of "),
        ('model = "gemini-3.5-flash-lite"', "Model gemini-3.5-flash-lite makes no "),
    ],
)
def test_what_does_not_fit_is_named_when_the_recipe_is_read(name: str, line: str, words: str) -> None:
    assert any(words in problem for problem in problems(f'use = "{name}"', line))


def test_an_unknown_voice_is_answered_with_the_voices_there_are() -> None:
    [problem, *_] = [
        message for message in problems('use = "speak"', 'speech = { voice = "Bob" }') if "Zephyr" in message
    ]
    assert problem.startswith("Input should be 'Achernar'")


def test_recipes_for_words_publish_no_speech_and_ask_no_model_for_speech() -> None:
    messages = problems('takes = "text"', 'prompt = "Sum up."', 'outputs = ["wav"]')
    assert messages == ["wav is made by recipes with a table speech"]
    messages = problems('takes = "text"', 'prompt = "Sum up."', 'model = "gemini-3.8-flash-tts"')
    assert messages == ["Model gemini-3.8-flash-tts does not answer with text."]


def test_one_recipe_makes_one_thing() -> None:
    assert "This recipe makes one thing: leave out picture." in problems('use = "speak"', "picture = {}")


def test_a_recipe_of_ones_own_keeps_the_settings_that_it_does_not_name() -> None:
    speak = MADE["speech"]
    mine = Recipe.model_validate({**speak.model_dump(), "speech": {"voice": "Puck", "language": "de-DE"}})
    assert mine.ran().snapshot["speech"] == {"voice": "Puck", "language": "de-DE"}


@pytest.mark.parametrize(
    ("model", "text", "settings"),
    [
        ("gemini-embedding-2", "task: clustering | query: Tea", {"outputDimensionality": 256}),
        ("gemini-embedding-001", "Tea", {"outputDimensionality": 256, "taskType": "CLUSTERING"}),
    ],
)
def test_the_task_of_a_vector_stands_where_its_model_looks_for_it(
    model: str, text: str, settings: dict[str, object]
) -> None:
    body = embedding_body(Embedding(dimensions=256, task_type="CLUSTERING"), model, ["Tea"])
    assert body == {"contents": [{"role": "user", "parts": [{"text": text}]}], "embedding": settings}
