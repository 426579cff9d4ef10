"""A rerun of a dropped file's task: the recipe that ran, with what the request's body says in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import assert_never, cast

from pydantic import JsonValue, ValidationError

from shared.domain.answer import Json
from shared.domain.catalogue import Model, resolve
from shared.domain.errors import RequestRefused
from shared.domain.recipe import BUILT_IN, DEFAULT_MODEL, Recipe
from shared.domain.request.schema import JsonObjectAnswer, JsonSchemaAnswer, Submission, TextAnswer, overridden, read
from shared.domain.request.wire import declaration
from shared.domain.task import Ran

_PARAMETERS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
_NOT_OF_A_FILE = {
    "audio_url": "a rerun asks about the same file; submit a request to ask about another",
    "messages": "a rerun asks about the same file; set prompt, or submit a request",
    "tool_choice": "a recipe leaves it to the model which function to call",
}
_AROUND = {"sync", "stream", "callback_url", "metadata"}
"""Fields that do not change what is asked."""
_NOTHING_RAN = Recipe(
    name="ask", takes=("audio", "image", "video", "pdf", "text"), prompt="Describe this file."
)  # fmt: skip


def asked_again(ran: Ran | None, uri: str, changes: bytes) -> tuple[Ran | None, Submission]:
    """What is to run for the file at `uri`, and the changes as a request. Raises `RequestRefused`, naming the field.

    None: nothing ran, and nothing is said of what should; the recipes of the inbox decide.
    """
    recipe = _NOTHING_RAN if ran is None else Recipe.model_validate(ran.snapshot)
    about = json.dumps({"model": recipe.model or DEFAULT_MODEL, "audio_url": uri}).encode()
    merged = overridden(about, changes)
    given = cast(Json, json.loads(changes or b"{}"))
    for name, why in _NOT_OF_A_FILE.items():
        if name in given:
            raise _wrong(name, why)
    submission = read(merged)
    if submission.recipe is not None:
        recipe = _named(submission.recipe)
    whole = recipe.model_dump(mode="json")
    for field, value in _changes(recipe, submission, frozenset(given)):
        table, _, inner = field.partition(".")
        whole[table] = {**(whole[table] or {}), inner: value} if inner else value
    try:
        changed = Recipe.model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(str(first["loc"][0]), first["msg"].removeprefix("Value error, ")) from error
    if submission.stream and len(changed.asked) > 1:
        raise _wrong("stream", f"the recipe {changed.name} asks several questions; only one can be streamed")
    if ran is None and not given.keys() - _AROUND:
        return None, submission
    return changed.ran(ran.origin if ran else "built in"), submission


def _named(name: str) -> Recipe:
    found = next((each for each in BUILT_IN if each.name == name and not each.needs), None)
    if found is None:
        usable = ", ".join(each.name for each in BUILT_IN if not each.needs)
        raise _wrong("recipe", f"there is no recipe {name!r} for a rerun. There are: {usable}")
    return found


def _changes(recipe: Recipe, asked: Submission, given: frozenset[str]) -> Iterator[tuple[str, JsonValue]]:
    """Fields of a recipe, `table.field` within one, and what they become."""
    if "model" in given or "recipe" not in given:
        yield "model", asked.model
    for name in given.intersection(_PARAMETERS):
        yield f"parameters.{name}", cast(JsonValue, getattr(asked, name))
    if "stop" in given:
        yield "parameters.stop", cast(JsonValue, asked.stop_sequences)
    if asked.prompt is not None:
        # Its braces are braces, and another question's answer is not to be measured by the recording.
        yield "prompt", asked.prompt.replace("{", "{{").replace("}", "}}")
        yield "asks", []
        yield "transcript", False
    if "system_prompt" in given:
        yield "system", asked.system_prompt
    if "response_format" in given:
        yield "response_schema", _schema(asked)
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
        yield "thinking", _thinking(recipe, asked)


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


def _thinking(recipe: Recipe, asked: Submission) -> JsonValue:
    before = recipe.thinking
    level, budget = (before.level, before.budget) if before else (None, None)
    model = resolve(asked.model)
    config = asked.google.thinking_config
    if asked.reasoning_effort is not None and isinstance(model, Model):
        setting = model.thinking_for(asked.reasoning_effort)
        level, budget = (setting.level, setting.budget) if setting else (None, None)
    if config is not None:
        level, budget = config.thinking_level, config.thinking_budget
    shown = asked.reasoning or bool(config and config.include_thoughts)
    return {"level": level, "budget": budget, "include": shown}


def _wrong(param: str, why: str) -> RequestRefused:
    return RequestRefused(422, "invalid_request_error", "invalid_param", f"{param}: {why}.", param=param)
