"""A recipe file is read as it says, or refused with the line and the field of everything that is wrong."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from shared.domain.answer.schemas import violations
from shared.domain.recipe.book import BUILT_IN, RecipesInvalid, built_in, check, file_schema, load
from shared.domain.recipe.toml_lines import lines

MINIMAL = """
[[recipe]]
name = "shelf"
use = "detect"
for = { prefix = "shelf/" }
"""


def test_the_shipped_recipes_are_without_a_problem_and_have_one_default_for_each_family() -> None:
    assert {recipe.name for recipe in built_in().recipes} == {recipe.name for recipe in BUILT_IN}
    defaults = [(recipe.name, recipe.rule.family) for recipe in BUILT_IN if recipe.rule]
    assert defaults == [
        ("transcribe", ("audio",)),
        ("describe-image", ("image",)),
        ("summarise", ("pdf", "text")),
        ("describe-video", ("video",)),
    ]


def test_a_recipe_that_uses_another_begins_with_all_it_says_but_its_name_and_its_rule() -> None:
    shelf = load(MINIMAL).recipes[0]
    detect = next(recipe for recipe in BUILT_IN if recipe.name == "detect")

    assert (shelf.prompt, shelf.response_schema, shelf.outputs) == (
        detect.prompt,
        detect.response_schema,
        detect.outputs,
    )
    assert shelf.rule is not None
    assert shelf.rule.prefix == ("shelf/",)


def test_a_recipe_may_use_one_that_stands_above_it_in_the_file() -> None:
    text = MINIMAL + '[[recipe]]\nname = "shelf-pro"\nuse = "shelf"\nmodel = "gemini-2.5-pro"\n'
    assert load(text).recipes[1].outputs == ("json", "png")


def test_parameters_are_laid_over_those_of_the_used_recipe_key_by_key() -> None:
    text = """
[[recipe]]
name = "one"
takes = "audio"
prompt = "Say it."
parameters = { temperature = 0.1, seed = 7 }
[[recipe]]
name = "two"
use = "one"
[recipe.parameters]
temperature = 0.9
"""
    assert load(text).recipes[1].parameters.model_dump(exclude_none=True) == {"temperature": 0.9, "seed": 7, "stop": ()}


def test_the_operators_recipes_come_first_and_the_shipped_ones_behind_them() -> None:
    names = [recipe.name for recipe in load(MINIMAL).recipes]
    assert names[:2] == ["shelf", "transcribe"]


def test_built_in_false_leaves_only_the_operators_recipes() -> None:
    assert [recipe.name for recipe in load("built_in = false\n" + MINIMAL).recipes] == ["shelf"]


def test_a_recipe_named_like_a_shipped_one_stands_in_for_it() -> None:
    text = '[[recipe]]\nname = "transcribe"\nuse = "transcribe-timed"\nfor = { family = "audio" }\n'
    book = load(text, origin="gs://settings/recipes.toml#12")
    assert [recipe.name for recipe in book.recipes].count("transcribe") == 1
    assert book.origin(book.recipes[0]) == "gs://settings/recipes.toml#12"
    assert book.origin(book.recipes[1]) == "built in"


def test_every_problem_is_told_with_its_line_and_field() -> None:
    problems = check(
        """built_in = "yes"
surprise = 1

[[recipe]]
name = "calls"
use = "transcribe-timed"
for = { prefix = "calls/", max_size = "huge" }
colour = "blue"
prompt = \"\"\"
[recipe.parameters]
seed = 4 in a string is no key; {name.__class__} is no placeholder
\"\"\"
[recipe.parameters]
temperature = 3

[[recipe]]
name = "Bad Name"
takes = ["smell"]
prompt = "x"
outputs = ["csv"]
"""
    )
    places = {(problem.line, problem.field): problem.message for problem in problems}
    assert places[(1, "built_in")] == "must be true or false"
    assert "unknown" in places[(2, "surprise")]
    assert "500KB" in places[(7, "recipe[0].for.max_size")]
    assert "unknown field" in places[(8, "recipe[0].colour")]
    assert "{name.__class__}" in places[(9, "recipe[0].prompt")]
    assert (14, "recipe[0].parameters.temperature") in places
    assert (17, "recipe[1].name") in places
    assert (18, "recipe[1].takes[0]") in places
    assert problems == sorted(problems)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('model = "gemini-1.5-pro"', "gemini-"),
        ('model = "made-up"', "No model is named"),
        ('model = "gemini-2.5-flash-preview-tts"', "does not answer with text"),
        ('thinking = { level = "low", budget = 3 }', "not both"),
        ("thinking = 512", "thinks by level"),
        ("safety = { harassment = 1 }", "Input should be"),
        ('safety = { jokes = "off" }', "Input should be"),
        ('tools = ["hammer"]', "code_execution"),
        ("functions = [{ description = 'no name' }]", "needs a name"),
        ("response_schema = '{\"type\": 7}'", "not a JSON Schema"),
        ("response_schema = '{'", "not JSON"),
        ('response_schema = { "$ref" = "http://elsewhere/schema" }', "leads out of the schema"),
        ('range = "03:00-02:00"', "not after its start"),
        ('range = "soon"', "02:30-03:29"),
        ('outputs = ["srt"]', "structured answer"),
        ('outputs = ["txt", "txt"]', "listed twice"),
        ('media_resolution = "ultra_high"', "images only"),
        ("parameters = { max_tokens = 1000000 }", "at most"),
        ('allow = ["everything"]', "Input should be"),
        ('for = { glob = "a[b" }', "never closed"),
        ('for = { prefix = "/calls" }', "begin neither with /"),
        ('for = { family = "pdf" }', "never matches"),
        ('asks = [{ name = "a", prompt = "b" }]', "one prompt or several asks"),
        ("prompt_is = 1", "unknown field"),
        ('use = "nothing"', "no recipe is named"),
        ('document_recipe = "nothing"', "no recipe is named 'nothing' here or among the built-in ones"),
        ('document_recipe = "transcribe-timed"', "the documents are PDFs: transcribe-timed takes"),
        ('document_recipe = "classify"', "set cut_documents = true"),
    ],
)
def test_what_cannot_be_meant_is_a_problem_on_its_line(line: str, says: str) -> None:
    text = f'[[recipe]]\nname = "one"\ntakes = "audio"\nprompt = "Say it."\n{line}\n'
    problems = check(text)
    assert [problem.line for problem in problems if says in problem.message] == [5], problems


def test_the_documents_of_a_bundle_may_be_asked_about_by_any_recipe_of_the_file() -> None:
    bundle = '[[recipe]]\nname = "post"\nuse = "split-bundle"\ndocument_recipe = "letter"\n'
    letter = '[[recipe]]\nname = "letter"\ntakes = "pdf"\nprompt = "Who writes?"\n'
    assert check(bundle + letter) == []
    assert [problem.line for problem in check(f"built_in = false\n{letter.replace('letter', 'note')}{bundle}")] != []


def test_a_recipe_is_not_blamed_for_the_problems_of_the_one_it_uses() -> None:
    text = (
        '[[recipe]]\nname = "one"\ntakes = "audio"\nprompt = "x"\ncolour = 1\n[[recipe]]\nname = "two"\nuse = "one"\n'
    )
    assert [problem.line for problem in check(text)] == [5]


def test_text_that_is_no_toml_is_told_with_its_line() -> None:
    assert [problem.line for problem in check('[[recipe]]\nname = "a\n')] == [2]
    assert [problem.line for problem in check("x = [1,\n2,")] == [2]


def test_a_file_without_recipes_is_a_problem() -> None:
    assert "holds no recipe" in check("")[0].message


def test_load_raises_with_all_problems() -> None:
    with pytest.raises(RecipesInvalid, match=r"line 3: recipe\[0\]\.takes: missing") as caught:
        load("\n\n[[recipe]]\nname='x'\nprompt='y'\nseed=1")
    assert len(caught.value.problems) == 2


def test_keys_within_strings_and_nested_values_are_not_taken_for_keys() -> None:
    text = 'a = """\nb = 1\n"""\nc = [\n  "[d]",\n  { e = 1 },\n]\n'
    text += "\"f.g\".h = '''\n[i]\n'''\n[[j]]\nk = 1\n[j.l]\nm = 2\n"
    assert lines(text) == {
        ("a",): 1,
        ("c",): 4,
        ("f.g",): 8,
        ("f.g", "h"): 8,
        ("j", 0): 11,
        ("j", 0, "k"): 12,
        ("j", 0, "l"): 13,
        ("j", 0, "l", "m"): 14,
    }


def test_every_key_of_the_shipped_file_is_found_on_its_line() -> None:
    text = resources.files("shared.domain.recipe").joinpath("built_in.toml").read_text(encoding="utf-8")
    rows, places = text.splitlines(), lines(text)
    for index, entry in enumerate(tomllib.loads(text)["recipe"]):
        assert rows[places[("recipe", index)] - 1] == "[[recipe]]"
        for key in entry:
            assert rows[places[("recipe", index, key)] - 1].startswith(f"{key} = ")


def test_the_schema_for_editors_takes_what_check_takes() -> None:
    text = resources.files("shared.domain.recipe").joinpath("built_in.toml").read_text(encoding="utf-8")
    assert violations(tomllib.loads(text), file_schema()) == []
    short = """
built_in = false
[[recipe]]
name = "short"
takes = "video"
for = { prefix = "a/", glob = ["**"], family = "video", min_size = 1, max_size = "2 GiB" }
prompt = "p"
model = "gemini-2.5-flash-lite"
thinking = "off"
range = "00:10-00:20"
with = "b"
response_schema = "{\\"type\\": \\"array\\"}"
safety = { harassment = "off" }
[[recipe]]
name = "long"
use = "short"
thinking = { level = "low", include = true }
range = { from = "00:10", to = 20 }
with = ["b", "c"]
response_schema = { type = "array" }
model = "gemini-3-flash-preview"
"""
    assert check(short) == []
    assert violations(tomllib.loads(short), file_schema()) == []


@pytest.mark.parametrize("line", ["colour = 1", "takes = 'smell'", "outputs = ['exe']", "parameters = { heat = 1 }"])
def test_the_schema_for_editors_refuses_what_check_refuses(line: str) -> None:
    text = f"[[recipe]]\nname = 'x'\nprompt = 'p'\n{line}\n"
    assert check(text) != []
    assert violations(tomllib.loads(text), file_schema()) != []


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("{ name = 'f', nonsense = 1 }", "nonsense is unknown"),
        ("{ name = 'f g' }", "no name of a function"),
        ("{ name = 'f', description = 1 }", "must be text"),
        ("{ name = 'f', parameters = { type = 'thing' } }", "parameters: not a JSON Schema"),
        ("{ name = 'f', parameters = {}, parametersJsonSchema = {} }", "not both"),
    ],
)
def test_a_function_that_the_service_would_not_take_is_a_problem(declared: str, says: str) -> None:
    text = f'[[recipe]]\nname = "one"\ntakes = "audio"\nprompt = "Say it."\nfunctions = [{declared}]\n'
    assert [problem.line for problem in check(text) if says in problem.message] == [5]


@pytest.mark.parametrize(
    ("takes", "line", "says"),
    [
        ('"pdf"', 'range = "00:10-00:20"', "part of audio or video"),
        ('["image", "pdf"]', 'media_resolution = "ultra_high"', "images only"),
        ('"audio"', 'system = "Hi {nobody}"', "unknown placeholder"),
        ('"audio"', 'for = { min_size = "2MB", max_size = "1MB" }', "never matches"),
        ('"audio"', 'outputs = ["srt"]\nresponse_schema = { properties = { a = {} } }', "a start and a text"),
        ('"image"', 'outputs = ["png"]\nresponse_schema = { properties = { a = {} } }', "no box_2d"),
    ],
)
def test_what_could_never_come_of_a_recipe_is_a_problem_on_its_line(takes: str, line: str, says: str) -> None:
    text = f'[[recipe]]\nname = "one"\ntakes = {takes}\nprompt = "Say it."\n{line}\n'
    assert [problem.line for problem in check(text) if says in problem.message] == [5], check(text)


def test_an_ask_does_not_take_the_name_of_the_tasks_own_document() -> None:
    text = '[[recipe]]\nname = "one"\ntakes = "text"\n[[recipe.asks]]\nname = "task"\nprompt = "List the tasks."\n'
    assert [str(problem) for problem in check(text)] == [
        "line 5: recipe[0].asks[0].name: task is taken: task.json is the task itself"
    ]


def test_fractions_of_seconds_in_a_range_are_taken_by_editors_too() -> None:
    text = '[[recipe]]\nname = "one"\ntakes = "audio"\nprompt = "x"\nrange = "00:01.5-00:03"\n'
    assert check(text) == []
    assert violations(tomllib.loads(text), file_schema()) == []


def test_the_shipped_page_asks_for_what_a_sanitised_page_can_show() -> None:
    prompt = next(recipe.prompt for recipe in BUILT_IN if recipe.name == "transcribe-document-html")
    assert "style attributes only" in prompt
    assert "☑ and ☐" in prompt
