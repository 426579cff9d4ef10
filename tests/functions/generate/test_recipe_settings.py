"""Every setting of a recipe, under the API's own name, on the wire; and what is made of what comes back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from tests.functions.generate.conftest import RULED, SAMPLES, SETTINGS, System, answers, camelled, warned, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES, REPORT, PICTURE = SAMPLES / "notes.txt", SAMPLES / "report.pdf", SAMPLES / "picture.png"
SPEECH = SAMPLES / "speech.wav"


async def ruled(system: System, recipe: str, takes: str = "text") -> None:
    """The one recipe of the ruled inbox."""
    text = f'[[recipe]]\nname = "one"\ntakes = "{takes}"\nfor = {{}}\n{recipe}\n'
    await system.drop("recipes.toml", text.encode(), bucket=SETTINGS)
    system.clock.advance(30)


async def test_parameters_safety_and_resolution_have_the_apis_names(system: System) -> None:
    recipe = """
prompt = "Say it."
model = "gemini-2.5-flash-lite"
media_resolution = "low"
thinking = { budget = 512, include = true }
parameters = { temperature = 0.25, top_p = 0.5, top_k = 7, max_tokens = 900, seed = 11, stop = ["END", "FIN"] }
safety = { harassment = "block_none", dangerous_content = "off" }
"""
    await ruled(system, recipe, takes="image")
    task = await system.answered("settings/a.png", PICTURE, bucket=RULED)
    assert task.error is None, task.error
    [(_, body)] = system.model.asked
    assert camelled(body["generationConfig"]) == {
        "temperature": 0.25,
        "topP": 0.5,
        "topK": 7,
        "maxOutputTokens": 900,
        "seed": 11,
        "stopSequences": ["END", "FIN"],
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "thinkingConfig": {"thinkingBudget": 512, "includeThoughts": True},
    }
    assert body["safetySettings"] == [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},
        {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "OFF"},
    ]


async def test_a_thinking_level_and_the_highest_resolution_are_set_as_gemini_3_takes_them(system: System) -> None:
    recipe = 'prompt = "Say it."\nmodel = "gemini-3.1-pro-preview"\nthinking = "low"\nmedia_resolution = "ultra_high"\n'
    await ruled(system, recipe, takes="image")
    task = await system.answered("settings/b.png", PICTURE, bucket=RULED)
    assert task.error is None, task.error
    [(_, body)] = system.model.asked
    assert camelled(body["generationConfig"]) == {"thinkingConfig": {"thinkingLevel": "LOW"}}
    part = camelled(body["contents"][0]["parts"][0])
    assert part["mediaResolution"]["level"] == "MEDIA_RESOLUTION_ULTRA_HIGH"


async def test_a_system_instruction_knows_placeholders(system: System) -> None:
    await ruled(system, 'prompt = "Say it."\nsystem = "You read {file} for {metadata.reader|all}, in {{braces}}."\n')
    await system.answered("settings/c.txt", NOTES, bucket=RULED, reader="Ann")
    assert system.model.asked[0][1]["systemInstruction"]["parts"] == [{"text": "You read c.txt for Ann, in {braces}."}]


async def test_code_that_the_model_ran_is_in_the_answer_and_in_the_file(system: System) -> None:
    prompt = "What is the sum of the first 50 prime numbers? Run code to compute it."
    await ruled(system, f'prompt = "{prompt}"\ntools = ["code_execution"]\n')
    task = await system.answered("settings/d.txt", NOTES, bucket=RULED)
    assert answers(task)
    assert [list(camelled(tool)) for tool in system.model.asked[0][1]["tools"]] == [["codeExecution"]]
    results: list[Any] = list(task.results or ())
    [run] = results[0]["choices"][0]["message"]["code_execution"]
    assert (run["language"], run["outcome"], run["output"]) == ("python", "ok", "5117\n")
    assert "primes" in run["code"]
    told = (await system.published(task))["md"].decode()
    assert f"Code that was run:\n\n```python\n{run['code'].rstrip()}\n```\n\nOutput:\n\n```\n5117\n```\n" in told


async def test_a_function_is_declared_with_any_json_schema(system: System) -> None:
    recipe = """
prompt = "Call weather."
[[recipe.functions]]
name = "weather"
[recipe.functions.parameters]
type = "object"
properties = { city = { type = ["string", "null"] }, unit = { const = "C" } }
"""
    await ruled(system, recipe)
    task = await system.answered("settings/e.txt", NOTES, bucket=RULED)
    assert task.error is None, task.error
    [declared] = system.model.asked[0][1]["tools"][0]["functionDeclarations"]
    assert camelled(declared)["parametersJsonSchema"]["properties"] == {
        "city": {"type": ["string", "null"]},
        "unit": {"enum": ["C"]},
    }


async def test_pictures_are_compared_in_one_call(system: System) -> None:
    await system.answered("pictures/b.png", PICTURE)
    system.model.asked.clear()
    task = await system.answered("pictures/a.png", PICTURE, dropsight_recipe="compare", dropsight_with="b.png")
    assert task.error is None, task.error
    [(_, body)] = system.model.asked
    *files, said = body["contents"][0]["parts"]
    assert [camelled(part["fileData"])["mimeType"] for part in files] == ["image/png", "image/png"]
    assert said["text"].startswith("Compare these files")


class Price(BaseModel):
    item: str
    price: float | None = None
    unit: Literal["kg", "piece"] | None = None
    currency: Literal["EUR"] | None = None


class Prices(BaseModel):
    prices: list[Price]


async def test_a_pydantic_model_is_a_schema_to_extract_by(system: System) -> None:
    schema = Prices.model_json_schema()
    rows = {"prices": [{"item": "Tea", "price": 3.5}, {"item": "Salt"}]}
    system.model.script.append({"text": json.dumps(rows)})
    task = await system.answered(
        "pydantic.pdf", REPORT, dropsight_recipe="extract", dropsight_schema=json.dumps(schema)
    )
    assert task.error is None, task.error
    sent = system.model.asked[0][1]["generationConfig"]["responseJsonSchema"]
    assert sent["properties"] == schema["properties"]
    assert sent["$defs"]["Price"]["properties"]["price"] == schema["$defs"]["Price"]["properties"]["price"]
    assert sent["$defs"]["Price"]["properties"]["currency"]["anyOf"][0] == {"enum": ["EUR"], "type": "string"}
    published = await system.published(task)
    assert Prices.model_validate_json(published["json"]).prices[1].item == "Salt"
    columns, *told = csv.reader(io.StringIO(published["csv"].decode().removeprefix("\ufeff")))
    assert columns == ["item", "price", "unit", "currency"]
    assert [row[:2] for row in told] == [["Tea", "3.5"], ["Salt", ""]]


@pytest.mark.parametrize(
    ("name", "sample", "metadata", "says"),
    [
        ("late.wav", SPEECH, {"dropsight_recipe": "segment", "dropsight_range": "10:00-12:00"}, "begins at 10:00"),
        (
            "part.pdf",
            REPORT,
            {"dropsight_recipe": "ask", "dropsight_prompt": "What?", "dropsight_range": "00:01-00:02"},
            "part of audio or video",
        ),
        (
            "drawn.wav",
            SPEECH,
            {"dropsight_recipe": "extract", "dropsight_schema": '{"type": "array"}', "dropsight_outputs": "png"},
            "dropsight-outputs: png",
        ),
    ],
)
async def test_what_can_come_to_nothing_is_refused_before_it_is_uploaded(
    system: System, name: str, sample: Any, metadata: dict[str, str], says: str
) -> None:
    before = system.tap.ledger.stats().get("gemini", {}).get("uploads", 0)
    task = await system.answered(f"nothing/{name}", sample, **metadata)
    assert task.error is not None
    assert task.error.code == "invalid_param"
    assert says in task.error.message
    assert system.tap.ledger.stats().get("gemini", {}).get("uploads", 0) == before
    assert system.model.asked == []


async def test_the_metadata_that_a_prompt_asks_for_may_bear_our_prefix(system: System) -> None:
    task = await system.answered("cups.png", PICTURE, dropsight_recipe="detect", dropsight_find="cups")
    assert "Detect cups in the image" in words(system.model.asked[0][1])
    assert warned(task) == ()
