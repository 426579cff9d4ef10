"""The parts of a request that configure the answer: format, thinking, safety."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from shared.domain.answer.schema_limits import KEYWORDS, MAX_BYTES, MAX_EXPANDED, MAX_SUBSCHEMAS
from shared.domain.answer.schemas import schema_flaw
from shared.domain.models.catalogue import Level
from shared.domain.recipe.transcription import MAX_VOCABULARY, Language, Phrase
from shared.domain.request.messages import StrictModel, error_at

_SCHEMAS = (
    f"A JSON Schema of the keywords that Gemini takes: {', '.join(KEYWORDS)}. At most {MAX_BYTES:,} bytes, "
    f"{MAX_SUBSCHEMAS:,} parts as written and {MAX_EXPANDED:,} once references are followed."
)


class JsonSchemaFormat(StrictModel):
    name: str = Field(default="answer", max_length=64)
    description: str | None = Field(default=None, max_length=10_000)
    schema_: dict[str, JsonValue] = Field(alias="schema", description=_SCHEMAS)
    strict: bool | None = None

    @model_validator(mode="after")
    def _refuse_unsupported_schema(self) -> Self:
        if flaw := schema_flaw(self.schema_):
            raise error_at("json_schema", flaw.message, f"schema.{flaw.path}" if flaw.path else "")
        return self


class TextAnswer(StrictModel):
    type: Literal["text"]


class JsonObjectAnswer(StrictModel):
    type: Literal["json_object"]


class JsonSchemaAnswer(StrictModel):
    type: Literal["json_schema"]
    json_schema: JsonSchemaFormat


class SafetySetting(StrictModel):
    category: Annotated[
        str,
        Field(
            pattern=r"^HARM_CATEGORY_"
            r"(HARASSMENT|HATE_SPEECH|SEXUALLY_EXPLICIT|DANGEROUS_CONTENT|CIVIC_INTEGRITY|JAILBREAK)$"
        ),
    ]
    threshold: Literal["OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"]


class ThinkingConfig(StrictModel):
    thinking_budget: int | None = Field(default=None, ge=-1, le=1 << 20)
    thinking_level: Level | None = None
    include_thoughts: bool | None = None

    @model_validator(mode="after")
    def _refuse_level_with_budget(self) -> Self:
        if self.thinking_budget is not None and self.thinking_level is not None:
            raise ValueError("set thinking_budget or thinking_level, not both")
        return self


class AudioTranscriptionConfig(StrictModel):
    """Settings of a model that is made for transcribing. It is sent the recording and these alone, without a prompt."""

    language_codes: list[Language] | None = Field(default=None, max_length=20)
    custom_vocabulary: list[Phrase] | None = Field(default=None, max_length=MAX_VOCABULARY)
    word_timestamp: bool | None = None
    diarization: bool | None = None


class GoogleExtras(StrictModel):
    cached_content: Annotated[str, Field(pattern=r"^cachedContents/[A-Za-z0-9_-]{1,128}$")] | None = Field(
        default=None,
        description=(
            "A context cache, made with the deployment's own Gemini API key for the same model. Since it may hold "
            "anyone's files, only keys with the scope `operate` may name one. It replaces system messages and tools. "
            "Without it, Dropsight makes caches itself, for a rerun within the hour and for recipes of several "
            "questions."
        ),
    )
    thinking_config: ThinkingConfig | None = None
    audio_transcription_config: AudioTranscriptionConfig | None = None


class ExtraBody(StrictModel):
    google: GoogleExtras | None = None
