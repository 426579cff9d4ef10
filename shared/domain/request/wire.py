"""Build generateContent's body from a request, in the API's camelCase names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple, assert_never, cast

from pydantic import JsonValue

from shared.domain.answer.plain_json import parse
from shared.domain.answer.response import Json
from shared.domain.answer.schemas import as_sent
from shared.domain.models import catalogue
from shared.domain.models.catalogue import Model
from shared.domain.recipe import TRANSCRIBE_PROMPT, Range, Recipe, offsets, settings, within
from shared.domain.request.messages import ChosenFunction, Message, TextPart
from shared.domain.request.options import JsonObjectAnswer, JsonSchemaAnswer, TextAnswer
from shared.domain.request.schema import Submission


class Handed(NamedTuple):
    """An input as Gemini gets it: a file of the Files API, or small inline data."""

    mime: str
    uri: str | None = None
    data: str | None = None
    """Base64."""
    detail: str | None = None

    @property
    def part(self) -> Json:
        if self.data is not None:
            shown: Json = {"inlineData": {"mimeType": self.mime, "data": self.data}}
        else:
            shown = {"fileData": {"mimeType": self.mime, "fileUri": self.uri}}
        return shown


def body(
    submission: Submission, handed: Sequence[Handed], recipe: Recipe | None = None, today: date | None = None
) -> Json:
    """Return the body. `handed` is in the order of `inputs_of`; `recipe` is the request's, with its overrides."""
    media = iter(handed)
    request: Json = {"contents": cast(JsonValue, _contents(submission, media))}
    request |= _settings(submission, today) if recipe is None else settings(recipe, recipe.asked[0], today)
    if recipe is not None and recipe.range is not None:
        _keep_to(recipe.range, cast(list[Json], request["contents"]), handed)
    if system := _system(submission):
        request["systemInstruction"] = {"parts": [{"text": system}]}
    if submission.tool_choice is not None:
        request["toolConfig"] = {"functionCallingConfig": _calling(submission.tool_choice)}
    return request


def _settings(submission: Submission, today: date | None) -> Json:
    """Return the settings of a request without a recipe."""
    request: Json = {}
    if config := _config(submission, today):
        request["generationConfig"] = config
    if submission.tools:
        declared = [declaration(tool.function.model_dump(exclude_none=True)) for tool in submission.tools]
        request["tools"] = [{"functionDeclarations": cast(JsonValue, declared)}]
    if submission.safety_settings:
        request["safetySettings"] = [setting.model_dump() for setting in submission.safety_settings]
    return request


def _keep_to(range_: Range, contents: list[Json], handed: Sequence[Handed]) -> None:
    """Apply the range: as offsets of each video; for audio, the prompt names it."""
    parts = [part for turn in contents for part in cast(list[Json], turn["parts"])]
    shown = [part for part in parts if "fileData" in part or "inlineData" in part]
    for part, each in zip(shown, handed, strict=True):
        if each.mime.startswith("video/"):
            part["videoMetadata"] = offsets(range_)
    words = [part for part in cast(list[Json], contents[-1]["parts"]) if "text" in part]
    if words and not all("videoMetadata" in part for part in shown):
        words[-1]["text"] = within(cast(str, words[-1]["text"]), range_)


def _contents(submission: Submission, media: Iterator[Handed]) -> list[Json]:
    if submission.messages is None:
        prompt = TRANSCRIBE_PROMPT if submission.prompt is None else submission.prompt
        return [{"role": "user", "parts": [next(media).part, {"text": prompt}]}]
    names = {call.id: call.function.name for message in submission.messages for call in message.tool_calls or []}
    turns: list[Json] = []
    for message in submission.messages:
        if message.role in ("system", "developer"):
            continue
        role = "model" if message.role == "assistant" else "user"
        parts = list(_parts(message, names, media))
        if turns and turns[-1]["role"] == role:
            cast(list[JsonValue], turns[-1]["parts"]).extend(parts)
        else:
            turns.append({"role": role, "parts": cast(JsonValue, parts)})
    return turns


def _parts(message: Message, names: dict[str, str], media: Iterator[Handed]) -> Iterator[Json]:
    if message.role == "tool":
        name = names.get(message.tool_call_id or "", message.name or message.tool_call_id or "")
        yield {"functionResponse": {"name": name, "response": _object(message.text, "result")}}
        return
    for part in message.parts:
        yield {"text": part.text} if isinstance(part, TextPart) else next(media).part
    for call in message.tool_calls or []:
        yield {"functionCall": {"name": call.function.name, "args": _object(call.function.arguments, "arguments")}}


def _object(text: str, otherwise: str) -> Json:
    """Return a function's arguments as an object, as Gemini wants them; what is not plain JSON stays text."""
    try:
        value = parse(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {otherwise: value}


def _system(submission: Submission) -> str:
    said = [message.text for message in submission.messages or [] if message.role in ("system", "developer")]
    return "\n\n".join(part for part in (submission.system_prompt or "", *said) if part)


def _config(submission: Submission, today: date | None) -> Json:
    form = submission.response_format
    config: dict[str, JsonValue | None] = {
        "temperature": submission.temperature,
        "topP": submission.top_p,
        "topK": submission.top_k,
        "maxOutputTokens": submission.max_tokens,
        "seed": submission.seed,
        "stopSequences": cast(JsonValue, submission.stop_sequences) or None,
        "presencePenalty": submission.presence_penalty,
        "frequencyPenalty": submission.frequency_penalty,
        "thinkingConfig": thinking(submission, today),
        "mediaResolution": (
            f"MEDIA_RESOLUTION_{submission.media_resolution.upper()}" if submission.media_resolution else None
        ),
    }
    match form:
        case JsonObjectAnswer():
            config["responseMimeType"] = "application/json"
        case JsonSchemaAnswer():
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = as_sent(form.json_schema.schema_)
        case TextAnswer() | None:
            pass
        case _:
            assert_never(form)
    return {name: value for name, value in config.items() if value is not None}


def thinking(submission: Submission, today: date | None = None) -> Json | None:
    """Return the thinking configuration from OpenAI's effort or Gemini's own setting; `reasoning` includes thoughts."""
    config: Json = {}
    given = submission.google.thinking_config
    known = catalogue.resolve(submission.model, today)
    model = known if isinstance(known, Model) else None
    if submission.reasoning_effort is not None and model is not None:
        setting = model.thinking_for(submission.reasoning_effort)
        if setting is not None and setting.budget is not None:
            config["thinkingBudget"] = setting.budget
        if setting is not None and setting.level is not None:
            config["thinkingLevel"] = setting.level.upper()
    if given is not None and given.thinking_budget is not None:
        config["thinkingBudget"] = given.thinking_budget
    if given is not None and given.thinking_level is not None:
        config["thinkingLevel"] = given.thinking_level.upper()
    shown = submission.reasoning or bool(given and given.include_thoughts)
    if shown and (model is None or model.thinking is not None):
        config["includeThoughts"] = True
    return config or None


def declaration(function: Json) -> Json:
    """Convert OpenAI's function to Gemini's declaration."""
    schema = function.pop("parameters", None)
    function.pop("strict", None)
    return function if schema is None else {**function, "parametersJsonSchema": as_sent(schema)}


def _calling(choice: str | ChosenFunction) -> Json:
    if isinstance(choice, ChosenFunction):
        return {"mode": "ANY", "allowedFunctionNames": [choice.function.name]}
    return {"mode": {"none": "NONE", "auto": "AUTO", "required": "ANY"}[choice]}
