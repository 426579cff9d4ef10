"""Check whether the model can do what a recipe wants, before anything is uploaded or paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple, assert_never

from shared.domain.errors import FailureCode
from shared.domain.media.facts import Facts
from shared.domain.media.kinds import Family
from shared.domain.models.catalogue import (
    Capability,
    Model,
    Retired,
    ThinkingByBudget,
    ThinkingByLevel,
    UnknownName,
    check_input,
    refused_parameters,
    resolve,
)
from shared.domain.recipe.definition import Recipe, ServerTool, Thinking
from shared.domain.recipe.making import misfits_of_making, reason_unable

_TOOL_CAPABILITY: dict[ServerTool, Capability] = {
    "code_execution": "code_execution",
    "google_search": "search_grounding",
    "url_context": "url_context",
}
_CAPABILITY_PHRASES: dict[Capability, str] = {
    "code_execution": "run code",
    "search_grounding": "ground its answers in Google Search",
    "url_context": "read the pages behind URLs",
    "function_calling": "call functions",
    "structured_output": "answer by a schema",
    "segmentation": "outline objects with masks",
    "thinking": "think",
    "file_search": "search files, which `index` needs",
    "caching": "be asked about a context cache",
}


class Misfit(NamedTuple):
    """Something that the model cannot do, and the recipe's field that asks for it."""

    field: str
    code: FailureCode
    message: str


def _model_for(recipe: Recipe, today: date | None = None) -> Model | Misfit | None:
    """Return the model's data; None for a well-formed name that may be newer than the catalogue."""
    resolved = resolve(recipe.model, today)
    match resolved:
        case Model():
            return resolved
        case Retired():
            message = f"Model {resolved.id} does not answer any more. Use {resolved.successor}."
            return Misfit("model", "model_not_found", message)
        case UnknownName():
            if resolved.well_formed:
                return None
            return Misfit(
                "model", "model_not_found", f"No model is named {resolved.name!r}. Use {resolved.suggestion}."
            )
        case _:
            assert_never(resolved)


def misfits(recipe: Recipe, families: Sequence[Family], today: date | None = None) -> Iterator[Misfit]:
    """Yield settings that do not suit files of `families` (empty: unknown), or that the model does not support."""
    yield from _misfits_of_files(recipe, families)
    model = _model_for(recipe, today)
    if isinstance(model, Misfit):
        yield model
        return
    if model is None:
        return
    shutdown_notice = model.notice(today) if model.answered_by and today else None
    for misfit in _misfits_of_model(recipe, families, model):
        yield misfit._replace(message=f"{misfit.message} {shutdown_notice}") if shutdown_notice else misfit


def _misfits_of_model(recipe: Recipe, families: Sequence[Family], model: Model) -> Iterator[Misfit]:
    """Yield what `model` cannot do for the recipe."""
    if model.can("live") or (cannot := reason_unable(recipe.makes, model.id, model.outputs)):
        why = f"Model {model.id} does not answer with text." if model.can("live") else cannot
        yield Misfit("model", "model_not_support_capability", str(why))
        return
    for family in dict.fromkeys(families):
        if why := check_input(model, family):
            yield Misfit("model", "unsupported_content_type", why)
    if recipe.transcription is not None and not model.can("transcription"):
        message = f"Model {model.id} gives no times of words: gemini-3.5-transcribe does, or leave them out."
        yield Misfit("model", "model_not_support_capability", message)
    for field, capability in _needed_capabilities(recipe):
        if not model.can(capability):
            what = _CAPABILITY_PHRASES.get(capability, capability)
            yield Misfit(field, "model_not_support_capability", f"Model {model.id} cannot {what}.")
    yield from _thinking(recipe.thinking, model)
    if _is_structured(recipe) and (recipe.tools or recipe.functions) and model.id.startswith(("gemini-2", "gemini-1")):
        message = f"Model {model.id} cannot use tools and answer by a schema in one call."
        yield Misfit("tools", "model_not_support_capability", message)
    if recipe.media_resolution == "ultra_high" and not model.can("media_resolution_per_part"):
        message = f"Model {model.id} knows the media resolutions low, medium and high."
        yield Misfit("media_resolution", "model_not_support_capability", message)
    if refused := refused_parameters(model, recipe.parameters):
        yield Misfit("parameters", "invalid_param", refused)
    limit = recipe.parameters.max_tokens
    if limit is not None and limit > model.output_tokens:
        message = f"Model {model.id} answers with at most {model.output_tokens:,} tokens; max_tokens says {limit:,}."
        yield Misfit("parameters.max_tokens", "invalid_param", message)


def shown_part(recipe: Recipe, facts: Facts) -> Facts:
    """Return the facts of what the model is shown of a file: of a video, only the range."""
    if recipe.range is None or facts.media_type.family != "video" or facts.duration is None:
        return facts
    end = facts.duration if recipe.range.end is None else min(recipe.range.end, facts.duration)
    return facts.model_copy(update={"duration": max(0.0, end - recipe.range.start)})


def _misfits_of_files(recipe: Recipe, families: Sequence[Family]) -> Iterator[Misfit]:
    listed = " and ".join(dict.fromkeys(families))
    for field, message in misfits_of_making(recipe):
        yield Misfit(field, "invalid_param", f"{message[:1].upper()}{message[1:]}.")
    if recipe.range is not None and families and not {"audio", "video"}.intersection(families):
        yield Misfit("range", "invalid_param", f"A range is a part of audio or video; this is {listed}.")
    if recipe.media_resolution == "ultra_high" and not {"image"}.issuperset(families):
        message = f"The media resolution ultra_high is for images only; this is {listed}. Use low, medium or high."
        yield Misfit("media_resolution", "invalid_param", message)


def _is_structured(recipe: Recipe) -> bool:
    return any(question.response_schema is not None for question in recipe.questions)


def _needed_capabilities(recipe: Recipe) -> Iterator[tuple[str, Capability]]:
    for capability in recipe.requires:
        yield "requires", capability
    for tool in recipe.tools:
        yield "tools", _TOOL_CAPABILITY[tool]
    if recipe.functions:
        yield "functions", "function_calling"
    if _is_structured(recipe) and recipe.transcription is None:
        yield "response_schema", "structured_output"


def _thinking(thinking: Thinking | None, model: Model) -> Iterator[Misfit]:
    if thinking is None:
        return
    control = model.thinking
    problem: str | None = None
    if control is None:
        problem = None if thinking.budget == 0 and not thinking.include else f"Model {model.id} does not think."
    elif thinking.budget == 0 and not control.can_be_off:
        problem = f"Model {model.id} cannot stop thinking."
    elif isinstance(control, ThinkingByLevel) and thinking.budget is not None:
        problem = f"Model {model.id} thinks by level ({', '.join(control.levels)}), not by a number of tokens."
    elif isinstance(control, ThinkingByLevel) and thinking.level is not None and thinking.level not in control.levels:
        problem = f"Model {model.id} thinks by the levels {', '.join(control.levels)}, not {thinking.level}."
    elif (
        isinstance(control, ThinkingByBudget)
        and thinking.budget is not None
        and thinking.budget > 0
        and not control.least <= thinking.budget <= control.most
    ):
        message = f"Model {model.id} thinks with {control.least:,} to {control.most:,} tokens, not {thinking.budget:,}."
        yield Misfit("thinking", "invalid_param", message)
    if problem:
        yield Misfit("thinking", "model_not_support_capability", problem)
