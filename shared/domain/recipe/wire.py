"""Build the body of a Gemini request from a recipe's question, in the API's camelCase names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.answer.schemas import as_sent
from shared.domain.answer.timestamps import written
from shared.domain.models.catalogue import ThinkingByBudget, find_model
from shared.domain.recipe.definition import Range, Recipe, RecipeQuestion, ServerTool
from shared.domain.recipe.evidence import EVIDENCE_PROMPT
from shared.domain.recipe.field_types import FUNCTION_SCHEMAS
from shared.domain.recipe.making import made_config
from shared.domain.recipe.transcription import transcription_body

_TOOLS: dict[ServerTool, str] = {
    "code_execution": "codeExecution",
    "google_search": "googleSearch",
    "url_context": "urlContext",
}


class PreparedFile(NamedTuple):
    """A file as the model gets it: of the Files API, or small inline data."""

    mime_type: str
    uri: str | None = None
    data: str | None = None
    """Base64."""
    more: tuple[PreparedFile, ...] = ()
    """Further files of the same input, such as the pictures of a document."""


def request(
    recipe: Recipe, question: RecipeQuestion, prompt: str, files: Sequence[PreparedFile], today: date | None = None
) -> Json:
    """Return the body of generateContent. `prompt` is filled in; it goes after the media, as the guides advise."""
    parts = [*(media_part(recipe, file) for file in files), {"text": prompt}]
    return body(recipe, question, [{"role": "user", "parts": cast(JsonValue, parts)}], today)


def body(recipe: Recipe, question: RecipeQuestion, contents: list[Json], today: date | None = None) -> Json:
    """Return the body of generateContent. If an offset cannot select the range, the last text of `contents` names it.

    Offsets are documented for video only (guide "Audio understanding").
    """
    if recipe.transcription is not None:
        return transcription_body(recipe.transcription, contents)
    parts = [part for turn in contents for part in cast(list[Json], turn["parts"])]
    texts = [part for part in cast(list[Json], contents[-1]["parts"]) if "text" in part]
    media = [part for part in parts if "fileData" in part or "inlineData" in part]
    if recipe.range and texts and not all("videoMetadata" in part for part in media):
        texts[-1]["text"] = _with_range_named(recipe.range, cast(str, texts[-1]["text"]))
    if question.evidence:
        cast(list[JsonValue], contents[-1]["parts"]).append({"text": EVIDENCE_PROMPT})
    return {"contents": cast(JsonValue, contents), **settings(recipe, question, today)}


def settings(recipe: Recipe, question: RecipeQuestion, today: date | None = None) -> Json:
    """Return the body without its contents."""
    body: Json = {}
    if recipe.system:
        body["systemInstruction"] = {"parts": [{"text": recipe.system}]}
    if config := generation_config(recipe, question, today):
        body["generationConfig"] = config
    tools: list[JsonValue] = [{_TOOLS[tool]: {}} for tool in recipe.tools]
    if recipe.functions:
        tools.append({"functionDeclarations": [_declaration(function) for function in recipe.functions]})
    if tools:
        body["tools"] = tools
    if recipe.safety:
        body["safetySettings"] = [
            {"category": f"HARM_CATEGORY_{harm.upper()}", "threshold": threshold.upper()}
            for harm, threshold in recipe.safety.items()
        ]
    return body


def _declaration(function: Json) -> Json:
    """Return the declaration with JSON Schemas: the API's own `parameters` are a subset with other types."""
    return {
        FUNCTION_SCHEMAS.get(name, name): value if name in ("name", "description") else as_sent(value)
        for name, value in function.items()
    }


def generation_config(recipe: Recipe, question: RecipeQuestion, today: date | None = None) -> Json:
    chosen = recipe.parameters
    config: dict[str, JsonValue | None] = {
        "temperature": chosen.temperature,
        "topP": chosen.top_p,
        "topK": chosen.top_k,
        "maxOutputTokens": chosen.max_tokens,
        "seed": chosen.seed,
        "stopSequences": list(chosen.stop) or None,
        "presencePenalty": chosen.presence_penalty,
        "frequencyPenalty": chosen.frequency_penalty,
        "responseMimeType": "application/json" if question.response_schema is not None else None,
        "responseJsonSchema": as_sent(question.asked_schema),
        "mediaResolution": _resolution(recipe) if recipe.media_resolution != "ultra_high" else None,
        "thinkingConfig": _thinking(recipe, today),
        **made_config(recipe),
    }
    return {name: value for name, value in config.items() if value is not None}


def unstructured(body: Json) -> Json:
    """Return the body without its response schema: a continuation begins in the middle of the JSON."""
    config = cast(Json, body.get("generationConfig") or {})
    free = {name: value for name, value in config.items() if name not in ("responseMimeType", "responseJsonSchema")}
    return {**body, "generationConfig": free}


def media_part(recipe: Recipe, file: PreparedFile) -> Json:
    part: Json
    if file.data is not None:
        part = {"inlineData": {"mimeType": file.mime_type, "data": file.data}}
    else:
        part = {"fileData": {"mimeType": file.mime_type, "fileUri": file.uri}}
    if recipe.range is not None and file.mime_type.startswith("video/"):
        offsets = {"startOffset": recipe.range.start, "endOffset": recipe.range.end}
        part["videoMetadata"] = {name: _duration(at) for name, at in offsets.items() if at is not None}
    if recipe.media_resolution == "ultra_high" and file.mime_type.startswith("image/"):
        part["mediaResolution"] = {"level": _resolution(recipe)}
    return part


def _with_range_named(range_: Range, prompt: str) -> str:
    """Return the prompt with the range appended, unless it names it already."""
    start, end = written(range_.start), written(range_.end) if range_.end is not None else "the end"
    if start in prompt and end in prompt:
        return prompt
    return f"{prompt}\n\nKeep to the part from {start} to {end}."


def _resolution(recipe: Recipe) -> str | None:
    return f"MEDIA_RESOLUTION_{recipe.media_resolution.upper()}" if recipe.media_resolution else None


def _thinking(recipe: Recipe, today: date | None) -> Json | None:
    """Return the thinking configuration; a level becomes a budget for models that think by budget."""
    thinking = recipe.thinking
    if thinking is None:
        return None
    model = find_model(recipe.model, today)
    if model is not None and model.thinking is None:
        return None
    config: Json = {}
    level, budget = thinking.level, thinking.budget
    if level is not None and model is not None and isinstance(model.thinking, ThinkingByBudget):
        setting = model.thinking_for(level)
        level, budget = None, setting.budget if setting else None
    if level is not None:
        config["thinkingLevel"] = level.upper()
    if budget is not None:
        config["thinkingBudget"] = budget
    if thinking.include:
        config["includeThoughts"] = True
    return config or None


def _duration(seconds: float) -> str:
    """A protobuf Duration in JSON."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
