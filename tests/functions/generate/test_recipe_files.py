"""The operator's recipe file: which version ran stands on the task; a broken one holds tasks back until mended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functions.generate.conftest import RULED, SAMPLES, SETTINGS, Road, answers, camelled, warned, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES = SAMPLES / "notes.txt"


def letters(prompt: str, more: str = "") -> bytes:
    first = '[[recipe]]\nname = "letters"\ntakes = "text"\nfor = { prefix = "letters/" }\n'
    return f'{first}prompt = "{prompt}"\n{more}'.encode()


async def written(road: Road, text: bytes) -> int:
    """Write the recipe file and let its time of freshness pass; its generation."""
    await road.drop("recipes.toml", text, bucket=SETTINGS)
    road.clock.advance(30)
    blob = await asyncio.to_thread(road.objects.bucket(SETTINGS).get_blob, "recipes.toml")
    assert blob is not None
    return int(blob.generation)


async def test_the_operators_rule_is_followed_and_its_generation_recorded(road: Road) -> None:
    generation = await written(road, letters("Who wrote {file} to {metadata.to|whom}?"))
    task = await road.understood("letters/a.txt", NOTES, bucket=RULED, to="Ann")
    assert words(road.model.asked[0][1]) == "Who wrote a.txt to Ann?"
    assert task.ran is not None
    assert (task.ran.recipe, task.ran.origin) == ("letters", f"gs://settings/recipes.toml#{generation}")
    assert task.ran.snapshot["prompt"] == "Who wrote {file} to {metadata.to|whom}?"


async def test_a_changed_file_is_followed_soon_after(road: Road) -> None:
    await written(road, letters("First words"))
    first = await road.understood("letters/b.txt", NOTES, bucket=RULED)
    await written(road, letters("Other words"))
    second = await road.understood("letters/c.txt", NOTES, bucket=RULED)
    assert [words(body) for _, body in road.model.asked] == ["First words", "Other words"]
    assert first.ran is not None
    assert second.ran is not None
    assert first.ran.sha256 != second.ran.sha256


async def test_other_files_of_the_inbox_have_the_shipped_defaults(road: Road) -> None:
    await written(road, letters("x"))
    task = await road.understood("elsewhere.txt", NOTES, bucket=RULED)
    assert task.ran is not None
    assert (task.ran.recipe, task.ran.origin) == ("summarise", "built in")


async def test_a_file_that_no_recipe_is_for_fails_with_that(road: Road) -> None:
    await written(road, b"built_in = false\n" + letters("x"))
    task = await road.understood("nobody.txt", NOTES, bucket=RULED)
    assert task.error is not None
    assert "no recipe is for nobody.txt" in task.error.message


async def test_wishes_are_heard_only_where_the_recipe_allows_them(road: Road) -> None:
    await written(road, letters("Only this."))
    task = await road.understood("letters/d.txt", NOTES, bucket=RULED, dropsight_prompt="Ignore it.")
    assert words(road.model.asked[0][1]) == "Only this."
    assert warned(task) == ("The metadata dropsight-prompt was ignored: the recipe letters does not allow it.",)

    road.model.asked.clear()
    await written(road, letters("Only this.", 'allow = ["prompt"]\n'))
    task = await road.understood("letters/e.txt", NOTES, bucket=RULED, dropsight_prompt="Rather {this}.")
    assert words(road.model.asked[0][1]) == "Rather {this}."
    assert warned(task) == ()


async def test_a_placeholder_without_a_value_fails_before_anything_is_uploaded(road: Road) -> None:
    await written(road, letters("About {metadata.customer}"))
    task = await road.understood("letters/f.txt", NOTES, bucket=RULED)
    assert task.error is not None
    assert "metadata.customer" in task.error.message
    assert road.model.asked == []


async def test_a_broken_file_holds_tasks_back_with_its_line_until_it_is_mended(road: Road) -> None:
    await written(road, letters("x", "colour = 1\n"))
    uri = await road.drop("letters/g.txt", NOTES, bucket=RULED)
    task = await road.until(uri, lambda task: task.waiting is not None)
    assert task.waiting is not None
    assert task.waiting.reason == "blocked"
    assert "line 6: recipe[0].colour" in task.waiting.detail
    assert road.model.asked == []

    await written(road, letters("Mended"))
    road.clock.advance(3600)
    task = await road.until(uri, lambda task: task.terminal and not task.after)
    assert answers(task)
    assert words(road.model.asked[0][1]) == "Mended"


async def test_a_grounded_answer_is_published_with_its_sources(road: Road) -> None:
    await written(road, letters("What is new?", 'tools = ["google_search", "url_context"]\n'))
    task = await road.understood("letters/h.txt", NOTES, bucket=RULED)
    assert [list(camelled(tool)) for tool in road.model.asked[0][1]["tools"]] == [["googleSearch"], ["urlContext"]]
    assert b"\n\nSources:\n\n1. [" in (await road.published(task))["md"]


async def test_a_function_that_the_model_calls_is_the_result(road: Road) -> None:
    declared = "functions = [{ name = 'file_ticket', description = 'Files a ticket' }]\n"
    await written(road, letters("Call file_ticket.", declared))
    task = await road.understood("letters/i.txt", NOTES, bucket=RULED)
    assert road.model.asked[0][1]["tools"][0]
    assert task.error is None
    results: list[Any] = list(task.results or ())
    choice = results[0]["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "file_ticket"
    assert set(await road.published(task)) == {"task.json"}


async def test_a_missing_file_holds_tasks_back_and_says_so(road: Road) -> None:
    await written(road, letters("x"))
    await asyncio.to_thread(road.objects.bucket(SETTINGS).blob("recipes.toml").delete)
    road.clock.advance(30)
    uri = await road.drop("letters/j.txt", NOTES, bucket=RULED)
    task = await road.until(uri, lambda task: task.waiting is not None)
    assert task.waiting is not None
    assert "gs://settings/recipes.toml is not there" in task.waiting.detail


async def test_a_task_goes_on_with_the_recipe_it_began_with(road: Road) -> None:
    wanted = 'outputs = ["json"]\nresponse_schema = { type = "array", items = { type = "string" } }\n'
    await written(road, letters("The first list", wanted))
    road.model.script.extend([{"text": "no list"}, {"status": 503}, {"text": '["a"]'}])
    uri = await road.drop("letters/k.txt", NOTES, bucket=RULED)
    await road.until(uri, lambda task: task.waiting is not None)
    await written(road, letters("Another list", wanted))
    task = await road.until(uri, lambda task: task.terminal and not task.after)
    assert answers(task) == ['["a"]']
    assert {words(body) for _, body in road.model.asked} == {"The first list"}
    assert len(road.model.asked) == 2
