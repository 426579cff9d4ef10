"""The fields of a request, their types and ranges. Errors name the field."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from shared.domain.answer.plain_json import parse
from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.index_entries import INDEX_NAME
from shared.domain.models.catalogue import Effort
from shared.domain.models.names import ModelName
from shared.domain.request.messages import (
    ChosenFunction,
    FunctionTool,
    Message,
    StrictModel,
    Url,
    error_at,
    find_unanswered_call,
)
from shared.domain.request.options import (
    ExtraBody,
    GoogleExtras,
    JsonObjectAnswer,
    JsonSchemaAnswer,
    SafetySetting,
    TextAnswer,
)

LARGEST_BODY = 29 << 20
"""Bytes of JSON: 20 MiB of inline data in base64, and room for the rest. Cloud Run's limit is 32 MiB."""

MAX_ANSWERS = 8
"""Each answer is a billed call; the calls are made one after another."""
_LONGEST_STOP = 1_000
"""Characters of a stop sequence. A request's settings are stored in its task's document, limited to 1 MiB."""
_MAX_TOOL_BYTES = 256 << 10
_CONTROL, _CONTROL_BUT_LINES = re.compile(r"[\x00-\x1f\x7f]"), re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_RESERVED = re.compile(r"__.*__", re.DOTALL)
"""Names of fields that Firestore refuses."""
_UTF_8_MARK = b"\xef\xbb\xbf"
_NOT_JSON = {
    b"\xff\xfe": "it is UTF-16 or UTF-32; write UTF-8",
    b"\xfe\xff": "it is UTF-16; write UTF-8",
    b"\x1f\x8b": "it is compressed by gzip; send it as it is",
}
"""Beginnings of bodies that are not UTF-8, and the message for each."""

_LONGEST_PARAM = 500
_PYDANTIC_PREFIX = re.compile(r"^(?:Value error, |Assertion failed, )")


class Submission(StrictModel):
    """The body of a request. Exactly one of `audio_url` and `messages` must be given."""

    model: ModelName = Field(
        description='Blanks around it and "models/" before it are left out.', examples=["gemini-3.8-flash"]
    )
    audio_url: Url | None = None
    prompt: str | None = Field(default=None, max_length=100_000)
    system_prompt: str | None = Field(default=None, max_length=10_000)
    n: int | None = Field(
        default=None,
        ge=1,
        le=MAX_ANSWERS,
        description="How many answers are given to the question, as `choices` of one result. Each is a billed call.",
    )
    sync: bool = False
    stream: bool = False
    max_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    temperature: float | None = Field(default=None, ge=0, le=2)
    reasoning: bool = False
    """Include the reasoning in the answer."""
    messages: list[Message] | None = Field(default=None, min_length=1, max_length=1000)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=1, lt=2**31)
    seed: int | None = Field(default=None, ge=-(2**31), lt=2**31)
    stop: (
        Annotated[str, Field(min_length=1, max_length=_LONGEST_STOP)]
        | Annotated[
            list[Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_STOP)]], Field(max_length=5)
        ]
        | None
    ) = None
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    response_format: Annotated[TextAnswer | JsonObjectAnswer | JsonSchemaAnswer, Field(discriminator="type")] | None = (
        None
    )
    evidence: bool = False
    """Each value of an answer by a json_schema comes with a quote of the source, which is looked up in it."""
    index: str | None = Field(
        default=None,
        pattern=INDEX_NAME,
        description="Answer from the files that recipes have added to this index, as far as the key may see them; "
        "`message.citations` names the tasks and objects.",
    )
    reasoning_effort: Effort | None = None
    safety_settings: list[SafetySetting] | None = Field(default=None, max_length=16)
    media_resolution: Literal["low", "medium", "high"] | None = None
    service_tier: Literal["flex", "default", "standard", "auto", "priority"] | None = Field(
        default=None,
        description="`flex`: half the price, when there is capacity; after some hours at the standard price. "
        "`priority`: before others, at nearly double the price. `usage.service_tier` says what was served.",
    )
    tools: list[FunctionTool] | None = Field(default=None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | None = None
    recipe: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
        description=(
            "A shipped recipe: what it says holds where the request is silent. In `metadata`, `find` says what detect "
            "and segment-image look for, `dropsight-range` (02:30-03:29) which part of a recording is meant, and "
            "`dropsight-outputs` (json,csv) which files are published."
        ),
        examples=["transcribe-timed"],
    )
    extra_body: ExtraBody | None = None
    callback_url: str | None = Field(default=None, min_length=8, max_length=2048)
    callback_auth: Literal["google"] | None = Field(
        default=None,
        description="`google`: the callback carries a token of the deployment's account, for a receiver on Cloud Run, "
        "Cloud Functions or Workflows that takes no other calls.",
    )
    metadata: (
        dict[
            Annotated[str, StringConstraints(min_length=1, max_length=64)],
            Annotated[str, StringConstraints(max_length=512)],
        ]
        | None
    ) = Field(
        default=None,
        max_length=16,
        description="Told with the task. Without control characters; names like __this__ are reserved.",
    )

    @field_validator("tools")
    @classmethod
    def _refuse_repeated_or_large_tools(cls, tools: list[FunctionTool] | None) -> list[FunctionTool] | None:
        names = [tool.function.name for tool in tools or []]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"there are two functions named {repeated}")
        size = sum(len(tool.model_dump_json(exclude_unset=True).encode()) for tool in tools or [])
        if size > _MAX_TOOL_BYTES:
            raise ValueError(f"the functions have {size:,} bytes of JSON; at most {_MAX_TOOL_BYTES:,} are taken")
        return tools

    @field_validator("metadata")
    @classmethod
    def _refuse_unstorable_metadata(cls, metadata: dict[str, str] | None) -> dict[str, str] | None:
        for name, value in (metadata or {}).items():
            if _CONTROL.search(name) or _CONTROL_BUT_LINES.search(value):
                raise ValueError(f"{name!r} holds a control character")
            if _RESERVED.fullmatch(name):
                raise ValueError(f"{name!r} cannot be stored: names between two underscores on each side are reserved")
        return metadata

    @model_validator(mode="after")
    def _refuse_inconsistent_fields(self) -> Self:
        if (self.audio_url is None) == (self.messages is None):
            raise ValueError("give audio_url or messages, one of them")
        if self.callback_auth is not None and self.callback_url is None:
            raise error_at("no_callback", "callback_auth needs a callback_url", "callback_auth")
        if self.messages is not None and self.prompt is not None:
            raise ValueError("prompt goes with audio_url; with messages, write it as a message")
        if self.messages is not None and self.messages[-1].role not in ("user", "tool"):
            raise error_at("no_question", "the last one must be the user's (or a tool's answer)", "messages")
        if flaw := find_unanswered_call(self.messages or []):
            raise error_at("unanswered_call", flaw[1], flaw[0])
        if self.tool_choice is not None and not self.tools:
            raise ValueError("tool_choice needs tools")
        chosen = self.tool_choice.function.name if isinstance(self.tool_choice, ChosenFunction) else None
        if chosen is not None and chosen not in [tool.function.name for tool in self.tools or []]:
            raise error_at("unknown_function", f"no function of tools is named {chosen}", "tool_choice.function.name")
        thinking = self.google.thinking_config
        if self.reasoning_effort is not None and thinking is not None:
            raise ValueError("reasoning_effort and extra_body.google.thinking_config set the same: give one of them")
        return self

    @property
    def google(self) -> GoogleExtras:
        return (self.extra_body.google if self.extra_body else None) or GoogleExtras()

    @property
    def stop_sequences(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or [])


def read(text: bytes) -> Submission:
    """Parse a body. Raises `RequestRefused`: 400 if it is not JSON, 422 if a field is wrong."""
    refuse_too_large(len(text))
    text = _plain_text(text)
    if b"NaN" in text or b"Infinity" in text:
        _refuse_nan(text)
    try:
        return Submission.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(error) from None


def refuse_too_large(size: int) -> None:
    """Raise 422 if a body has more than `LARGEST_BODY` bytes."""
    if size > LARGEST_BODY:
        message = (
            f"The request has {size:,} bytes; at most {LARGEST_BODY:,} are taken, of which 20 MiB may be inline "
            "data before its base64. Put the file into a bucket and name it as gs://bucket/object."
        )
        raise RequestRefused(422, "payload_too_large", message)


def replace_fields(request: bytes, changes: bytes) -> bytes:
    """Return a stored request's JSON with some fields replaced. Raises like `read`.

    Null fields are removed, except the model.
    """
    before, after = cast(Json, json.loads(request)), read_changes(changes)
    if after.get("model", "") is None:
        del after["model"]
    replaced = {"audio_url": ("messages",), "messages": ("audio_url", "prompt")}
    removed = {name for field, names in replaced.items() if after.get(field) is not None for name in names}
    merged = {**{name: value for name, value in before.items() if name not in removed}, **after}
    return json.dumps({name: value for name, value in merged.items() if value is not None}).encode()


def read_changes(text: bytes) -> Json:
    """Return a rerun's body, which may be empty. Raises like `read`."""
    try:
        changes = parse(_plain_text(text or b"{}"))
    except ValueError as error:
        raise _unreadable(str(error)) from None
    if not isinstance(changes, dict):
        raise FieldRefused("body", "The body must be a JSON object.")
    return changes


def payload_digest(text: bytes) -> str:
    """Return the SHA-256 of a body, the same for every spelling of the same JSON."""
    plain = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def digest_of(submission: Submission) -> str:
    """Return the SHA-256 of a parsed request: the same for all bodies with the same meaning."""
    return payload_digest(as_stored(submission))


@contextmanager
def refuse_on_error() -> Iterator[None]:
    """Turn errors that the input causes in the body of `with` into a 422: a retry would not help."""
    try:
        yield
    except (ValueError, OverflowError, RecursionError) as error:
        # Without the error's message, which may contain inline data.
        message = f"The request cannot be used: a value in it is out of the ordinary ({type(error).__name__})."
        raise FieldRefused("body", message) from error


def _plain_text(text: bytes) -> bytes:
    """Return the body without a byte order mark. Raises `RequestRefused` for other encodings."""
    if why := next((why for start, why in _NOT_JSON.items() if text.startswith(start)), None):
        raise _unreadable(why)
    if b"\0" in text[:4]:
        raise _unreadable("it holds NUL bytes; write UTF-8")
    return text.removeprefix(_UTF_8_MARK)


def _refusal(error: ValidationError) -> RequestRefused:
    # Without the input, which may contain inline data: callers log error responses.
    first = min(error.errors(include_url=False, include_input=False), key=_by_depth)
    if first["type"] == "json_invalid":
        return _unreadable(first["msg"])
    param = ".".join(filter(None, (_param(first["loc"]), first.get("ctx", {}).get("path"))))[:_LONGEST_PARAM]
    message = _PYDANTIC_PREFIX.sub("", first["msg"])
    return FieldRefused(param or "body", f"{param}: {message}" if param else message[:1].upper() + message[1:])


def _by_depth(error: Any) -> tuple[int, bool]:
    """Return a sort key. In a union, the error of the alternative that was validated furthest is the most helpful.

    Of two that were validated as far, the one of the right type is.
    """
    return -len(error["loc"]), error["type"].endswith("_type")


def _param(location: Sequence[str | int]) -> str:
    steps = [step for step in location if isinstance(step, int) or re.fullmatch(r"[a-z0-9_]+", step)]
    members = {"str", "text", "image_url", "video_url", "audio_url", "file_url", "input_audio", "file"}
    # pydantic adds the name of the union's member to the location, after an index or the field.
    return ".".join(
        str(step)
        for before, step in zip([None, *steps], steps, strict=False)
        if isinstance(step, int)
        or before is None
        or not (step == "str" or before == "response_format" or (isinstance(before, int) and step in members))
    )


def _refuse_nan(text: bytes) -> None:
    """Raise for NaN and Infinity, which Python's parser accepts but JSON does not have."""

    def refuse(name: str) -> None:
        raise _unreadable(f"{name} is no JSON number")

    with contextlib.suppress(ValueError, RecursionError):  # The parser that follows reports the error.
        json.loads(text, parse_constant=refuse)


def _unreadable(why: str) -> RequestRefused:
    return RequestRefused(400, "invalid_param", f"The body is not JSON: {why}", param="body")


def as_stored(submission: Submission) -> bytes:
    """Return the JSON of a request as it is stored: only the fields that were set."""
    fields = submission.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return json.dumps(cast(Json, fields), ensure_ascii=False, separators=(",", ":")).encode()
