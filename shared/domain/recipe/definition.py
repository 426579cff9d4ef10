"""Recipes: which files they are for, what to ask, with which model and settings, and what to publish.

The names of the fields are the names in a recipe file, but for `rule` (there `for`) and `companions` (there `with`),
which are words of Python.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shared.domain.answer.timestamps import seconds_of, written
from shared.domain.index_entries import INDEX_NAME
from shared.domain.models.catalogue import Capability, Level, catalogue
from shared.domain.models.names import ModelName
from shared.domain.recipe.evidence import with_evidence
from shared.domain.recipe.field_types import Bytes, Families, Schema, ServiceTier, Words, function_flaw
from shared.domain.recipe.making import Embedding, Makes, Picture, Speech
from shared.domain.recipe.transcription import Transcription
from shared.domain.tasks.task import Frozen, Ran

DEFAULT_MODEL = catalogue().default
"""The model of recipes that name none. `models refresh` changes it before the model ends."""
TRANSCRIBE_PROMPT = "Please transcribe this audio file"
MAX_PROMPT = 100_000
"""Characters (task API)."""
MAX_SYSTEM = 10_000

Ending = Literal["txt", "md", "html", "json", "csv", "srt", "vtt", "png", "wav", "embeddings.json"]
"""The endings of published files."""
Resolution = Literal["low", "medium", "high", "ultra_high"]
ServerTool = Literal["code_execution", "google_search", "url_context"]
Join = Literal["transcript", "append", "merge", "ask"]
"""How the answers about the parts of a file that was split become one: by their times, one after the other, field by
field, or by one more call."""
Harm = Literal["harassment", "hate_speech", "sexually_explicit", "dangerous_content", "civic_integrity", "jailbreak"]
Threshold = Literal["off", "block_none", "block_only_high", "block_medium_and_above", "block_low_and_above"]
MetadataKey = Literal[
    "recipe", "prompt", "model", "system", "range", "schema", "outputs", "with", "temperature", "max_tokens",
    "thinking", "media_resolution", "service_tier", "voice", "language", "aspect_ratio", "image_size",
]  # fmt: skip
"""What an object's metadata may set, each as `dropsight-{key}`."""

_MAX_STORED_BYTES = 512 << 10
"""The largest recipe as JSON, in bytes: it is stored in each task's document, which is limited to 1 MiB."""


class Parameters(Frozen):
    """Generation parameters, by the names of the public API."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=1, lt=2**31)
    max_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    seed: int | None = Field(default=None, ge=-(2**31), lt=2**31)
    stop: tuple[Annotated[str, Field(min_length=1, max_length=1_000)], ...] = Field(default=(), max_length=5)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)


class Thinking(Frozen):
    """How much the model thinks: a level or a number of tokens; in a file also `"low"`, `"off"` or `1024`."""

    level: Level | None = None
    budget: int | None = Field(default=None, ge=-1, le=1 << 20)
    """Tokens; 0 for none, -1 for the model's own choice."""
    include: bool = False
    """Whether the answer includes the thoughts."""

    @model_validator(mode="before")
    @classmethod
    def _expand_short_form(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        if isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"-?\d+", value)):
            return {"budget": int(value)}
        if isinstance(value, str):
            return {"off": {"budget": 0}, "dynamic": {"budget": -1}}.get(value, {"level": value})
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": ["off", "dynamic", *get_args(Level)]}, {"type": "integer"}, handler(core)]}

    @model_validator(mode="after")
    def _refuse_level_with_budget(self) -> Thinking:
        if self.level is not None and self.budget is not None:
            raise ValueError("set a level or a budget, not both")
        return self


class Range(Frozen):
    """A part of a recording, in seconds. In a file `"02:30-03:29"`, or a table with `from` and `to`."""

    start: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    end: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _expand_short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            first, dash, last = value.replace("–", "-").partition("-")
            if not dash:
                raise ValueError(f"{value!r} is no time range: write for example 02:30-03:29")
            value = {"from": first.strip() or "00:00", **({"to": last.strip()} if last.strip() else {})}
        if isinstance(value, dict) and ("from" in value or "to" in value):
            named = {"from": "start", "to": "end"}
            return {
                named.get(name, name): seconds_of(part) if isinstance(part, str) else part
                for name, part in value.items()
            }
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        moment = {"type": ["string", "number"]}
        table = {"type": "object", "properties": {"from": moment, "to": moment}, "additionalProperties": False}
        return {"anyOf": [{"type": "string", "pattern": r"^[\[\]()0-9:., ]*[-–][\[\]()0-9:., ]*$"}, table]}

    def missed(self, duration: float | None) -> str | None:
        """Return why a recording of `duration` seconds (None: unknown) has nothing in this range, or None."""
        if duration is None or self.start < duration:
            return None
        return f"the range begins at {written(self.start)}, the recording ends at {written(duration)}"

    @model_validator(mode="after")
    def _refuse_backwards(self) -> Range:
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"the range ends at {written(self.end)}, not after its start at {written(self.start)}")
        return self


class Rule(Frozen):
    """For which objects a recipe is chosen; all given conditions must hold. In a file: `for`."""

    prefix: Words = ()
    """The object's name starts with one of these."""
    glob: Words = ()
    """The whole name matches one of these: `*` within a folder, `**` across folders, `?`, `[abc]`."""
    family: Families = ()
    min_size: Bytes = 0
    max_size: Bytes | None = None


class Ask(Frozen):
    """One of several questions about the same file; each is a call of its own and publishes files of its own name."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    response_schema: Schema | None = None
    """None: the recipe's."""
    outputs: tuple[Ending, ...] | None = None
    """None: the recipe's."""


class RecipeQuestion(Frozen):
    """The question of one call, with all inherited values filled in. `name` is empty for a recipe's only question."""

    name: str
    prompt: str
    response_schema: dict[str, JsonValue] | None
    outputs: tuple[Ending, ...]
    evidence: bool = False

    @property
    def asked_schema(self) -> dict[str, JsonValue] | None:
        """Return the schema of what the model is to write: the answer's, with its evidence if that is asked for."""
        if self.response_schema is None or not self.evidence:
            return self.response_schema
        return with_evidence(self.response_schema)

    def ending(self, output: Ending) -> str:
        """Return what is appended to the source's name."""
        return f"{self.name}.{output}" if self.name else output


class Recipe(Frozen):
    """One way to ask."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    takes: Annotated[Families, Field(min_length=1)]
    """The families of files that it can be used for."""
    rule: Rule | None = Field(default=None, alias="for")
    """None: only used when it is named."""
    model: ModelName = DEFAULT_MODEL
    prompt: str = Field(default="", max_length=MAX_PROMPT)
    asks: tuple[Ask, ...] = Field(default=(), max_length=20)
    """Several questions instead of one prompt."""
    system: str | None = Field(default=None, max_length=MAX_SYSTEM)
    parameters: Parameters = Parameters()
    thinking: Thinking | None = None
    media_resolution: Resolution | None = None
    service_tier: ServiceTier | None = None
    """`flex`: half the price, when there is capacity; `priority`: before others, at nearly double the price."""
    safety: dict[Harm, Threshold] = Field(default_factory=dict)
    tools: tuple[ServerTool, ...] = ()
    functions: tuple[dict[str, JsonValue], ...] = Field(default=(), max_length=128)
    """Function declarations: name, description, parameters and response (JSON Schemas). Calls are in the answer."""
    response_schema: Schema | None = None
    """The answer is JSON that fits this schema. It is checked, and asked for once more if it does not fit."""
    evidence: bool = False
    """Each value of a structured answer comes with a quote of the source, which is looked up in the source's text."""
    range: Range | None = None
    transcription: Transcription | None = None
    """Asks a model that is made for transcribing, with these settings instead of the prompt."""
    speech: Speech | None = None
    """Makes a WAV of the text, read aloud. The prompt, if there is one, says in which manner."""
    embedding: Embedding | None = None
    """Makes vectors of the text."""
    picture: Picture | None = None
    """Makes a PNG by the prompt and the file."""
    companions: Words = Field(default=(), alias="with", max_length=20)
    """Names of other objects of the same bucket that are sent too."""
    transcript: bool = False
    """Whether the answer is a transcript of the whole recording, to be checked against its length."""
    continuations: int | None = Field(default=None, ge=0, le=20)
    """How often an answer that reached the model's limit is continued. None: 3 times, but never past `max_tokens`."""
    split_minutes: int | None = Field(default=None, ge=1, le=570)
    """A longer recording or film is split into parts of at most this length. None: it is split only if it is too long
    for one call."""
    split_pages: int | None = Field(default=None, ge=1, le=1000)
    """A longer PDF is split into parts of at most this many pages. None: 10 with `count_rows`; otherwise a PDF is split
    only if it is too long for one call."""
    count_rows: bool = False
    """The answer's rows are compared with the text of the PDF, and warnings name missing rows. A long PDF is split into
    windows of pages, and neighbouring windows share a page. In scanned windows, the model counts the rows."""
    cut_documents: bool = False
    """Each document of a dropped PDF that the answer lists, with first_page and last_page, is published as a PDF of
    its own."""
    document_recipe: str | None = None
    """With `cut_documents`: the recipe of the task that is created for each of these documents."""
    join: Join | None = None
    """How the answers about parts are joined. None: transcripts by their times, JSON field by field, others by one more
    call."""
    outputs: tuple[Ending, ...] = ("md",)
    index: str | None = Field(default=None, pattern=INDEX_NAME)
    """The finished file of a dropped object, and its answer, are added to this index, which requests can ask."""
    allow: tuple[MetadataKey, ...] = ()
    """Which keys of an object's metadata are applied."""
    needs: tuple[MetadataKey, ...] = ()
    """What must be set by a recipe that uses this one, or by the object's metadata."""
    requires: tuple[Capability, ...] = ()
    """Capabilities that its prompt needs, besides those that its settings imply."""

    @field_validator("functions")
    @classmethod
    def _refuse_invalid_functions(cls, functions: tuple[dict[str, JsonValue], ...]) -> tuple[dict[str, JsonValue], ...]:
        for declaration in functions:
            if flaw := function_flaw(declaration):
                raise ValueError(flaw)
        names = [declaration["name"] for declaration in functions]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"there are two functions named {repeated}")
        return functions

    @model_validator(mode="after")
    def _refuse_too_large(self) -> Recipe:
        size = len(self.model_dump_json(by_alias=True, exclude_defaults=True).encode())
        if size > _MAX_STORED_BYTES:
            raise ValueError(f"the recipe has {size:,} bytes as JSON; at most {_MAX_STORED_BYTES:,} are taken")
        return self

    @property
    def questions(self) -> tuple[RecipeQuestion, ...]:
        """Return the questions in order, one call each."""
        if not self.asks:
            return (self._question("", self.prompt, self.response_schema, self.outputs),)
        return tuple(
            self._question(
                ask.name,
                ask.prompt,
                self.response_schema if ask.response_schema is None else ask.response_schema,
                self.outputs if ask.outputs is None else ask.outputs,
            )
            for ask in self.asks
        )

    def _question(
        self, name: str, prompt: str, schema: dict[str, JsonValue] | None, outputs: tuple[Ending, ...]
    ) -> RecipeQuestion:
        evidence = self.evidence and schema is not None
        return RecipeQuestion(name=name, prompt=prompt, response_schema=schema, outputs=outputs, evidence=evidence)

    @property
    def makes(self) -> Makes | None:
        """Return what it makes instead of words."""
        if self.speech is not None:
            return "speech"
        return "embedding" if self.embedding is not None else "picture" if self.picture is not None else None

    @property
    def most_continuations(self) -> int:
        if self.transcription is not None or self.makes is not None:
            return 0
        if self.continuations is not None:
            return self.continuations
        return 0 if self.parameters.max_tokens is not None else 3

    def ran(self, origin: str = "built in") -> Ran:
        """Return the snapshot that a task stores, with its hash."""
        snapshot = {"model": self.model, **self.model_dump(mode="json", by_alias=True, exclude_defaults=True)}
        digest = hashlib.sha256(json.dumps(snapshot, sort_keys=True).encode()).hexdigest()
        return Ran(recipe=self.name, sha256=digest, snapshot=snapshot, origin=origin)
