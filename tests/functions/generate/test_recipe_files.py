"""The operator's recipe file: which version ran stands on the task; a broken one holds tasks back until mended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functions.generate.conftest import RULED, SAMPLES, SETTINGS, System, answers, camelled, warned, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES = SAMPLES / "notes.txt"


def letters(prompt: str, more: str = "") -> bytes:
    first = '[[recipe]]\nname = "letters"\ntakes = "text"\nfor = { prefix = "letters/" }\n'
    return f'{first}prompt = "{prompt}"\n{more}'.encode()


async def written(system: System, text: bytes) -> int:
    """Write the recipe file and let its time of freshness pass; its generation."""
    await system.drop("recipes.toml", text, bucket=SETTINGS)
    system.clock.advance(30)
    blob = await asyncio.to_thread(system.objects.bucket(SETTINGS).get_blob, "recipes.toml")
    assert blob is not None
    return int(blob.generation)


async def test_the_operators_rule_is_followed_and_its_generation_recorded(system: System) -> None:
    generation = await written(system, letters("Who wrote {file} to {metadata.to|whom}?"))
    task = await system.answered("letters/a.txt", NOTES, bucket=RULED, to="Ann")
    assert words(system.model.asked[0][1]) == "Who wrote a.txt to Ann?"
    assert task.ran is not None
    assert (task.ran.recipe, task.ran.origin) == ("letters", f"gs://settings/recipes.toml#{generation}")
    assert task.ran.snapshot["prompt"] == "Who wrote {file} to {metadata.to|whom}?"


async def test_a_changed_file_is_followed_soon_after(system: System) -> None:
    await written(system, letters("First words"))
    first = await system.answered("letters/b.txt", NOTES, bucket=RULED)
    await written(system, letters("Other words"))
    second = await system.answered("letters/c.txt", NOTES, bucket=RULED)
    assert [words(body) for _, body in system.model.asked] == ["First words", "Other words"]
    assert first.ran is not None
    assert second.ran is not None
    assert first.ran.sha256 != second.ran.sha256


async def test_other_files_of_the_inbox_have_the_shipped_defaults(system: System) -> None:
    await written(system, letters("x"))
    task = await system.answered("elsewhere.txt", NOTES, bucket=RULED)
    assert task.ran is not None
    assert (task.ran.recipe, task.ran.origin) == ("summarise", "built in")


async def test_a_file_that_no_recipe_is_for_fails_with_that(system: System) -> None:
    await written(system, b"built_in = false\n" + letters("x"))
    task = await system.answered("nobody.txt", NOTES, bucket=RULED)
    assert task.error is not None
    assert "no recipe is for nobody.txt" in task.error.message


async def test_wishes_are_heard_only_where_the_recipe_allows_them(system: System) -> None:
    await written(system, letters("Only this."))
    task = await system.answered("letters/d.txt", NOTES, bucket=RULED, dropsight_prompt="Ignore it.")
    assert words(system.model.asked[0][1]) == "Only this."
    assert warned(task) == ("The metadata dropsight-prompt was ignored: the recipe letters does not allow it.",)

    system.model.asked.clear()
    await written(system, letters("Only this.", 'allow = ["prompt"]\n'))
    task = await system.answered("letters/e.txt", NOTES, bucket=RULED, dropsight_prompt="Rather {this}.")
    assert words(system.model.asked[0][1]) == "Rather {this}."
    assert warned(task) == ()


async def test_a_placeholder_without_a_value_fails_before_anything_is_uploaded(system: System) -> None:
    await written(system, letters("About {metadata.customer}"))
    task = await system.answered("letters/f.txt", NOTES, bucket=RULED)
    assert task.error is not None
    assert "metadata.customer" in task.error.message
    assert system.model.asked == []


async def test_a_broken_file_holds_tasks_back_with_its_line_until_it_is_mended(system: System) -> None:
    await written(system, letters("x", "colour = 1\n"))
    uri = await system.drop("letters/g.txt", NOTES, bucket=RULED)
    task = await system.until(uri, lambda task: task.waiting is not None)
    assert task.waiting is not None
    assert task.waiting.reason == "blocked"
    assert "line 6: recipe[0].colour" in task.waiting.detail
    assert system.model.asked == []

    await written(system, letters("Mended"))
    system.clock.advance(3600)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    assert answers(task)
    assert words(system.model.asked[0][1]) == "Mended"


async def test_a_grounded_answer_is_published_with_its_sources(system: System) -> None:
    await written(system, letters("What is new?", 'tools = ["google_search", "url_context"]\n'))
    task = await system.answered("letters/h.txt", NOTES, bucket=RULED)
    assert [list(camelled(tool)) for tool in system.model.asked[0][1]["tools"]] == [["googleSearch"], ["urlContext"]]
    assert b"\n\nSources:\n\n1. [" in (await system.published(task))["md"]


async def test_a_function_that_the_model_calls_is_the_result(system: System) -> None:
    declared = "functions = [{ name = 'file_ticket', description = 'Files a ticket' }]\n"
    await written(system, letters("Call file_ticket.", declared))
    task = await system.answered("letters/i.txt", NOTES, bucket=RULED)
    assert system.model.asked[0][1]["tools"][0]
    assert task.error is None
    results: list[Any] = list(task.results or ())
    choice = results[0]["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "file_ticket"
    assert set(await system.published(task)) == {"task.json"}


async def test_a_missing_file_holds_tasks_back_and_says_so(system: System) -> None:
    await written(system, letters("x"))
    await asyncio.to_thread(system.objects.bucket(SETTINGS).blob("recipes.toml").delete)
    system.clock.advance(30)
    uri = await system.drop("letters/j.txt", NOTES, bucket=RULED)
    task = await system.until(uri, lambda task: task.waiting is not None)
    assert task.waiting is not None
    assert "gs://settings/recipes.toml is not there" in task.waiting.detail


async def test_a_task_goes_on_with_the_recipe_it_began_with(system: System) -> None:
    wanted = 'outputs = ["json"]\nresponse_schema = { type = "array", items = { type = "string" } }\n'
    await written(system, letters("The first list", wanted))
    system.model.script.extend([{"text": "no list"}, {"status": 503}, {"text": '["a"]'}])
    uri = await system.drop("letters/k.txt", NOTES, bucket=RULED)
    await system.until(uri, lambda task: task.waiting is not None)
    await written(system, letters("Another list", wanted))
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    assert answers(task) == ['["a"]']
    assert {words(body) for _, body in system.model.asked} == {"The first list"}
    assert len(system.model.asked) == 2
