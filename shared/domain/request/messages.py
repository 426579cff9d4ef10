"""A conversation in OpenAI's form: messages, their parts, and tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, LiteralString

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from shared.domain.answer.schemas import schema_flaw

Url = Annotated[str, Field(min_length=5, max_length=30 << 20)]
"""`https://…`, `http://…`, `gs://bucket/object`, or `data:<type>;base64,<payload>`."""
MAX_TEXT = 1_000_000
"""Characters of one text."""


class StrictModel(BaseModel):
    """Base class of request bodies: unknown fields are refused, and null counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            return {name: value for name, value in fields.items() if value is not None}
        return fields

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Let the OpenAPI document say that every optional field may be null."""
        schema = handler(core)
        fields = handler.resolve_ref_schema(schema)
        needed = fields.get("required", [])
        for name, field in fields.get("properties", {}).items():
            if name not in needed and {"type": "null"} not in field.get("anyOf", []):
                about = {word: field.pop(word) for word in ("title", "description", "default") if word in field}
                fields["properties"][name] = {"anyOf": [field, {"type": "null"}], **about}
        return schema


def error_at(kind: LiteralString, message: str, path: str) -> PydanticCustomError:
    """Return an error in a part of a field: `path` continues the field's location."""
    return PydanticCustomError(kind, "{message}", {"message": message, "path": path})


def _generation(text: str) -> str:
    if int(text) >= 1 << 63:
        raise ValueError("a generation is a number of 64 bits")
    return text


class Where(StrictModel):
    url: Url
    detail: Literal["auto", "low", "high"] | None = None
    generation: Annotated[str, Field(pattern=r"^[0-9]{1,19}$"), AfterValidator(_generation)] | None = None
    """The generation of a `gs://` object; if it was overwritten, the task fails with `source_superseded`."""


class TextPart(StrictModel):
    type: Literal["text"]
    text: str = Field(max_length=MAX_TEXT)


class ImagePart(StrictModel):
    type: Literal["image_url"]
    image_url: Where


class VideoPart(StrictModel):
    type: Literal["video_url"]
    video_url: Where


class AudioPart(StrictModel):
    type: Literal["audio_url"]
    audio_url: Where


class FileUrlPart(StrictModel):
    type: Literal["file_url"]
    file_url: Where


class AudioData(StrictModel):
    data: Annotated[str, Field(min_length=4, max_length=30 << 20)]
    """Base64."""
    format: Literal["wav", "mp3", "aiff", "aac", "ogg", "flac", "m4a"]


class InputAudioPart(StrictModel):
    type: Literal["input_audio"]
    input_audio: AudioData


class FileData(StrictModel):
    file_data: Url
    filename: str | None = Field(default=None, max_length=1024)


class FilePart(StrictModel):
    type: Literal["file"]
    file: FileData


MediaPart = ImagePart | VideoPart | AudioPart | FileUrlPart | InputAudioPart | FilePart
Part = Annotated[TextPart | MediaPart, Field(discriminator="type")]
Content = (
    Annotated[str, StringConstraints(max_length=MAX_TEXT)] | Annotated[list[Part], Field(min_length=1, max_length=3700)]
)


class CalledFunction(StrictModel):
    name: str = Field(min_length=1, max_length=128)
    arguments: str = Field(max_length=MAX_TEXT)
    """JSON text."""


class CallOfGemini(StrictModel):
    thought_signature: str = Field(max_length=MAX_TEXT)


class CallExtras(StrictModel):
    google: CallOfGemini | None = None


class ToolCall(StrictModel):
    id: str = Field(max_length=256)
    type: Literal["function"] = "function"
    function: CalledFunction
    extra_content: CallExtras | None = None
    """As Gemini returned it with the call. Gemini 3 needs its signature to continue its reasoning."""

    @property
    def thought_signature(self) -> str | None:
        google = self.extra_content.google if self.extra_content else None
        return google.thought_signature if google else None


class Message(StrictModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    name: str | None = Field(default=None, max_length=128)
    tool_calls: list[ToolCall] | None = Field(default=None, min_length=1)
    """Only in an assistant's message."""
    tool_call_id: str | None = Field(default=None, max_length=256)
    """Only in a tool's message."""

    @model_validator(mode="after")
    def _refuse_inconsistent_fields(self) -> Message:
        if self.content is None and not self.tool_calls:
            raise ValueError("a message needs content (an assistant's may have tool_calls instead)")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only an assistant's message has tool_calls")
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a tool's message needs the tool_call_id that it answers")
        if self.role != "user" and any(not isinstance(part, TextPart) for part in self.parts):
            raise ValueError(f"a message of the role {self.role} holds text only")
        return self

    @property
    def parts(self) -> list[TextPart | MediaPart]:
        if isinstance(self.content, str):
            return [TextPart(type="text", text=self.content)]
        return list(self.content or [])

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))


def _parameters(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if schema and (flaw := schema_flaw(schema)):
        raise error_at("json_schema", flaw.message, flaw.path)
    return schema


def find_unanswered_call(messages: Sequence[Message]) -> tuple[str, str] | None:
    """Return the field and the reason if tool results do not match the calls: Gemini requires one for each call."""
    open_: list[str] = []
    for turn, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in open_:
                return f"messages.{turn}.tool_call_id", "it answers no call of the assistant's message before it"
            open_.remove(message.tool_call_id)
        elif message.role == "user" and open_:
            return f"messages.{turn}", f"the call {open_[0]} before it has no answer of a tool"
        open_ += [call.id for call in message.tool_calls or []]
    return ("messages", f"the call {open_[0]} has no answer of a tool") if open_ else None


class FunctionDefinition(StrictModel):
    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$")
    description: str | None = Field(default=None, max_length=10_000)
    parameters: Annotated[dict[str, JsonValue], AfterValidator(_parameters)] | None = None
    """A JSON Schema; an empty one accepts anything."""
    strict: bool | None = None


class FunctionTool(StrictModel):
    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(StrictModel):
    name: str = Field(min_length=1, max_length=128)


class ChosenFunction(StrictModel):
    type: Literal["function"]
    function: NamedFunction
