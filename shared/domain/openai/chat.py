"""Convert the body of `POST /v1/chat/completions`, as OpenAI's clients send it, to the body of a Dropsight request.

Supported fields are passed on. Other fields are ignored, and their names are returned to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused
from shared.domain.media import kind_of_name
from shared.domain.openai.schema_keywords import without_unknown_keywords
from shared.domain.request.schema import Submission
from shared.domain.tasks.task import is_task_id

PASSED_ON = frozenset({
    "model", "temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty",
    "tool_choice", "stream", "safety_settings", "media_resolution", "recipe", "callback_url", "callback_auth",
    "reasoning", "evidence", "index", "service_tier", "n",
}) & frozenset(Submission.model_fields)  # fmt: skip
"""Fields that have the same meaning in a Dropsight request."""
_EFFORTS = {"max": "xhigh"}
"""Efforts that no Gemini model has, each with the nearest effort that exists."""
_FILE_ID = re.compile(r"file-[0-9a-f]{32}")
_DATA_OR_ADDRESS = re.compile(r"(?:data:|https?://|gs://)", re.IGNORECASE)
_AUDIO_TYPES = {"mp3": "audio/mp3", "m4a": "audio/mp4", "mp4": "audio/mp4", "mpeg": "audio/mp3"}


class Located(NamedTuple):
    """The object that a file id or task id stands for."""

    uri: str
    generation: int | None = None


class ChatRequest(NamedTuple):
    body: Json
    """The body of `POST /v1/llm/generations`."""
    ignored: tuple[str, ...]
    """Fields that were accepted but have no effect."""
    stream: bool
    include_usage: bool
    """Whether a stream ends with the usage."""


def named_files(body: Json) -> list[str]:
    """Return the file ids and task ids in the messages, which the caller looks up for `read_chat`."""
    names: list[str] = []
    for message in _objects(body.get("messages")):
        for part in _objects(message.get("content")):
            names += [text for text in _addresses(part) if is_named(text)]
    return list(dict.fromkeys(names))


def is_named(text: str) -> bool:
    return is_task_id(text) or is_file_id(text)


def is_file_id(text: str) -> bool:
    return _FILE_ID.fullmatch(text) is not None


def read_chat(body: Json, files: Mapping[str, Located]) -> ChatRequest:
    """Return the request. `files` gives the object of each id in `named_files`. Raises `FieldRefused`."""
    given: Json = {name: value for name, value in body.items() if value is not None and value != []}
    if "functions" in given or "function_call" in given:
        raise FieldRefused("functions", "functions: this form is not taken any more. Use tools and tool_choice.")
    options = given.pop("stream_options", None)
    include_usage = isinstance(options, dict) and options.get("include_usage") is True
    request: Json = {name: given.pop(name) for name in list(given) if name in PASSED_ON}
    if request.get("service_tier") == "auto":
        del request["service_tier"]
    if (limit := given.pop("max_completion_tokens", None)) is not None:
        request["max_tokens"] = limit
    if (effort := given.pop("reasoning_effort", None)) is not None:
        request["reasoning_effort"] = _EFFORTS.get(effort, effort) if isinstance(effort, str) else effort
    dropped: set[str] = set()
    if "tools" in given:
        request["tools"] = _tools(given.pop("tools"), dropped)
    elif "tool_choice" in request:
        del request["tool_choice"]
    if (form := given.pop("response_format", None)) is not None:
        request["response_format"] = _response_format(form, dropped)
    if (noted := given.pop("metadata", None)) is not None:
        request["metadata"] = noted
    wrapped = _extra_body(given)
    if "google" in given:
        request["extra_body"] = {"google": given.pop("google")}
    request["messages"] = _messages(given.pop("messages", None), files)
    ignored = (*sorted(given), *wrapped, *(f"schema.{keyword}" for keyword in sorted(dropped)))
    return ChatRequest(request, ignored, request.get("stream") is True, include_usage)


def _extra_body(given: Json) -> list[str]:
    """Move Gemini's own settings out of `extra_body`, where some clients send them; others merge it into the body.

    Return the other names in it, which have no effect. Raises `FieldRefused` for a cache that would be among them.
    """
    extra_body = given.get("extra_body")
    if not isinstance(extra_body, dict):
        return []
    del given["extra_body"]
    inner = {name: value for name, value in extra_body.items() if value is not None}
    if "cached_content" in inner:
        param = "extra_body.cached_content"
        raise FieldRefused(param, f"{param}: name the cache as extra_body.google.cached_content.")
    if "google" in inner:
        if "google" in given:
            raise FieldRefused("google", "google: it is in extra_body, too. Leave out one of them.")
        given["google"] = inner.pop("google")
    return [f"extra_body.{name}" for name in sorted(inner)]


def _tools(tools: JsonValue, dropped: set[str]) -> JsonValue:
    plain: list[JsonValue] = []
    for number, tool in enumerate(tools if isinstance(tools, list) else [tools]):
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise FieldRefused(f"tools.{number}.type", f"tools.{number}.type: only function is taken.")
        function = tool.get("function")
        if isinstance(function, dict) and isinstance(parameters := function.get("parameters"), dict):
            function = {**function, "parameters": without_unknown_keywords(parameters, dropped)}
        plain.append({"type": "function", "function": function})
    return plain


def _response_format(form: JsonValue, dropped: set[str]) -> JsonValue:
    if not isinstance(form, dict):
        wanted = 'send an object, such as {"type": "json_object"}'
        raise FieldRefused("response_format", f"response_format: {wanted}.")
    if isinstance(schema := form.get("schema"), dict):
        # The format of other servers, which some clients send.
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    inner = form.get("json_schema")
    if isinstance(inner, dict) and isinstance(schema := inner.get("schema"), dict):
        return {**form, "json_schema": {**inner, "schema": without_unknown_keywords(schema, dropped)}}
    return form


def _messages(messages: JsonValue, files: Mapping[str, Located]) -> JsonValue:
    if not isinstance(messages, list):
        raise FieldRefused("messages", "messages: a list of messages is needed.")
    plain = [
        _message(message, f"messages.{turn}", files) if isinstance(message, dict) else message
        for turn, message in enumerate(messages)
    ]
    last = plain[-1] if plain else None
    if isinstance(last, dict) and last.get("role") in ("system", "developer") and not _is_blank(last.get("content")):
        # OpenAI's models answer instructions at the end, or alone. Gemini's are not part of the conversation.
        plain[-1] = {**last, "role": "user"}
    return plain


def _is_blank(content: JsonValue) -> bool:
    """Return whether a message has no words. Of a list, any part but a blank text counts."""
    if isinstance(content, list):
        return all(
            isinstance(part, dict) and part.get("type") == "text" and _is_blank(part["text"]) for part in content
        )
    return content is None or (isinstance(content, str) and not content.strip())


def _message(message: Json, param: str, files: Mapping[str, Located]) -> JsonValue:
    """Return one message without the response-only fields that clients echo, such as `audio`.

    The text of a refusal, which has no content, becomes the content.
    """
    kept = {"role", "content", "name", "tool_calls", "tool_call_id"}
    plain: Json = {name: value for name, value in message.items() if name in kept and value not in (None, [])}
    if "content" not in plain and isinstance(refusal := message.get("refusal"), str):
        plain["content"] = refusal
    if isinstance(calls := plain.get("tool_calls"), list):
        plain["tool_calls"] = [
            {name: value for name, value in call.items() if name in ("id", "type", "function", "extra_content")}
            if isinstance(call, dict)
            else call
            for call in calls
        ]
    if isinstance(content := plain.get("content"), list):
        parts = enumerate(content)
        plain["content"] = [
            _part(part, f"{param}.content.{place}", files) if isinstance(part, dict) else part for place, part in parts
        ]
    return plain


def _part(part: Json, param: str, files: Mapping[str, Located]) -> JsonValue:
    match part.get("type"):
        case "text":
            return {"type": "text", "text": part.get("text")}
        case "refusal":
            return {"type": "text", "text": part.get("refusal")}
        case "image_url" | "video_url" | "audio_url" | "file_url" as kind:
            where = part.get(kind)
            place: Json = {"url": where} if isinstance(where, str) else dict(where) if isinstance(where, dict) else {}
            return {"type": kind, kind: _located(str(place.get("url") or ""), param, files) or place}
        case "input_audio":
            return _audio(part, param, files)
        case "file":
            return _file(part, param, files)
        case _:
            return part


def _audio(part: Json, param: str, files: Mapping[str, Located]) -> JsonValue:
    audio = part.get("input_audio")
    data = str(audio.get("data") or "") if isinstance(audio, dict) else ""
    if (located := _located(data, param, files)) is not None:
        return {"type": "audio_url", "audio_url": located}
    if _DATA_OR_ADDRESS.match(data):
        return {"type": "audio_url", "audio_url": {"url": data}}
    form = str(audio.get("format") or "") if isinstance(audio, dict) else ""
    mime = _AUDIO_TYPES.get(form, f"audio/{form}")
    return {"type": "audio_url", "audio_url": {"url": f"data:{mime};base64,{data}"}}


def _file(part: Json, param: str, files: Mapping[str, Located]) -> JsonValue:
    file = part.get("file")
    if not isinstance(file, dict):
        return part
    text = str(file.get("file_id") or file.get("file_data") or file.get("file_url") or "")
    if (located := _located(text, param, files)) is not None:
        return {"type": "file_url", "file_url": located}
    if _DATA_OR_ADDRESS.match(text):
        return {"type": "file_url", "file_url": {"url": text}}
    if file.get("file_data"):
        # Some clients leave out "data:"; then the type follows from the file's name.
        kind = kind_of_name(str(file.get("filename") or ""))
        mime = kind.mime if kind else "application/pdf"
        return {"type": "file_url", "file_url": {"url": f"data:{mime};base64,{text}"}}
    message = f"{param}.file: send file_data (data:…;base64,…), or as file_id a file's id, a task's id or gs://…."
    raise FieldRefused(f"{param}.file", message)


def _located(text: str, param: str, files: Mapping[str, Located]) -> Json | None:
    """Return the object that an id stands for; None if the text is not an id. Raises `FieldRefused` for unknown ids."""
    if not is_named(text):
        return None
    if (file := files.get(text)) is None:
        raise FieldRefused(param, f"{param}: there is no file {text!r} for this key.")
    return {"url": file.uri, **({"generation": str(file.generation)} if file.generation is not None else {})}


def _addresses(part: Json) -> list[str]:
    """Return every short text in a content part, since any of them may be an id."""
    texts: list[str] = []
    for value in part.values():
        members = list(value.values()) if isinstance(value, dict) else [value]
        texts += [text for text in members if isinstance(text, str) and len(text) < 64]
    return texts


def _objects(value: JsonValue) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
