"""Override a recipe's fields with those of a request, or of a rerun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import date
from typing import assert_never, cast

from pydantic import JsonValue, ValidationError

from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused
from shared.domain.media import Family
from shared.domain.models.catalogue import ThinkingByBudget, ThinkingSetting, find_model
from shared.domain.recipe.book import BUILT_IN
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.fitness import Misfit
from shared.domain.recipe.making import made_metadata_keys
from shared.domain.recipe.matching import PREFIX
from shared.domain.recipe.object_metadata import missing_needs
from shared.domain.recipe.overlay import first_flaw, overlay, with_fields
from shared.domain.recipe.transcription import Transcription
from shared.domain.recipe.validation import output_flaws
from shared.domain.request.options import AudioTranscriptionConfig, JsonObjectAnswer, JsonSchemaAnswer, TextAnswer
from shared.domain.request.schema import Submission

_PARAMETERS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
CACHED_CONTENT = "extra_body.google.cached_content"
_REQUEST_FIELDS = {
    "system": "system_prompt",
    "response_schema": "response_format",
    "safety": "safety_settings",
    "functions": "tools",
    "range": f"metadata.{PREFIX}range",
    "outputs": f"metadata.{PREFIX}outputs",
    "requires": "model",
    "thinking": "reasoning_effort",
    "transcription": "extra_body.google.audio_transcription_config",
    "parameters": "frequency_penalty",
}
"""Request fields by recipe field. Fields that are not listed have the same name in both."""
_MISSING_FIELDS = {
    "prompt": ("prompt", "a prompt"),
    "schema": ("response_format", "a response_format of the type json_schema"),
    "range": (f"metadata.{PREFIX}range", "a part of the recording, for example 02:30-03:29"),
    "with": ("messages", "two files or more, as parts of messages"),
}


def find_recipe(name: str) -> Recipe:
    """Return a built-in recipe. The operator's recipes belong to inboxes; requests cannot name them."""
    recipe = next((recipe for recipe in BUILT_IN if recipe.name == name), None)
    if recipe is None:
        raise invalid_field(
            "recipe", f"there is no recipe {name!r}. There are: {', '.join(built_in.name for built_in in BUILT_IN)}"
        )
    return recipe


def with_overrides(recipe: Recipe, submission: Submission, changes: Mapping[str, JsonValue]) -> Recipe:
    """Return `recipe` with `changes`. Raises `RequestRefused`, naming the request's field."""
    if "safety" in changes:
        recipe = recipe.model_copy(update={"safety": {}})
    try:
        return with_fields(recipe, changes)
    except ValidationError as error:
        field, flaw = first_flaw(error)
        raise invalid_field(request_field(field.partition(".")[0] or "recipe", submission), flaw) from error


def overrides_of(
    recipe: Recipe, submission: Submission, fields: Set[str], today: date | None = None
) -> dict[str, JsonValue]:
    """Return the recipe fields that `fields` of the request set, except prompt and system."""
    changes: dict[str, JsonValue] = {}
    parameters: Json = {name: getattr(submission, name) for name in _PARAMETERS if name in fields}
    if "stop" in fields:
        parameters["stop"] = cast(JsonValue, submission.stop_sequences)
    if parameters:
        changes["parameters"] = parameters
    for name in fields & {"model", "media_resolution", "service_tier", "evidence"}:
        changes[name] = getattr(submission, name)
    if "response_format" in fields:
        changes["response_schema"] = schema = _schema(submission)
        if schema is not None and "json" not in recipe.outputs:
            changes["outputs"] = [*recipe.outputs, "json"]
    if submission.safety_settings is not None:
        changes["safety"] = {
            setting.category.removeprefix("HARM_CATEGORY_").lower(): setting.threshold.lower()
            for setting in submission.safety_settings
        }
    if "tools" in fields:
        functions = [tool.function for tool in submission.tools or []]
        changes["functions"] = [function.model_dump(exclude_none=True, exclude={"strict"}) for function in functions]
    if fields & {"reasoning", "reasoning_effort", "extra_body"}:
        changes["thinking"] = _thinking(recipe, submission, today)
    if (config := submission.google.audio_transcription_config) is not None:
        changes["transcription"] = _transcription(recipe, config)
    metadata = dropsight_metadata(submission) if "metadata" in fields else {}
    changes = overlay(changes, _made_settings(recipe, metadata))
    if range_ := metadata.get("range"):
        changes["range"] = range_
    if endings := metadata.get("outputs"):
        changes["outputs"] = [ending.strip() for ending in endings.split(",") if ending.strip()]
    return changes


def _made_settings(recipe: Recipe, metadata: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return the settings of the speech or picture that the recipe makes, as the metadata gives them."""
    changes: dict[str, JsonValue] = {}
    for key, place in made_metadata_keys(recipe).items():
        if value := metadata.get(key.replace("_", "-")):
            table, _, setting = place.partition(".")
            changes = overlay(changes, {table: {setting: value}})
    return changes


def refuse_incomplete(recipe: Recipe) -> None:
    """Raise `RequestRefused` if the request lacks something that the recipe needs."""
    for need in missing_needs(recipe):
        param, why = _MISSING_FIELDS[need]
        raise invalid_field(param, f"the recipe {recipe.name} needs {why}")


def refuse_unmakeable(recipe: Recipe, families: Sequence[Family]) -> None:
    """Raise `RequestRefused` for outputs that cannot be made for files of `families` (empty: unknown)."""
    for flaw in output_flaws(recipe, families):
        raise invalid_field(_REQUEST_FIELDS["outputs"], f"with the recipe {recipe.name}, {flaw}")


def refusal_of_misfit(misfit: Misfit, submission: Submission) -> FieldRefused:
    param = request_field(misfit.field, submission)
    message = misfit.message if misfit.code != "invalid_param" else f"{param}: {misfit.message}"
    code = "no_available_model" if misfit.code == "model_not_found" else misfit.code
    return FieldRefused(param, message, code)


def request_field(field: str, submission: Submission | None = None) -> str:
    """Return the request's name of a recipe's field (`table.field` for a field of a table)."""
    config = submission.google.thinking_config if submission else None
    if field == "thinking" and config is not None:
        names = [name for name in ("thinking_budget", "thinking_level") if getattr(config, name) is not None]
        return ".".join(("extra_body.google.thinking_config", *names))
    if field == "parameters" and submission is not None and submission.presence_penalty:
        return "presence_penalty"
    return _REQUEST_FIELDS.get(field, field.rpartition(".")[2])


def dropsight_metadata(submission: Submission) -> dict[str, str]:
    """Return the metadata whose keys begin with `dropsight-`, without that prefix."""
    metadata = {key.lower(): value.strip() for key, value in (submission.metadata or {}).items()}
    return {key.removeprefix(PREFIX): value for key, value in metadata.items() if key.startswith(PREFIX)}


def invalid_field(param: str, why: str) -> FieldRefused:
    return FieldRefused(param, f"{param}: {why}.")


def _schema(submission: Submission) -> JsonValue:
    match submission.response_format:
        case JsonSchemaAnswer() as form:
            return form.json_schema.schema_
        case JsonObjectAnswer():
            return {"type": "object"}
        case TextAnswer() | None:
            return None
        case _:
            assert_never(submission.response_format)


def _transcription(recipe: Recipe, config: AudioTranscriptionConfig) -> JsonValue:
    """Return the recipe's settings with those that the request gives."""
    own = recipe.transcription or Transcription()
    given = {
        "words": config.word_timestamp,
        "speakers": config.diarization,
        "languages": config.language_codes,
        "vocabulary": config.custom_vocabulary,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    return cast(JsonValue, {**own.model_dump(mode="json"), **changes})


def _thinking(recipe: Recipe, submission: Submission, today: date | None) -> JsonValue:
    """Return the recipe's thinking settings from `reasoning_effort`, or from Gemini's own thinking_config."""
    level, budget = (recipe.thinking.level, recipe.thinking.budget) if recipe.thinking else (None, None)
    model = find_model(submission.model, today)
    config, effort = submission.google.thinking_config, submission.reasoning_effort
    if config is not None:
        level, budget = config.thinking_level, config.thinking_budget
        if level is not None and model is not None and isinstance(model.thinking, ThinkingByBudget):
            message = f"Model {model.id} cannot be set by a thinking level, only by a budget."
            raise refusal_of_misfit(Misfit("thinking", "model_not_support_capability", message), submission)
    elif effort is not None and model is not None:
        setting = model.thinking_for(effort)
        if setting is None:
            setting = ThinkingSetting(budget=0) if effort == "none" else ThinkingSetting(level=effort)
        level, budget = setting.level, setting.budget
    elif level is None and budget is None and not submission.reasoning:
        return None
    if config is None and model is not None and model.thinking is None and level is None and not budget:
        # There are no thoughts to include.
        return None
    return {
        "level": level,
        "budget": budget,
        "include": submission.reasoning or bool(config and config.include_thoughts),
    }
