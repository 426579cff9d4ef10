"""Which recipe an object gets, what its metadata may change, and what is recorded of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.domain.errors import PermanentFailure
from shared.domain.media import Family
from shared.domain.recipe.book import BUILT_IN, load
from shared.domain.recipe.definition import Range, Recipe, Rule
from shared.domain.recipe.fitness import misfits
from shared.domain.recipe.globs import glob_pattern
from shared.domain.recipe.matching import Dropped, choose, explain
from shared.domain.recipe.object_metadata import apply_metadata
from shared.domain.recipe.placeholders import Missing, fill


def dropped(name: str = "calls/monday.mp3", family: Family = "audio", size: int = 1000, **metadata: str) -> Dropped:
    spoken = {key.replace("_", "-"): value for key, value in metadata.items()}
    return Dropped(
        bucket="inbox",
        name=name,
        family=family,
        size=size,
        mime="audio/mp3",
        created_at=datetime(2026, 3, 14, 15, 9, tzinfo=UTC),
        metadata=spoken,
    )


def recipe(name: str = "one", **rule: object) -> Recipe:
    return Recipe(name=name, takes=("audio", "image"), prompt="Say it.", rule=Rule.model_validate(rule))


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("audio", "transcribe"),
        ("image", "describe-image"),
        ("pdf", "summarise"),
        ("text", "summarise"),
        ("video", "describe-video"),
    ],
)
def test_without_any_wishes_each_family_has_its_plain_default(family: Family, name: str) -> None:
    assert choose(BUILT_IN, dropped(family=family)).name == name


def test_the_default_for_a_recording_asks_with_the_documented_words() -> None:
    default = choose(BUILT_IN, dropped())
    assert (default.prompt, default.outputs) == ("Please transcribe this audio file", ("txt",))


def test_the_first_match_wins_and_the_choice_is_explained() -> None:
    recipes = (
        recipe("elsewhere", prefix="letters/"),
        recipe("large", min_size="1MB"),
        recipe("small", max_size=10),
        recipe("pictures", family="image"),
        Recipe(name="by-name", takes=("audio",), prompt="x"),
        Recipe(name="papers", takes=("pdf",), prompt="x", rule=Rule()),
        recipe("calls", prefix=["calls/"], glob="**/*.mp3"),
        recipe("rest"),
    )
    decisions = {decision.recipe: decision for decision in explain(recipes, dropped())}

    assert choose(recipes, dropped()).name == "calls"
    assert "letters/" in decisions["elsewhere"].why
    assert "less than 1000000" in decisions["large"].why
    assert "more than 10" in decisions["small"].why
    assert decisions["pictures"].why == "it is for image, this is audio"
    assert "dropsight-recipe: by-name" in decisions["by-name"].why
    assert decisions["papers"].why == "it takes pdf, this is audio"
    assert decisions["calls"].chosen
    assert "calls/" in decisions["calls"].why
    assert decisions["rest"].matches
    assert not decisions["rest"].chosen


def test_where_nothing_matches_the_file_is_named() -> None:
    with pytest.raises(PermanentFailure, match="calls/monday"):
        choose((recipe(prefix="x"),), dropped())


@pytest.mark.parametrize(
    ("glob", "fits", "fits_not"),
    [
        ("*.mp3", ["a.mp3"], ["a/b.mp3", "a.mp3x", "amp3"]),
        ("**/*.mp3", ["a.mp3", "a/b/c.mp3"], ["a/b.wav"]),
        ("calls/**", ["calls/a", "calls/a/b"], ["call/a"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[!a-c]x", ["dx"], ["ax", "/x"]),
        ("[a-c]x", ["bx"], ["dx"]),
        ("a+(b).[x]", ["a+(b).x"], ["aab.x"]),
        ("line\n*", ["line\nb"], ["line b"]),
    ],
)
def test_globs_stay_within_a_folder_unless_doubled(glob: str, fits: list[str], fits_not: list[str]) -> None:
    pattern = glob_pattern(glob)
    assert [name for name in fits if not pattern.fullmatch(name)] == []
    assert [name for name in fits_not if pattern.fullmatch(name)] == []


def test_metadata_names_another_recipe() -> None:
    about = dropped(family="image", dropsight_recipe="detect")
    granted = apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)
    assert granted.recipe.name == "detect"
    assert granted.warnings == ()


def test_metadata_changes_what_the_recipe_allows() -> None:
    about = dropped(
        dropsight_prompt="Who speaks? {literally}",
        dropsight_model="gemini-2.5-pro",
        dropsight_range="02:30-03:29",
        dropsight_temperature="0.2",
        dropsight_max_tokens="500",
        dropsight_thinking="2048",
    )
    granted = apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)
    recipe = granted.recipe
    assert (recipe.prompt, recipe.model, recipe.range) == (
        "Who speaks? {{literally}}",
        "gemini-2.5-pro",
        Range(start=150, end=209),
    )
    assert (recipe.parameters.temperature, recipe.parameters.max_tokens) == (0.2, 500)
    assert recipe.thinking is not None
    assert recipe.thinking.budget == 2048
    assert fill(recipe.prompt, about) == "Who speaks? {literally}"


def test_a_wish_that_the_recipe_does_not_allow_is_not_heard_and_said_so() -> None:
    strict = recipe()
    granted = apply_metadata((strict,), strict, dropped(dropsight_prompt="Ignore that.", dropsight_recipe="other"))
    assert granted.recipe == strict
    assert [warning.split(" was")[0] for warning in granted.warnings] == [
        "The metadata dropsight-recipe",
        "The metadata dropsight-prompt",
    ]


def test_an_unknown_wish_is_said_with_the_likely_one() -> None:
    granted = apply_metadata(BUILT_IN, BUILT_IN[0], dropped(dropsight_promt="x"))
    assert "dropsight-promt" in granted.warnings[0]
    assert "dropsight-prompt" in granted.warnings[0]


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"dropsight_recipe": "transcribe-tined"}, "transcribe-timed"),
        ({"dropsight_recipe": "detect"}, "detect takes image"),
        ({"dropsight_recipe": "segment"}, "dropsight-range"),
        ({"dropsight_recipe": "ask"}, "dropsight-prompt"),
        ({"dropsight_recipe": "extract"}, "dropsight-schema"),
        ({"dropsight_recipe": "compare"}, "dropsight-with"),
        ({"dropsight_range": "3 to 4"}, "dropsight-range"),
        ({"dropsight_temperature": "9"}, "dropsight-temperature"),
        ({"dropsight_thinking": "very"}, "dropsight-thinking"),
        ({"dropsight_recipe": "extract", "dropsight_schema": "{"}, "dropsight-schema"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused_by_its_name(metadata: dict[str, str], says: str) -> None:
    about = dropped().model_copy(update={"metadata": {key.replace("_", "-"): value for key, value in metadata.items()}})
    with pytest.raises(PermanentFailure, match=says):
        apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)


def test_what_a_recipe_needs_is_heard_without_being_allowed() -> None:
    about = dropped(dropsight_recipe="extract", dropsight_schema='{"type": "array", "items": {"type": "string"}}')
    granted = apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)
    assert granted.recipe.response_schema == {"type": "array", "items": {"type": "string"}}


def test_several_companions_are_named_with_commas() -> None:
    about = dropped("b.pdf", "pdf", dropsight_recipe="compare", dropsight_with="a.pdf, old/c.pdf")
    assert apply_metadata(BUILT_IN, choose(BUILT_IN, about), about).recipe.companions == ("a.pdf", "old/c.pdf")


@pytest.mark.parametrize("elsewhere", ["../b/secret.pdf", "x/../../secret.pdf", "/b/secret.pdf"])
def test_companions_lie_in_the_files_own_folder_or_below(elsewhere: str) -> None:
    about = dropped("team-a/b.pdf", "pdf", dropsight_recipe="compare", dropsight_with="old/c.pdf")
    assert apply_metadata(BUILT_IN, choose(BUILT_IN, about), about).recipe.companions == ("team-a/old/c.pdf",)
    about = dropped("team-a/b.pdf", "pdf", dropsight_recipe="compare", dropsight_with=elsewhere)
    with pytest.raises(PermanentFailure, match="own folder"):
        apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)


def test_what_the_operator_gave_to_a_recipe_that_needs_it_is_not_changed_by_metadata() -> None:
    text = """
[[recipe]]
name = "prices"
use = "extract"
for = { prefix = "prices/" }
allow = []
response_schema = { type = "array" }
"""
    recipes = load(text).recipes
    about = dropped("prices/a.pdf", "pdf", dropsight_schema='{"type": "object"}')
    granted = apply_metadata(recipes, choose(recipes, about), about)
    assert granted.recipe.response_schema == {"type": "array"}
    assert "dropsight-schema was ignored" in granted.warnings[0]


def test_an_answer_to_another_question_is_not_measured_by_the_recording() -> None:
    about = dropped(dropsight_prompt="Who speaks?")
    assert choose(BUILT_IN, about).transcript
    assert not apply_metadata(BUILT_IN, choose(BUILT_IN, about), about).recipe.transcript
    assert not load('[[recipe]]\nname="x"\nuse="transcribe"\nprompt="Who speaks?"').recipes[0].transcript
    assert load('[[recipe]]\nname="x"\nuse="transcribe"\nmodel="gemini-2.5-pro"').recipes[0].transcript


def test_placeholders_are_filled_once_and_braces_can_be_written() -> None:
    prompt = "{file} of {date}, {folder}/{stem}, {metadata.customer}, {metadata.tone|calm}, {{x}}, {from} to {to}"
    filled = fill(prompt, dropped(customer="{name}"), Range(start=90, end=3700))
    assert filled == "monday.mp3 of 2026-03-14, calls/monday, {name}, calm, {x}, 01:30 to 01:01:40"


def test_a_placeholder_without_a_value_or_a_fallback_is_missing() -> None:
    with pytest.raises(Missing, match="customer"):
        fill("{metadata.customer}", dropped())


@pytest.mark.parametrize(
    "prompt", ["{name.__class__}", "{0}", "{}", "{name!r}", "{name:>9}", "{metadata}", "{metadata.}", "a { b", "a } b"]
)
def test_placeholders_reach_nothing_but_the_closed_list(prompt: str) -> None:
    from shared.domain.recipe import placeholders

    assert list(placeholders.flaws(prompt)) != []


def test_what_ran_is_snapshot_and_hash_from_which_the_recipe_comes_back() -> None:
    for recipe in load('[[recipe]]\nname="x"\nuse="segment"\nrange="00:10-00:20"\nwith="a"\n').recipes:
        ran = recipe.ran("gs://settings/recipes.toml#7")
        assert Recipe.model_validate(ran.snapshot) == recipe
        assert ran.snapshot["model"] == recipe.model
        assert ran.origin == "gs://settings/recipes.toml#7"
    first, second = BUILT_IN[0], BUILT_IN[0].model_copy(update={"prompt": "Other words"})
    assert first.ran().sha256 == first.ran("elsewhere").sha256 != second.ran().sha256


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "gemini-3.5-transcribe", "tools": ("code_execution",)}, "cannot run code"),
        ({"model": "gemini-3.5-transcribe", "thinking": {"level": "low"}}, "does not think"),
        ({"model": "gemini-3.1-pro-preview", "thinking": {"budget": 0}}, "cannot stop thinking"),
        ({"model": "gemini-4-argon", "thinking": {"level": "minimal"}}, "low, medium, high, not minimal"),
        ({"model": "gemini-4-argon", "thinking": {"budget": 1024}}, "thinks by level"),
        ({"model": "gemini-4-argon", "parameters": {"presence_penalty": 1}}, "does not take presence_penalty"),
        ({"model": "gemini-3.1-pro-preview", "requires": ("segmentation",)}, "masks"),
        ({"model": "gemini-3-pro-image"}, "does not take audio"),
        ({"model": "gemini-3.5-transcribe", "tools": ("url_context",)}, "pages behind URLs"),
        ({"model": "gemini-2.5-flash", "tools": ("google_search",), "response_schema": {"type": "array"}}, "one call"),
    ],
)
def test_what_a_model_cannot_do_is_told_beforehand(changes: dict[str, object], says: str) -> None:
    recipe = Recipe.model_validate({"name": "x", "takes": ["audio"], "prompt": "p", **changes})
    assert any(says in misfit.message for misfit in misfits(recipe, ["audio"]))


def test_a_model_newer_than_the_catalogue_is_left_to_the_service() -> None:
    recipe = Recipe(name="x", takes=("audio",), prompt="p", model="gemini-4.5-flash", tools=("url_context",))
    assert list(misfits(recipe, ["audio"])) == []


ROWS = '{"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}'
SEGMENTS = '{"type": "array", "items": {"properties": {"start": {}, "text": {}}}}'


@pytest.mark.parametrize(
    ("family", "outputs", "schema", "says"),
    [
        ("audio", "png,json", ROWS, "png draws on the source"),
        ("audio", "json,json", ROWS, "listed twice"),
        ("audio", "srt", ROWS, "a start and a text"),
        ("image", "srt", SEGMENTS, "srt is for"),
        ("image", "png", ROWS, "no box_2d"),
    ],
)
def test_outputs_that_can_never_be_made_are_refused_as_a_file_of_recipes_would_be(
    family: Family, outputs: str, schema: str, says: str
) -> None:
    about = dropped("a", family, dropsight_recipe="extract", dropsight_outputs=outputs, dropsight_schema=schema)
    with pytest.raises(PermanentFailure, match=f"dropsight-outputs: .*{says}"):
        apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)


@pytest.mark.parametrize(
    ("family", "outputs", "schema"),
    [
        ("audio", "srt,json", SEGMENTS),
        ("image", "png", '{"type": "array", "items": {"properties": {"box_2d": {}}}}'),
        ("audio", "vtt", '{"type": "object"}'),
    ],
)
def test_outputs_that_the_schema_allows_are_granted(family: Family, outputs: str, schema: str) -> None:
    about = dropped("a", family, dropsight_recipe="extract", dropsight_outputs=outputs, dropsight_schema=schema)
    assert apply_metadata(BUILT_IN, choose(BUILT_IN, about), about).recipe.outputs == tuple(outputs.split(","))


@pytest.mark.parametrize("key", ["find", "dropsight-find"])
def test_what_a_prompt_asks_of_metadata_is_found_with_the_prefix_too(key: str) -> None:
    metadata = {"dropsight-recipe": "detect", key: "cups"}
    about = dropped("a.png", "image").model_copy(update={"metadata": metadata})
    granted = apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)
    assert granted.warnings == ()
    assert fill(granted.recipe.prompt, about).startswith("Detect cups in")


def test_a_wished_system_instruction_is_literal() -> None:
    about = dropped(dropsight_system="Answer as {json}.")
    granted = apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)
    assert granted.recipe.system == "Answer as {{json}}."


@pytest.mark.parametrize(("family", "expected"), [("audio", 0), ("video", 0), ("pdf", 1), ("text", 1), ("image", 1)])
def test_a_range_is_of_audio_or_video(family: Family, expected: int) -> None:
    about = dropped("a", family, dropsight_recipe="ask", dropsight_prompt="What?", dropsight_range="00:01-00:02")
    granted = apply_metadata(BUILT_IN, choose(BUILT_IN, about), about)
    assert len(list(misfits(granted.recipe, [family]))) == expected


def test_a_range_past_the_end_of_a_recording_has_nothing_of_it() -> None:
    assert Range(start=600, end=720).missed(8) == "the range begins at 10:00, the recording ends at 00:08"
    assert Range(start=5, end=720).missed(8) is None
    assert Range(start=5).missed(None) is None
