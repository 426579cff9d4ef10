"""Build generateContent's body from a resolved request, in the API's camelCase names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import cast

from pydantic import JsonValue

from shared.domain.answer.plain_json import parse
from shared.domain.answer.response import Json
from shared.domain.models.catalogue import ThinkingByLevel, find_model
from shared.domain.recipe import wire as recipe_wire
from shared.domain.recipe.wire import PreparedFile, media_part
from shared.domain.request.messages import ChosenFunction, Message, TextPart
from shared.domain.request.to_recipe import ResolvedRequest

_PLACEHOLDER_SIGNATURE = "skip_thought_signature_validator"
"""Replaces the signature of a call if the client did not keep it (guide "Thought signatures"). Gemini 3 refuses
requests without any."""


def body(resolved: ResolvedRequest, files: Sequence[PreparedFile] = (), today: date | None = None) -> Json:
    """Return the body of generateContent. `files` is in the order of `resolved.inputs`."""
    recipe, choice = resolved.recipe, resolved.submission.tool_choice
    media = ([media_part(recipe, part) for part in (file, *file.more)] for file in files)
    request = recipe_wire.body(
        recipe,
        resolved.question,
        _contents(resolved.messages, media, _placeholder_signature(recipe.model, today)),
        today,
    )
    if recipe.transcription is not None:
        return request
    if resolved.takes_any_json:
        cast(Json, request.setdefault("generationConfig", {}))["responseMimeType"] = "application/json"
    if (system := resolved.instructions).strip():
        request["systemInstruction"] = {"parts": [{"text": system}]}
    if choice is not None:
        request["toolConfig"] = {"functionCallingConfig": _function_calling_config(choice)}
    if (cache := resolved.submission.google.cached_content) is not None:
        request["cachedContent"] = cache
    return request


def _placeholder_signature(name: str, today: date | None) -> str | None:
    model = find_model(name, today)
    return _PLACEHOLDER_SIGNATURE if model is not None and isinstance(model.thinking, ThinkingByLevel) else None


def _contents(messages: Sequence[Message], media: Iterator[list[Json]], placeholder: str | None) -> list[Json]:
    names = {call.id: call.function.name for message in messages for call in message.tool_calls or []}
    turns: list[Json] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        role = "model" if message.role == "assistant" else "user"
        parts = list(_parts(message, names, media, placeholder))
        if turns and turns[-1]["role"] == role:
            cast(list[JsonValue], turns[-1]["parts"]).extend(parts)
        else:
            turns.append({"role": role, "parts": cast(JsonValue, parts)})
    # Newer models refuse a turn that has other parts after a tool's result: they take it for a turn of the model.
    for turn in turns:
        turn["parts"] = sorted(cast(list[JsonValue], turn["parts"]), key=_is_tools_answer)
    return turns


def _parts(
    message: Message, names: dict[str, str], media: Iterator[list[Json]], placeholder: str | None
) -> Iterator[Json]:
    if message.role == "tool":
        name = names.get(message.tool_call_id or "", message.name or message.tool_call_id or "")
        yield {"functionResponse": {"name": name, "response": _as_object(message.text, "result")}}
        return
    for part in message.parts:
        if isinstance(part, TextPart):
            yield {"text": part.text}
        else:
            yield from next(media)
    for number, call in enumerate(message.tool_calls or []):
        called: Json = {
            "functionCall": {"name": call.function.name, "args": _as_object(call.function.arguments, "arguments")}
        }
        signature = call.thought_signature or (placeholder if number == 0 else None)
        yield {**called, "thoughtSignature": signature} if signature else called


def _is_tools_answer(part: JsonValue) -> bool:
    return isinstance(part, dict) and "functionResponse" in part


def _as_object(text: str, otherwise: str) -> Json:
    """Return a JSON object, as Gemini requires; text that is not a JSON object becomes the value of `otherwise`."""
    try:
        value = parse(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {otherwise: value}


def _function_calling_config(choice: str | ChosenFunction) -> Json:
    if isinstance(choice, ChosenFunction):
        return {"mode": "ANY", "allowedFunctionNames": [choice.function.name]}
    return {"mode": {"none": "NONE", "auto": "AUTO", "required": "ANY"}[choice]}
