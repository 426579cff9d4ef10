"""Answers that need more than one call: mended, continued, asked again by a takeover without paying twice."""

from __future__ import annotations

import json

import pytest

from tests.functions.generate.conftest import RULED, SAMPLES, SETTINGS, System, answers, warned, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES = SAMPLES / "notes.txt"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
EXTRACT = {"dropsight_recipe": "extract", "dropsight_schema": json.dumps(SCHEMA), "dropsight_outputs": "json"}


async def test_an_answer_that_does_not_fit_its_schema_is_mended_by_one_more_call(system: System) -> None:
    system.model.script.extend([{"text": '{"nom": "Ann"}'}, {"text": '{"name": "Ann"}'}])
    task = await system.answered("mended.txt", NOTES, **EXTRACT)
    assert answers(task) == ['{"name": "Ann"}']
    assert json.loads((await system.published(task))["json"]) == {"name": "Ann"}
    (_, first), (_, second) = system.model.asked
    assert second["contents"][: len(first["contents"])] == first["contents"]
    assert [turn["role"] for turn in second["contents"]] == ["user", "model", "user"]
    assert second["contents"][1]["parts"] == [{"text": '{"nom": "Ann"}'}]
    assert '"name" is a required property' in second["contents"][2]["parts"][0]["text"]
    assert second["generationConfig"] == first["generationConfig"]
    usage = task.usage or {}
    prompt_tokens = usage["prompt_tokens"]
    assert isinstance(prompt_tokens, int)
    assert prompt_tokens > 0


async def test_an_answer_that_never_fits_fails_after_two_calls(system: System) -> None:
    system.model.script.extend([{"text": "{}"}, {"text": "[]"}])
    task = await system.answered("never.txt", NOTES, **EXTRACT)
    assert task.error is not None
    assert task.error.code == "schema_not_satisfied"
    assert len(system.model.asked) == 2
    assert task.usage is not None
    assert task.ran is not None


async def test_an_answer_cut_off_at_the_limit_is_continued_and_joined(system: System) -> None:
    whole = "First half of a sentence that goes on to its end."
    system.model.script.extend([{"text": whole * 2, "finish_reason": "MAX_TOKENS"}, {"text": " And on."}])
    task = await system.answered("continued.txt", NOTES)
    text = answers(task)[0]
    assert text.startswith("First half")
    assert text.endswith(" And on.")
    assert warned(task) == ()
    second = system.model.asked[1][1]
    assert [turn["role"] for turn in second["contents"]] == ["user", "model", "user"]
    assert text.removesuffix(" And on.") == second["contents"][1]["parts"][0]["text"]


async def test_a_structured_answer_is_continued_without_its_form_and_fits_when_whole(system: System) -> None:
    whole = '{"name": "Anne of Green Gables"}'
    system.model.script.extend([{"text": whole, "finish_reason": "MAX_TOKENS"}, {"text": whole}])
    task = await system.answered("long-name.txt", NOTES, **EXTRACT)
    assert answers(task) == [whole]
    (_, first), (_, second) = system.model.asked
    assert "responseJsonSchema" in first["generationConfig"]
    assert not second.get("generationConfig")
    assert "one JSON document" in second["contents"][2]["parts"][0]["text"]


async def test_continuing_is_bounded_and_what_is_short_says_so(system: System) -> None:
    system.model.script.extend(
        [{"text": f"piece {number} of many ", "finish_reason": "MAX_TOKENS"} for number in range(9)]
    )
    task = await system.answered("endless.txt", NOTES)
    assert len(system.model.asked) == 4
    assert warned(task) == ("The answer ended at the token limit: it is not complete.",)
    results = task.results or ()
    choices = results[0]["choices"]
    assert isinstance(choices, list)
    assert isinstance(choices[0], dict)
    assert choices[0]["finish_reason"] == "length"


async def test_a_limit_that_was_asked_for_is_not_continued_past(system: System) -> None:
    system.model.script.append({"text": "short and cut off here", "finish_reason": "MAX_TOKENS"})
    task = await system.answered("limited.txt", NOTES, dropsight_max_tokens="5")
    assert len(system.model.asked) == 1
    assert "not complete" in warned(task)[0]


async def test_a_round_that_was_paid_for_is_not_asked_again_after_a_failure(system: System) -> None:
    system.model.script.extend([{"text": "{}"}, {"status": 503}, {"text": '{"name": "Ann"}'}])
    task = await system.answered("between.txt", NOTES, **EXTRACT)
    assert (task.attempts, task.outages) == (0, 1)
    assert answers(task) == ['{"name": "Ann"}']
    assert len(system.model.asked) == 2


async def test_several_questions_of_one_file_are_calls_and_files_of_their_own(system: System) -> None:
    recipes = """
[[recipe]]
name = "meeting"
for = { prefix = "several/" }
takes = "text"
outputs = ["md"]
allow = []
[[recipe.asks]]
name = "summary"
prompt = "Summarise {file}."
[[recipe.asks]]
name = "tasks"
prompt = "List what is to be done."
outputs = ["txt", "json"]
response_schema = { type = "array", items = { type = "string" } }
"""
    await system.drop("recipes.toml", recipes.encode(), bucket=SETTINGS)
    system.clock.advance(30)
    system.model.script.extend([{"text": "# Summary"}, {"text": '["call Ann"]'}])
    task = await system.answered("several/talk.txt", NOTES, bucket=RULED)
    assert answers(task) == ["# Summary", '["call Ann"]']
    assert [words(body) for _, body in system.model.asked] == ["Summarise talk.txt.", "List what is to be done."]
    published = await system.published(task)
    assert set(published) == {"summary.md", "tasks.txt", "tasks.json", "task.json"}
    assert json.loads(published["tasks.json"]) == ["call Ann"]
