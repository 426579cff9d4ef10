"""Override a recipe's fields with those of a request that names it, or of a rerun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from datetime import date
from typing import assert_never, cast

from pydantic import JsonValue, ValidationError

from shared.domain.errors import RequestRefused
from shared.domain.media import Family
from shared.domain.models.catalogue import Model, resolve
from shared.domain.recipe import BUILT_IN, PREFIX, Recipe, lacking, literal, output_flaws
from shared.domain.request.options import JsonObjectAnswer, JsonSchemaAnswer, TextAnswer
from shared.domain.request.schema import Submission
from shared.domain.request.wire import declaration

_PARAMETERS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
_CALLED = {
    "system": "system_prompt",
    "response_schema": "response_format",
    "safety": "safety_settings",
    "functions": "tools",
    "thinking": "reasoning_effort",
    "range": f"metadata.{PREFIX}range",
    "outputs": f"metadata.{PREFIX}outputs",
    "requires": "model",
}
"""The request's field for each of the recipe's."""


def named(name: str) -> Recipe:
    """Return a built-in recipe. The operator's recipes belong to inboxes; requests cannot name them."""
    found = next((each for each in BUILT_IN if each.name == name), None)
    if found is None:
        raise wrong("recipe", f"there is no recipe {name!r}. There are: {', '.join(each.name for each in BUILT_IN)}")
    return found


def with_overrides(recipe: Recipe, asked: Submission, given: Set[str], today: date | None = None) -> Recipe:
    """Return `recipe` with the request's `given` fields. Raises `RequestRefused`, naming the field."""
    whole = recipe.model_dump(mode="json")
    for field, value in _changes(recipe, asked, given, today):
        table, _, inner = field.partition(".")
        whole[table] = {**(whole[table] or {}), inner: value} if inner else value
    try:
        return Recipe.model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else "recipe"
        raise wrong(said_by(field), first["msg"].removeprefix("Value error, ")) from error


def refuse_incomplete(recipe: Recipe) -> None:
    """Raise `RequestRefused` if the recipe needs something that the request does not say."""
    for need in lacking(recipe):
        param, why = _NEEDED[need]
        raise wrong(param, f"the recipe {recipe.name} needs {why}")


def refuse_unmakeable(recipe: Recipe, families: Sequence[Family]) -> None:
    """Raise `RequestRefused` for outputs that cannot be made for files of `families` (empty: unknown)."""
    for question in recipe.asked:
        for flaw in output_flaws(recipe, question, families):
            raise wrong(said_by("outputs"), f"with the recipe {recipe.name}, {flaw}")


def said_by(field: str) -> str:
    """Return the request's name of a recipe's field."""
    first, _, inner = field.partition(".")
    return inner or _CALLED.get(first, first)


def wishes_of(asked: Submission) -> dict[str, str]:
    """Return the wishes in the request's metadata. For all but two, a request has fields of its own."""
    spoken = {key.lower(): value.strip() for key, value in (asked.metadata or {}).items()}
    return {key.removeprefix(PREFIX): value for key, value in spoken.items() if key.startswith(PREFIX)}


def wrong(param: str, why: str) -> RequestRefused:
    return RequestRefused(422, "invalid_request_error", "invalid_param", f"{param}: {why}.", param=param)


_NEEDED = {
    "prompt": ("prompt", "a prompt"),
    "schema": ("response_format", "a response_format of the type json_schema"),
    "range": (f"metadata.{PREFIX}range", "a part of the recording, for example 02:30-03:29"),
    "with": ("messages", "two files or more, as parts of messages"),
}


def _changes(recipe: Recipe, asked: Submission, given: Set[str], today: date | None) -> Iterator[tuple[str, JsonValue]]:
    """Return the recipe's fields (`table.field` for nested ones) and their new values."""
    if "model" in given:
        yield "model", asked.model
    for name in given & set(_PARAMETERS):
        yield f"parameters.{name}", cast(JsonValue, getattr(asked, name))
    if "stop" in given:
        yield "parameters.stop", cast(JsonValue, asked.stop_sequences)
    if asked.prompt is not None:
        # Another question's answer is not to be measured by the recording.
        yield "prompt", literal(asked.prompt)
        yield "asks", []
        yield "transcript", False
    if "system_prompt" in given:
        yield "system", None if asked.system_prompt is None else literal(asked.system_prompt)
    if "response_format" in given:
        yield from _form(recipe, asked)
    if "media_resolution" in given:
        yield "media_resolution", asked.media_resolution
    if asked.safety_settings is not None:
        yield (
            "safety",
            {
                setting.category.removeprefix("HARM_CATEGORY_").lower(): setting.threshold.lower()
                for setting in asked.safety_settings
            },
        )
    if "tools" in given:
        declared = [declaration(tool.function.model_dump(exclude_none=True)) for tool in asked.tools or []]
        yield "functions", cast(JsonValue, declared)
    if given & {"reasoning", "reasoning_effort", "extra_body"}:
        yield "thinking", _thinking(recipe, asked, today)
    yield from _wished(asked)


def _form(recipe: Recipe, asked: Submission) -> Iterator[tuple[str, JsonValue]]:
    schema = _schema(asked)
    yield "response_schema", schema
    if schema is not None and "json" not in recipe.outputs:
        yield "outputs", [*recipe.outputs, "json"]


def _wished(asked: Submission) -> Iterator[tuple[str, JsonValue]]:
    wishes = wishes_of(asked)
    if part := wishes.get("range"):
        yield "range", part
    if listed := wishes.get("outputs"):
        yield "outputs", [each.strip() for each in listed.split(",") if each.strip()]


def _schema(asked: Submission) -> JsonValue:
    match asked.response_format:
        case JsonSchemaAnswer() as form:
            return form.json_schema.schema_
        case JsonObjectAnswer():
            return {"type": "object"}
        case TextAnswer() | None:
            return None
        case _:
            assert_never(asked.response_format)


def _thinking(recipe: Recipe, asked: Submission, today: date | None) -> JsonValue:
    before = recipe.thinking
    level, budget = (before.level, before.budget) if before else (None, None)
    found = resolve(asked.model, today)
    model = found if isinstance(found, Model) else None
    config = asked.google.thinking_config
    if asked.reasoning_effort is not None and model is not None:
        setting = model.thinking_for(asked.reasoning_effort)
        level, budget = (setting.level, setting.budget) if setting else (None, None)
    if config is not None:
        level, budget = config.thinking_level, config.thinking_budget
    shown = asked.reasoning or bool(config and config.include_thoughts)
    if level is None and budget is None and model is not None and model.thinking is None:
        # There are no thoughts to be shown.
        return None
    return {"level": level, "budget": budget, "include": shown}
