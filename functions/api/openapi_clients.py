"""The request and response schemas of the OpenAI-compatible end points, for the OpenAPI document.

A field has a type only if other types are refused. Fields that accept anything have a description only.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import JsonValue

from functions.api.openapi_shapes import Document, errors, json_request_body, json_response, reference
from functions.api.response_shapes import Shape
from shared.domain.request.schema import Submission
from shared.domain.tasks.view import Seconds


class TranscriptShown(Shape):
    """`json`, `verbose_json` and `diarized_json`, as in OpenAI's API."""

    text: str
    language: str | None = None
    duration: float | None = None
    segments: list[dict[str, JsonValue]] | None = None
    words: list[dict[str, JsonValue]] | None = None
    usage: dict[str, JsonValue] | None = None


class FileShown(Shape):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: Seconds
    filename: str
    purpose: str


class FileList(Shape):
    object: Literal["list"]
    data: list[FileShown]
    has_more: bool


class FileDeleted(Shape):
    id: str
    object: Literal["file"]
    deleted: Literal[True]


SHAPES: tuple[type, ...] = (TranscriptShown, FileShown, FileList, FileDeleted)

_NAMES_THE_TASK: Document = {
    "x-dropsight-task": {"schema": {"type": "string"}, "description": "The task behind the answer."},
    "x-dropsight-ignored": {"schema": {"type": "string"}, "description": "Fields that had no effect."},
}
_ERRORS = errors(400, 401, 403, 404, 408, 413, 415, 429, 504)
_EVENTS: Document = {"schema": reference("StreamEvent")}
_LOOSE: dict[str, str] = {
    "max_tokens": "Like max_completion_tokens, which goes before it.",
    "tools": "Functions, as OpenAI documents them.",
    "tool_choice": "none, auto, required, or one of the functions; without tools it has no effect.",
    "response_format": "text, json_object, or json_schema with a JSON Schema. Keywords that Gemini lacks are left out.",
    "reasoning_effort": "none, minimal, low, medium, high; xhigh and max mean high.",
    "metadata": "Told with the task.",
    "stream_options": "include_usage: the last chunk of a stream has the usage.",
    "extra_body": "google: thinking_config, audio_transcription_config, cached_content.",
    "google": "As in extra_body.",
    "user": "Accepted, without effect, like store, logprobs, parallel_tool_calls and all others that are not listed.",
}
_FORM_FIELDS: dict[str, str] = {
    "model": "whisper-1 or another of OpenAI's names for the default model, or the name of a Gemini model.",
    "file_url": "gs://… or https://…, instead of a file.",
    "language": "A code such as en.",
    "prompt": "Names and terms as they are spelled, or what stands before the recording.",
    "temperature": "0 to 1.",
    "response_format": "json, text, srt, vtt, verbose_json or diarized_json.",
    "timestamp_granularities[]": "segment or word, with verbose_json or json.",
    "known_speaker_names[]": "Names of speakers.",
    "stream": "true for transcript.text.delta and transcript.text.done events.",
    "chunking_strategy": "Accepted, without effect.",
}


@cache
def chat_request() -> Document:
    """Return the schema of a chat completion request. Fields that are passed on have the types of `Submission`."""
    # Imported here, because only the document needs it.
    from shared.domain.openai.chat import PASSED_ON

    own: dict[str, Any] = Submission.model_json_schema(ref_template="#/components/schemas/{model}")["properties"]
    fields = {name: own[name] for name in sorted(PASSED_ON) if name not in _LOOSE}
    message = {"type": "object", "required": ["role"], "properties": {"role": {"type": "string"}, "content": {}}}
    return {
        "type": "object",
        "required": ["model", "messages"],
        "properties": {
            **fields,
            "messages": {"type": "array", "minItems": 1, "items": message},
            "max_completion_tokens": own["max_tokens"],
            **{name: {"description": text} for name, text in _LOOSE.items()},
        },
    }


CHAT: Document = {
    "responses": {
        200: {
            **(answer := json_response("ChatCompletionShown", headers=_NAMES_THE_TASK)),
            "content": {**answer["content"], "text/event-stream": _EVENTS},
        },
        **_ERRORS,
    },
    "openapi_extra": json_request_body(
        "ChatRequest", {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "Hello?"}]}
    ),
}


def _form(required: str, properties: Document) -> Document:
    """Return a form as the body, with one required field."""
    schema = {"type": "object", "required": [required], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


TRANSCRIPTION: Document = {
    "responses": {
        200: {
            "description": "The transcript, in the form that response_format names.",
            "headers": _NAMES_THE_TASK,
            "content": {
                "application/json": {"schema": reference("TranscriptShown")},
                "text/plain": {"schema": {"type": "string"}},
                "text/vtt": {"schema": {"type": "string"}},
                "text/event-stream": _EVENTS,
            },
        },
        **_ERRORS,
    },
    "openapi_extra": _form(
        "model",
        {
            "file": {"type": "string", "format": "binary", "description": "A recording or a film."},
            **{name: {"description": text} for name, text in _FORM_FIELDS.items()},
        },
    ),
}
FILE_UPLOAD: Document = {
    "responses": {200: json_response("FileShown"), **errors(400, 401, 403, 408, 413, 415, 429)},
    "openapi_extra": _form(
        "file",
        {
            "file": {"type": "string", "format": "binary"},
            "purpose": {"description": "user_data; any other is noted and has no effect."},
        },
    ),
}
FILE_LIST: Document = {"responses": {200: json_response("FileList"), **errors(400, 401, 403, 429)}}
ONE_FILE: Document = {"responses": {200: json_response("FileShown"), **errors(401, 403, 404, 429)}}
FILE_DELETED: Document = {"responses": {200: json_response("FileDeleted"), **errors(401, 403, 404, 429)}}
FILE_CONTENT: Document = {
    "responses": {
        200: {
            "description": "The file's bytes.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        **errors(401, 403, 404, 429),
    }
}
