"""The stand-in model's behaviour, which `PUT /model` of the control server sets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from local.standins.faults import Duration

FinishReason = Literal[
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "FINISH_REASON_UNSPECIFIED",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_RECITATION",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "CONTINUATION",
    "MODEL_ARMOR",
]
"""As the SDK's `types.FinishReason` has them."""
BlockReason = Literal["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"]


class Behaviour(BaseModel):
    """The fields of `PUT /model`.

    A field left out keeps its value; `null` resets it to its default, and `"reset": true` resets all others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency: Duration = 0.0
    """How long the model takes for an answer; a streamed one spreads its chunks over it."""
    processing: Duration | None = None
    """How long every uploaded file is PROCESSING. None: as the service does it, which takes a moment for video only."""
    link_mib_s: float | None = Field(default=None, gt=0)
    """How fast each upload connection is read, in MiB a second; None: as fast as it comes."""
    text: str | None = None
    """The answer's exact text, instead of one derived from the request."""
    parts: list[dict[str, Any]] | None = None
    """The answer's parts, as they are: `[]` or `[{"text": " "}]` is an answer without words. Goes before `text`."""
    loop: str | None = Field(default=None, min_length=1)
    """The answer is this text over and over, up to the limit of tokens. Goes before `text`."""
    no_candidates: bool = False
    """The response has neither candidates nor a reason why not."""
    finish_reason: FinishReason | None = None
    """Each candidate's finish reason. SAFETY, BLOCKLIST, … leave no text; RECITATION, MAX_TOKENS and CONTINUATION half
    of it. The last half that CONTINUATION leaves is one character: then the answer stops."""
    block_reason: BlockReason | None = None
    """Block every prompt: `promptFeedback.blockReason` and no candidates."""
    chunks: int | None = Field(default=None, ge=1, le=10_000)
    """How many chunks a streamed answer comes in; None: as many as its length suggests."""
    error_after: int | None = Field(default=None, ge=0)
    """A stream ends with an in-stream error after this many chunks."""
    error_status: int = Field(default=503, ge=400, le=599)
    """The status of that in-stream error."""
    error_message: str | None = None
    """Its message; None: as the service words it."""
    end_after: int | None = Field(default=None, ge=0)
    """A stream ends, as if it were whole, after this many chunks: no finish reason, no error."""
    continuation_tokens: bool | None = None
    """Whether models give and take continuation tokens; None: as the service does, where only Gemini 4 models do."""
    hop_tokens: int | None = Field(default=None, ge=1, le=1_048_576)
    """After how many tokens a request of a model that gives continuation tokens ends with CONTINUATION; None: 32,768,
    in a stream 65,536."""
    checkpoint_every: int | None = Field(default=None, ge=1)
    """Every so many chunks, a stream of such a model carries a continuation token midway. None: only its end does."""
    key: Literal["ok", "invalid", "revoked"] = "ok"
    """Whether every API key is accepted, invalid or revoked."""
    thoughts: int | None = Field(default=None, ge=0, le=65_536)
    """Thinking tokens of each answer; None: derived from the request, the model and its thinking configuration."""
    store_mib: float = Field(default=20 * 1024, gt=0)
    """The storage quota of all files of the project together: 20 GB."""
    model_version: str | None = Field(default=None, min_length=1)
    """The `modelVersion` that answers name, as when another model answers than was asked for; None: the true one."""
    flex_status: Literal[429, 503] | None = None
    """The status with which requests of the flex tier are refused, as when capacity is short; None: they are served."""
    flex_latency: Duration = 0.0
    """How much longer than others a request of the flex tier takes."""
    fail_processing: bool = False
    """Files uploaded from now on end up FAILED."""

    def with_changes(self, changes: dict[str, Any]) -> Behaviour:
        """Return the behaviour after `PUT /model` with these fields.

        Raises pydantic.ValidationError for an unknown field or a value out of range.
        """
        changes = dict(changes)
        reset = _BOOL.validate_python(changes.pop("reset", None) or False)
        fields = {**({} if reset else self.model_dump()), **changes}
        unset = {name for name, value in changes.items() if value is None and name in Behaviour.model_fields}
        return Behaviour.model_validate({name: value for name, value in fields.items() if name not in unset})


_BOOL = TypeAdapter(bool, config=ConfigDict(strict=True))
