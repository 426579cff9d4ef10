"""From the day of its end, a model's name means its successor; and what each newer model refuses."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from shared.domain.errors import RequestRefused
from shared.domain.models.catalogue import Catalogue, Model, Shutdown, catalogue, resolve
from shared.domain.models.releases import release
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.fitness import misfits
from shared.domain.recipe.wire import PreparedFile
from shared.domain.request.rerun import resolve_rerun
from shared.domain.request.schema import Submission, read
from shared.domain.request.to_recipe import resolve_recipe
from shared.domain.request.validation import refuse_misfits
from shared.domain.request.wire import body

END = date(2026, 12, 1)
BEFORE, AFTER = END - timedelta(days=1), END + timedelta(days=90)
NEWER = ["gemini-4-argon", "gemini-4-carbon", "gemini-4-neon", "gemini-4-hydrogen"]


def model(name: str, today: date | None = None) -> Model:
    found = resolve(name, today)
    assert isinstance(found, Model), found
    return found


def asked(**fields: object) -> Any:
    return read(json.dumps({"model": "gemini-2.5-pro", "audio_url": "gs://box/a.mp3", **fields}).encode())


def refusal(submission: Submission, day: date | None = None) -> RequestRefused | None:
    try:
        refuse_misfits(resolve_recipe(submission, day).recipe, submission, (), day)
    except RequestRefused as refused:
        return refused
    return None


@pytest.mark.parametrize(
    ("name", "successor"),
    [
        ("gemini-2.5-flash", "gemini-3.5-flash-lite"),
        ("gemini-2.5-flash-001", "gemini-3.5-flash-lite"),
        ("models/gemini-2.5-pro", "gemini-3.8-flash"),
    ],
)
def test_from_the_day_of_its_end_a_model_has_its_successors_data_under_its_own_name(name: str, successor: str) -> None:
    own, other = model(name, BEFORE), model(successor)
    assert own.answered_by is None
    assert own.thinking is not None
    assert own.thinking.by == "budget"
    for day in (END, AFTER):
        ended = model(name, day)
        assert (ended.id, ended.answered_by) == (name.removeprefix("models/"), successor)
        for field in ("thinking", "input_tokens", "output_tokens", "capabilities", "ignores", "refuses", "inputs"):
            assert getattr(ended, field) == getattr(other, field), field
        notice = ended.notice(day)
        assert notice is not None
        assert f"ended on 2026-12-01. {successor} answers in its place" in notice
    assert model(name) == own, "without a day, ends are left out of account"


@pytest.mark.parametrize(
    ("name", "successor"), [("gemini-3.7-flash", "gemini-3.8-flash"), ("gemini-3.5-flash", "gemini-3.6-flash")]
)
def test_models_that_are_routed_elsewhere_already_have_the_other_ones_data(name: str, successor: str) -> None:
    assert model(name, date(2026, 11, 26)).answered_by == successor
    assert model(name, date(2026, 10, 7)).answered_by is None


def chain(*ends: tuple[str, str]) -> Catalogue:
    """The catalogue with models that ended on the first of January, each with its successor."""
    ended = {name: Shutdown(on=date(2026, 1, 1), successor=successor) for name, successor in ends}
    models = tuple(
        model.model_copy(update={"shutdown": ended.get(model.id, model.shutdown)}) for model in catalogue().models
    )
    return catalogue().model_copy(update={"models": models})


def test_an_end_is_followed_over_several_models_and_never_in_a_circle() -> None:
    followed = chain(("gemini-2.5-pro", "gemini-3.7-flash")).resolve("gemini-2.5-pro", AFTER)
    assert isinstance(followed, Model)
    assert followed.answered_by == "gemini-3.8-flash"
    circle = chain(("gemini-3.8-flash", "gemini-3.7-flash"), ("gemini-3.7-flash", "gemini-3.8-flash"))
    assert isinstance(circle.resolve("gemini-3.8-flash", AFTER), Model)
    nowhere = chain(("gemini-3.8-flash", "gemini-0")).resolve("gemini-3.8-flash", AFTER)
    assert isinstance(nowhere, Model)
    assert (nowhere.answered_by, nowhere.id) == (None, "gemini-3.8-flash")


def test_a_request_for_a_model_past_its_end_is_checked_and_asked_as_its_successor_wants_it() -> None:
    effort = asked(reasoning_effort="low")
    files = [PreparedFile("audio/mpeg", uri="https://files/a")]
    for day, thinking in ((BEFORE, {"thinkingBudget": 1024}), (AFTER, {"thinkingLevel": "LOW"})):
        assert refusal(effort, day) is None
        config: Any = body(resolve_recipe(effort, day), files, day)["generationConfig"]
        assert config["thinkingConfig"] == thinking
    budget = asked(extra_body={"google": {"thinking_config": {"thinking_budget": 2048}}})
    assert refusal(budget, BEFORE) is None
    refused = refusal(budget, AFTER)
    assert refused is not None
    assert (refused.status, refused.code) == (422, "model_not_support_capability")
    assert refusal(asked(presence_penalty=0.5), BEFORE) is None
    assert refusal(asked(presence_penalty=0.5), AFTER) is not None


def test_a_named_recipe_and_a_rerun_follow_the_day_too() -> None:
    fields = {"recipe": "transcribe", "reasoning_effort": "low", "audio_url": "gs://box/a.mp3"}
    for day, expected in ((BEFORE, (None, 1024)), (AFTER, ("low", None))):
        recipe = resolve_recipe(asked(**fields), day).recipe
        assert recipe.thinking is not None
        assert (recipe.thinking.level, recipe.thinking.budget) == expected
        ran = Recipe(name="x", takes=("audio",), prompt="p", model="gemini-2.5-pro").ran()
        again, _ = resolve_rerun(ran, "gs://box/a.mp3", b'{"reasoning_effort": "low"}', day)
        assert again is not None
        thinking: Any = Recipe.model_validate(again.snapshot).thinking
        assert (thinking.level, thinking.budget) == expected


def test_a_recipe_that_its_models_successor_cannot_run_is_told_why() -> None:
    recipe = Recipe(
        name="x",
        takes=("audio",),
        prompt="p",
        model="gemini-2.5-flash",
        thinking={"budget": 512},
    )
    assert list(misfits(recipe, ["audio"], BEFORE)) == []
    [misfit] = misfits(recipe, ["audio"], AFTER)
    assert "thinks by level" in misfit.message
    assert "ended on 2026-12-01. gemini-3.5-flash-lite answers in its place" in misfit.message


@pytest.mark.parametrize("name", NEWER)
def test_gemini_4_thinks_by_level_takes_no_penalty_makes_no_cache_and_shares_its_window(name: str) -> None:
    found = model(name)
    assert found.thinking is not None
    assert found.thinking.by == "level"
    assert "minimal" not in found.thinking.levels
    assert found.refuses == {"presence_penalty", "frequency_penalty"}
    assert found.cache_minimum is None
    assert not found.can("caching")
    assert found.shared_window
    assert found.input_tokens == found.output_tokens == 1_048_576
    assert found.room_for_input(65_536) == 1_048_576 - 65_536
    assert found.room_for_input(None) == 1_048_576
    assert model("gemini-3.8-flash").room_for_input(65_536) == 1_048_576
    budget = {"google": {"thinking_config": {"thinking_budget": 1024}}}
    for fields in ({"presence_penalty": 1}, {"frequency_penalty": -1}, {"extra_body": budget}):
        assert refusal(asked(model=name, **fields)) is not None, fields
    assert refusal(asked(model=name, temperature=0.5, reasoning_effort="minimal")) is None


def test_every_model_names_its_source_and_what_is_closed_is_marked() -> None:
    assert all(model.source for model in catalogue().models)
    assert [model.id for model in catalogue().models if model.closed_to_new] == ["gemini-2.5-pro"]
    assert {model.id: model.cache_minimum for model in catalogue().models if model.id.startswith("gemini-2.5-f")} == {
        "gemini-2.5-flash-lite": 2048,
        "gemini-2.5-flash": 2048,
        "gemini-2.5-flash-preview-tts": None,
        "gemini-2.5-flash-native-audio-preview-09-2025": None,
        "gemini-2.5-flash-native-audio-preview-12-2025": None,
    }


def test_a_name_of_any_length_is_answered_at_once() -> None:
    assert release("gemini-2.5-" + "a-" * 100_000 + "!").variation == ""
    for name in ("gemini-2.5-" + "a-" * 100_000, "gemini-2.5-flash" + "-0" * 100_000, "x" * 1_000_000):
        assert not isinstance(resolve(name), Model)
