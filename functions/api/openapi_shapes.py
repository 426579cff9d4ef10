"""The schemas, examples, links and errors of the API's responses, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Path
from pydantic import TypeAdapter

from functions.api.response_shapes import (
    ChatCompletionShown,
    ErrorShown,
    Health,
    ModelList,
    ModelShown,
    PagesShown,
    Problem,
    SessionShown,
    StatusShown,
    StreamEvent,
    TaskList,
    UploadOpened,
    UsageShown,
)
from shared.domain.errors import error_type_of
from shared.domain.tasks.task import ID_PATTERN
from shared.domain.tasks.view import EXAMPLE_ID, TaskShown

Document = dict[str, Any]

TaskPath = Annotated[str, Path(json_schema_extra={"pattern": ID_PATTERN, "examples": [EXAMPLE_ID]})]
"""A task id. Any other text answers 404."""

_SHAPES: tuple[type, ...] = (
    TaskShown,
    TaskList,
    ChatCompletionShown,
    StreamEvent,
    ModelShown,
    UsageShown,
    StatusShown,
    ModelList,
    Health,
    ErrorShown,
    Problem,
    SessionShown,
    UploadOpened,
    PagesShown,
)

_ERRORS: dict[int, tuple[str, str]] = {
    400: ("The body is not JSON.", "invalid_param"),
    401: ("No key, or one that is not known, or expired.", "invalid_api_key"),
    402: ("A budget of the day is spent: of tasks, or of money.", "budget_exceeded"),
    403: ("The key may not do this, or may not name this object.", "scope_missing"),
    413: ("The file, or the body, has more bytes than are taken.", "payload_too_large"),
    415: ("The body is compressed.", "unsupported_encoding"),
    504: (
        "The task takes longer than a caller can wait. It goes on: the same request sent again waits for it.",
        "still_processing",
    ),
    404: ("There is no such thing for this key.", "task_not_found"),
    405: ("The path does not know this method.", "method_not_allowed"),
    408: ("The body came too slowly.", "request_timeout"),
    410: ("What was asked for is not kept any more.", "stream_expired"),
    416: ("No byte of the file lies in this range.", "invalid_param"),
    422: ("A field is wrong; `param` names it.", "invalid_param"),
    429: ("Too many requests.", "rate_limited"),
    500: ("Something went wrong on this side.", "internal_error"),
    503: ("A service behind this one does not answer, or it takes too long.", "service_unavailable"),
}

_PENDING: Document = {
    "id": EXAMPLE_ID,
    "object": "llm.generation.task",
    "type": "llm",
    "model": "gemini-3.8-flash",
    "status": "pending",
    "progress": 0,
    "created": 1776874565,
    "stream": None,
    "results": None,
    "error": None,
}
_COMPLETION: Document = {
    "id": f"chatcmpl-{EXAMPLE_ID}",
    "object": "chat.completion",
    "created": 1776874565,
    "model": "gemini-3.8-flash",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "How old is the Brooklyn Bridge?", "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {"prompt_tokens": 71, "completion_tokens": 7, "total_tokens": 78},
}
_COMPLETED: Document = {**_PENDING, "status": "completed", "progress": 100, "results": [_COMPLETION]}
_STREAM = (
    'retry: 2000\nid: 0\nevent: chunk\ndata: {"id":"chatcmpl-…","object":"chat.completion.chunk",…}\n\n'
    'event: done\ndata: {…,"choices":[],"usage":{…},"total_chunks":1}\n\ndata: [DONE]\n\n'
)
_SUBMITS: Document = {
    "a recording": {
        "value": {
            "model": "gemini-3.8-flash",
            "audio_url": "https://storage.googleapis.com/cloud-samples-tests/speech/brooklyn.flac",
            "prompt": "Identify the speakers and emotion in this audio.",
        }
    },
    "messages": {
        "value": {
            "model": "gemini-3.5-flash-lite",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What does this say?"},
                        {"type": "file_url", "file_url": {"url": "gs://inbox/team-a/report.pdf"}},
                    ],
                }
            ],
            "stream": True,
        }
    },
}
_LINKS: Document = {
    name: {"operationId": operation, "parameters": {"task_id": "$response.body#/id"}}
    for name, operation in (
        ("look it up", "get_task"),
        ("read its stream", "stream"),
        ("cancel it", "cancel"),
        ("ask again", "rerun"),
    )
}
_IDENTITY: Document = {"X-Request-Id": {"schema": {"type": "string"}, "description": "Names the request in our logs."}}
_STARTED: Document = {
    "Location": {"schema": {"type": "string"}, "description": "Where to look the task up."},
    "Retry-After": {"schema": {"type": "string"}, "description": "Seconds."},
    "Idempotent-Replayed": {"schema": {"type": "string", "enum": ["true"]}},
}


def reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def errors(*statuses: int) -> dict[int | str, Document]:
    """Return the error responses of a route."""
    return {status: _error(status) for status in (*statuses, 500, 503)}


def json_response(name: str, example: Document | None = None, *, headers: Document | None = None) -> Document:
    """Return the response of status 200 whose body has the named schema."""
    content: Document = {"schema": reference(name)}
    if example is not None:
        content["example"] = example
    return {
        "description": "As asked for.",
        "headers": {**_IDENTITY, **(headers or {})},
        "content": {"application/json": content},
    }


SUBMITTED: Document = {
    "description": "The task; with `sync: true` the bare ChatCompletion; with `stream: true` too, its chunks.",
    "headers": {**_IDENTITY, **_STARTED},
    "content": {
        "application/json": {
            "schema": {"anyOf": [reference("TaskShown"), reference("ChatCompletionShown")]},
            "examples": {"a task": {"value": _PENDING}, "sync": {"value": _COMPLETION}},
        },
        "text/event-stream": {"schema": reference("StreamEvent"), "example": _STREAM},
    },
    "links": _LINKS,
}
TASK = json_response("TaskShown", _COMPLETED, headers={"ETag": {"schema": {"type": "string"}}})
TASKS = json_response(
    "TaskList",
    {"object": "list", "data": [_COMPLETED], "has_more": False, "next": None},
    headers={"Link": {"schema": {"type": "string"}, "description": '`<…>; rel="next"` (RFC 8288).'}},
)
STREAM: Document = {
    "description": "Blocks of chat.completion.chunk, then `done` and [DONE]; or an `error` block.",
    "headers": _IDENTITY,
    "content": {"text/event-stream": {"schema": reference("StreamEvent"), "example": _STREAM}},
}
NOTHING: Document = {
    "description": "Past the end of a stream that has ended: an EventSource stops.",
    "headers": _IDENTITY,
}
_BYTES: Document = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_FILE_HEADERS: Document = {
    **_IDENTITY,
    "ETag": {"schema": {"type": "string"}},
    "Content-Disposition": {"schema": {"type": "string"}},
}
FILE: Document = {"description": "The file.", "headers": _FILE_HEADERS, "content": _BYTES}
FILE_PART: Document = {
    "description": "A part of the file.",
    "headers": {**_FILE_HEADERS, "Content-Range": {"schema": {"type": "string"}}},
    "content": _BYTES,
}
NO_FILE: Document = {"description": "The task is about words alone: it has no file.", "headers": _IDENTITY}
UNCHANGED: Document = {"description": "The task is still as its ETag says.", "headers": _IDENTITY}


def json_request_body(name: str, example: Document, *, required: bool = True) -> Document:
    """Return a JSON body with the named schema."""
    content: Document = {"schema": reference(name), "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


def submission_body() -> Document:
    """Return the body of a request, with an example of each of its two forms."""
    content: Document = {"schema": reference("Submission"), "examples": _SUBMITS}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def components(others: Iterable[type]) -> Document:
    """Return the schemas of all shapes and of `others` as OpenAPI components."""
    schemas: Document = {}
    for shape in (*_SHAPES, *others):
        schema = TypeAdapter(shape).json_schema(ref_template="#/components/schemas/{model}", by_alias=True)
        schemas.update(schema.pop("$defs", {}))
        schemas[shape.__name__] = schema
    return schemas


def _error(status: int) -> Document:
    sentence, code = _ERRORS[status]
    names = {"type": error_type_of(status), "code": code, "param": None}
    detail = {"message": sentence, **names, "request_id": "req-4f0c8b1e"}
    problem = {"title": sentence, "status": status, "detail": sentence, **detail, "type": f"/docs#{code}"}
    del problem["message"]
    headers: Document = dict(_IDENTITY)
    if status == 401:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    if status in (402, 429, 503, 504):
        headers["Retry-After"] = {"schema": {"type": "string"}, "description": "Seconds."}
    return {
        "description": sentence,
        "headers": headers,
        "content": {
            "application/json": {"schema": reference("ErrorShown"), "example": {"error": detail}},
            "application/problem+json": {"schema": reference("Problem"), "example": problem},
        },
    }
