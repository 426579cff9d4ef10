"""The shapes of the API's responses, as its OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.domain.tasks.view import Seconds, TaskId, TaskShown


class Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class TaskList(Shape):
    object: Literal["list"]
    data: list[TaskShown]
    has_more: bool
    next: TaskId | None


class ChatCompletionShown(Shape):
    """A ChatCompletion as in OpenAI's API."""

    id: str
    object: Literal["chat.completion"]
    created: Seconds
    model: str
    choices: list[dict[str, JsonValue]]
    usage: dict[str, JsonValue] | None = None


class StreamEvent(Shape):
    """One event of a stream: `chunk`, `done` or `error`, or without a name the final [DONE]."""

    id: Annotated[str | None, Field(description="The chunk's offset.")] = None
    event: str | None = None
    data: Annotated[str, Field(description="JSON: a chat.completion.chunk, or an error; or [DONE].")]
    retry: int | None = None


class ModelShown(Shape):
    id: str


class ModelList(Shape):
    object: Literal["list"]
    data: list[ModelShown]


class UsageShown(Shape):
    object: Literal["usage"]
    data: list[dict[str, Any]]
    total: dict[str, Any]


class StatusShown(Shape):
    object: Literal["status"]
    paused: list[dict[str, Any]]
    breakers: list[dict[str, Any]]
    throttled: list[dict[str, Any]]
    open_tasks: int
    budget: dict[str, Any]


class Health(Shape):
    status: Literal["ok"]


class ErrorDetail(Shape):
    message: str
    type: str
    code: str
    param: str | None
    request_id: str


class ErrorShown(Shape):
    error: ErrorDetail


class Problem(Shape):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    param: str | None
    request_id: str


class KeyShown(Shape):
    id: str
    name: str
    scopes: list[str]
    sources: list[str]


class SessionShown(Shape):
    """What a key may do."""

    object: Literal["session"]
    key: KeyShown
    inboxes: Annotated[list[dict[str, JsonValue]], Field(description="Where it may upload: inbox and prefix.")]
    model: Annotated[str, Field(description="The default model.")]
    recipes: list[dict[str, JsonValue]]


class PagesShown(Shape):
    """The pages of a document, and the size of the first in pixels."""

    object: Literal["pages"]
    pages: int
    width: int
    height: int


class UploadOpened(Shape):
    object: Literal["upload"]
    url: Annotated[str, Field(description="PUT the bytes here, by Cloud Storage's protocol of resumable uploads.")]
    uri: Annotated[str, Field(description="gs://inbox/name: GET /v1/tasks?object=… finds its task.")]
    size: int
    expires_at: Seconds


class KeyListed(KeyShown):
    """An API key as its operator sees it."""

    object: Literal["key"]
    state: Literal["active", "expired", "revoked"]
    created: Seconds
    expires_at: Seconds | None
    requests_per_minute: int
    daily_tasks: int | None
    daily_budget: Annotated[str | None, Field(description="US dollars.")]


class KeyMade(KeyListed):
    secret: Annotated[str, Field(description="Shown only now.")]


class KeyList(Shape):
    object: Literal["list"]
    data: list[KeyListed]
