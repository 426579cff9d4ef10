"""What a model's name means, what models take and can do, and how the catalogue is kept fresh."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.media import Family
from shared.domain.models.catalogue import (
    Catalogue,
    Effort,
    Model,
    Retired,
    ThinkingSetting,
    UnknownName,
    catalogue,
    check_input,
    default_model,
    ignored_parameters,
    refused_parameters,
    resolve,
)
from shared.domain.models.releases import Stage
from shared.domain.models.served import from_models_list
from shared.domain.recipe.definition import Parameters


def model(name: str) -> Model:
    found = resolve(name)
    assert isinstance(found, Model), found
    return found


@pytest.mark.parametrize(
    ("name", "stage", "basis"),
    [
        ("gemini-2.5-flash", "stable", None),
        ("models/gemini-2.5-pro", "stable", None),
        ("gemini-2.5-flash-001", "stable", "gemini-2.5-flash"),
        ("gemini-3.6-flash-preview-07-2026", "preview", "gemini-3.6-flash"),
        ("gemini-3.1-pro-preview", "preview", None),
        ("gemini-3.1-pro-preview-02-2026", "preview", "gemini-3.1-pro-preview"),
        ("gemini-4-argon", "stable", None),
        ("gemini-flash-latest", "latest", "gemini-3.8-flash"),
        ("gemini-pro-latest", "latest", "gemini-3.1-pro-preview"),
        ("gemini-2.5-flash-exp-0827", "experimental", "gemini-2.5-flash"),
        ("gemini-2.5-flash-preview-tts", "preview", None),
    ],
)
def test_a_name_is_found_exactly_or_by_the_documented_patterns(name: str, stage: Stage, basis: str | None) -> None:
    found = model(name)
    assert (found.id, found.stage, found.basis) == (name.removeprefix("models/"), stage, basis)


@pytest.mark.parametrize(
    ("name", "successor"),
    [
        ("gemini-1.5-flash", "gemini-3.5-flash-lite"),
        ("gemini-1.5-pro-002", "gemini-3.8-flash"),
        ("gemini-1.5-flash-latest", "gemini-3.5-flash-lite"),
        ("gemini-1.5-flash-8b-001", "gemini-3.5-flash-lite"),
        ("gemini-2.5-pro-preview-05-06", "gemini-3.8-flash"),
        ("gemini-2.5-pro-exp-03-25", "gemini-3.8-flash"),
        ("gemini-2.0-flash-thinking-exp-01-21", "gemini-3.5-flash-lite"),
        ("gemini-2.5-flash-image-preview", "gemini-3.1-flash-image"),
        ("gemini-2.5-flash-image", "gemini-3.1-flash-image"),
        ("gemini-2.0-flash-001", "gemini-3.5-flash-lite"),
        ("gemini-2.0-flash-lite", "gemini-3.5-flash-lite"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-3.5-flash-lite"),
        ("gemini-2.5-flash-lite-preview-09-2025", "gemini-2.5-flash-lite"),
        ("gemini-3-pro-preview-11-2025", "gemini-3.1-pro-preview"),
        ("gemini-3-pro-image-preview", "gemini-3-pro-image"),
        ("gemini-pro", "gemini-3.5-flash-lite"),
    ],
)
def test_a_retired_model_names_its_successor(name: str, successor: str) -> None:
    found = resolve(name)
    assert isinstance(found, Retired)
    assert (found.id, found.successor) == (name, successor)


def test_an_unknown_name_comes_with_the_nearest_one_that_exists() -> None:
    assert resolve("gemini-2.5-falsh") == UnknownName(
        name="gemini-2.5-falsh",
        well_formed=True,
        suggestions=("gemini-3.8-flash", "gemini-3.6-flash", "gemini-2.5-flash-lite"),
    )
    other = resolve("gpt-4o")
    assert isinstance(other, UnknownName)
    assert not other.well_formed
    assert isinstance(resolve(other.suggestion), Model)


@pytest.mark.parametrize("name", ["gemini-robotics-er-1.5-preview", "gemma-3-27b-it", "gemini-exp-1206", "learnlm-2.0"])
def test_a_name_of_googles_that_follows_no_documented_pattern_may_be_newer_than_the_catalogue(name: str) -> None:
    found = resolve(name)
    assert isinstance(found, UnknownName)
    assert found.well_formed


def test_every_successor_alias_and_default_exists() -> None:
    known = catalogue()
    ids = {model.id for model in known.models}
    assert len(ids) == len(known.models)
    assert {model.successor for model in known.retired} <= ids
    assert set(known.latest.values()) <= ids
    assert not {model.id for model in known.retired} & ids
    assert known.default in ids


def test_nobody_is_sent_to_a_model_that_is_about_to_go() -> None:
    known = catalogue()
    going = {model.id for model in known.models if model.shutdown is not None}
    assert known.default not in going
    assert not {model.successor for model in known.retired} & going
    assert not {model.shutdown.successor for model in known.models if model.shutdown is not None} & going


@pytest.mark.parametrize("family", ["audio", "image", "pdf", "text", "video"])
def test_the_default_model_takes_every_kind_of_file(family: Family) -> None:
    assert default_model([family]).id == catalogue().default
    assert default_model().takes(family)


def test_a_name_that_ends_in_latest_needs_the_beta_api() -> None:
    assert model("gemini-flash-latest").api_version == "v1beta"
    assert model("gemini-2.5-flash").api_version == "v1"


def test_a_model_is_not_asked_about_what_it_does_not_take() -> None:
    why = check_input(model("gemini-3-pro-image"), "audio")
    assert why is not None
    assert "does not take audio, only images, text. Use gemini-3.5-flash-lite" in why
    assert check_input(model("gemini-2.5-flash"), "pdf") is None


@pytest.mark.parametrize(
    ("name", "effort", "setting"),
    [
        ("gemini-2.5-flash", "none", ThinkingSetting(budget=0)),
        ("gemini-2.5-flash", "low", ThinkingSetting(budget=1024)),
        ("gemini-2.5-pro", "minimal", ThinkingSetting(budget=1024)),
        ("gemini-2.5-pro", "medium", ThinkingSetting(budget=8192)),
        ("gemini-2.5-pro", "high", ThinkingSetting(budget=24_576)),
        ("gemini-2.5-pro", "none", None),
        ("gemini-4-argon", "none", None),
        ("gemini-4-argon", "minimal", ThinkingSetting(level="low")),
        ("gemini-4-argon", "xhigh", ThinkingSetting(level="high")),
        ("gemini-4-neon", "xhigh", ThinkingSetting(level="xhigh")),
        ("gemini-4-hydrogen", "high", ThinkingSetting(level="high")),
        ("gemini-2.5-pro", "xhigh", ThinkingSetting(budget=32_768)),
        ("gemini-3-pro-image", "medium", ThinkingSetting(level="high")),
        ("gemini-3.8-flash", "minimal", ThinkingSetting(level="low")),
        ("gemini-3.8-flash", "medium", ThinkingSetting(level="medium")),
        ("gemini-3.5-flash-lite", "none", None),
        ("gemini-3.5-flash-lite", "minimal", ThinkingSetting(level="minimal")),
        ("gemini-3.5-flash-lite", "high", ThinkingSetting(level="high")),
        ("gemini-3.5-transcribe", "low", None),
    ],
)
def test_an_effort_becomes_the_setting_that_the_guide_maps_it_to(
    name: str, effort: Effort, setting: ThinkingSetting | None
) -> None:
    assert model(name).thinking_for(effort) == setting


def test_capabilities_are_those_of_the_model_pages() -> None:
    assert model("gemini-2.5-flash").can("maps_grounding")
    assert not model("gemini-3.1-pro-preview").can("maps_grounding")
    assert not model("gemini-4-argon").can("caching")
    assert model("gemini-3.5-transcribe").inputs == {"audio"}
    assert model("gemini-3.8-flash").output_tokens == 65_536
    assert model("gemini-2.5-pro").input_tokens == 1_048_576


def test_a_parameter_that_a_model_does_not_take_is_told_apart_from_one_that_it_takes_no_notice_of() -> None:
    lite, flash = model("gemini-3.5-flash-lite"), model("gemini-2.5-flash")
    usual = Parameters(temperature=0, top_k=40, presence_penalty=0)
    assert refused_parameters(lite, usual) is None
    assert ignored_parameters(lite, usual) == "Model gemini-3.5-flash-lite takes no notice of temperature, top_k."
    refused = refused_parameters(lite, Parameters(presence_penalty=0.5, frequency_penalty=-1))
    assert refused is not None
    assert "does not take frequency_penalty or presence_penalty" in refused
    assert ignored_parameters(lite, Parameters(presence_penalty=0.5)) is None
    assert refused_parameters(flash, Parameters(presence_penalty=0.5)) is ignored_parameters(flash, usual) is None


def test_a_model_that_is_going_away_says_so() -> None:
    going = model("gemini-2.5-pro")
    notice = going.notice(date(2026, 11, 1))
    assert notice is not None
    assert "ends on 2026-12-01. From then on gemini-3.8-flash answers in its place" in notice
    assert "ended on 2026-12-01. gemini-3.8-flash answers" in str(going.notice(date(2027, 1, 1)))
    assert going.notice(date(2026, 6, 1)) is None
    assert model("gemini-2.5-flash-lite").notice(date(2026, 11, 1)) is None


def listed(
    name: str, *, limit: int = 1_048_576, thinking: bool = True, method: str = "generateContent"
) -> dict[str, object]:
    return {
        "name": f"models/{name}",
        "displayName": name.title(),
        "inputTokenLimit": limit,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": [method, "countTokens"],
        "thinking": thinking,
        "temperature": 1,
    }


def test_the_services_list_brings_the_catalogue_up_to_date() -> None:
    names = (
        "gemini-2.5-flash-lite",
        "gemini-4-flash",
        "gemini-4-flash-001",
        "gemini-4-pro-preview",
        "gemini-flash-latest",
    )
    models = [
        *(listed(name) for name in names),
        listed("gemini-2.5-pro", limit=2_000_000),
        listed("gemini-embedding-001", method="embedContent"),
        listed("imagen-4", method="predict"),
    ]

    fresh = from_models_list(json.dumps({"models": models}))

    assert {model.id for model in fresh.models} == {
        "gemini-2.5-flash-lite", "gemini-4-flash", "gemini-4-pro-preview", "gemini-2.5-pro",
    }  # fmt: skip
    new = fresh.resolve("gemini-4-flash")
    assert isinstance(new, Model)
    assert (new.stage, new.inputs) == ("stable", frozenset({"audio", "image", "pdf", "text", "video"}))
    pro = fresh.resolve("gemini-2.5-pro")
    assert isinstance(pro, Model)
    assert pro.input_tokens == 2_000_000
    assert fresh.default == "gemini-2.5-flash-lite"
    assert fresh.resolve("gemini-2.5-flash") == Retired(id="gemini-2.5-flash", successor="gemini-4-flash")
    assert fresh.resolve("gemini-1.5-flash") == Retired(id="gemini-1.5-flash", successor="gemini-2.5-flash-lite")
    latest = fresh.resolve("gemini-flash-latest")
    assert isinstance(latest, Model)
    assert latest.basis == "gemini-4-flash"
    assert fresh.model_validate_json(fresh.model_dump_json()) == fresh


def refreshed(*names: str) -> Catalogue:
    """The catalogue after the service has listed these."""
    return from_models_list(json.dumps({"models": [listed(name) for name in names]}))


def basis(known: Catalogue, alias: str) -> str | None:
    found = known.resolve(alias)
    assert isinstance(found, Model)
    return found.basis


def test_an_alias_that_the_service_lists_follows_the_newest_release_of_its_variation() -> None:
    older = ("gemini-2.5-flash-lite", "gemini-3.5-flash-lite", "gemini-3.7-flash", "gemini-3.8-flash")
    others = ("gemini-9-flash-image", "gemini-9-flash-preview-tts", "gemini-9-flash-native-audio-preview-12-2027")
    fresh = refreshed(*older, *others, "gemini-4-flash-preview", "gemini-flash-latest", "gemini-flash-lite-latest")
    assert basis(fresh, "gemini-flash-latest") == "gemini-4-flash-preview"
    assert basis(fresh, "gemini-flash-lite-latest") == "gemini-3.5-flash-lite"
    unlisted = refreshed(*older, "gemini-4-flash-preview")
    assert basis(unlisted, "gemini-flash-latest") == "gemini-3.8-flash"


def test_the_default_moves_on_once_its_end_is_announced_and_its_successor_is_there() -> None:
    going = catalogue().model_copy(update={"default": "gemini-2.5-flash"})

    def default(*names: str) -> str:
        return from_models_list(json.dumps({"models": [listed(name) for name in names]}), going).default

    assert default("gemini-2.5-flash", "gemini-3.5-flash-lite", "gemini-3.8-flash") == "gemini-3.5-flash-lite"
    assert default("gemini-3.5-flash-lite", "gemini-3.8-flash") == "gemini-3.5-flash-lite"
    assert default("gemini-2.5-flash", "gemini-3.8-flash") == "gemini-2.5-flash"
    assert refreshed("gemini-3.5-flash-lite", "gemini-4-flash-lite").default == "gemini-3.5-flash-lite"
    assert refreshed("gemini-4-flash", "gemini-4-flash-lite").default == "gemini-4-flash-lite"


@pytest.mark.parametrize(
    "listing", ["{}", "[]", "no json", '{"models": []}', '{"models": [{"name": "models/gemini-9-pro"}]}']
)
def test_what_is_no_list_of_models_leaves_the_catalogue_alone(listing: str) -> None:
    with pytest.raises(ValueError):
        from_models_list(listing)


@settings(max_examples=200, deadline=10_000, derandomize=True)
@given(st.text(max_size=60) | st.from_regex(r"gemini-[0-9.]{1,4}-[a-z0-9-]{1,30}", fullmatch=True))
def test_any_name_resolves_to_something(name: str) -> None:
    found = resolve(name)
    if isinstance(found, Model):
        assert found.id == name.strip().removeprefix("models/")
