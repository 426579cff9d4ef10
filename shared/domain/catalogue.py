"""Which models are there, what do they take, what can they do, and what does a name mean?

The data is catalogue.json next to this file; `served_models` brings it up to date from the service's own list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Annotated, Literal, NamedTuple, Protocol, assert_never, get_args

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.media.kinds import Family
from shared.domain.media.refusal import Refusal

Stage = Literal["stable", "preview", "latest", "experimental"]
"""Guide "Models", version name patterns."""

Capability = Literal[
    "audio_generation", "batch", "caching", "code_execution", "file_search", "function_calling", "image_generation",
    "live", "maps_grounding", "media_resolution_per_part", "search_grounding", "segmentation", "structured_output",
    "thinking", "url_context",
]  # fmt: skip
Output = Literal["audio", "image", "text"]
Effort = Literal["none", "minimal", "low", "medium", "high"]
"""`reasoning_effort` of the OpenAI API."""
Level = Literal["minimal", "low", "medium", "high"]
Parameter = Literal["temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty"]
"""Of a request's generation parameters: those that not every model heeds."""


class Parameters(Protocol):
    """What sets them, by their names: a request, a recipe's table."""

    @property
    def temperature(self) -> float | None: ...
    @property
    def top_p(self) -> float | None: ...
    @property
    def top_k(self) -> int | None: ...
    @property
    def presence_penalty(self) -> float | None: ...
    @property
    def frequency_penalty(self) -> float | None: ...


_NEAR = timedelta(days=60)
"""How long before a model's shutdown its users are told."""
_SUGGESTIONS = 3


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ThinkingByBudget(_Frozen):
    """Gemini 2.5: a number of tokens, -1 for the model's own choice, and 0 for none where that is possible."""

    by: Literal["budget"]
    least: int
    most: int
    can_be_off: bool
    default: Literal["dynamic", "off"]


class ThinkingByLevel(_Frozen):
    """Gemini 3: one of some levels; it cannot be turned off."""

    by: Literal["level"]
    levels: tuple[Level, ...]
    can_be_off: Literal[False]
    default: Level | None
    """None: the guides do not tell."""


Thinking = Annotated[ThinkingByBudget | ThinkingByLevel, Field(discriminator="by")]


class ThinkingSetting(_Frozen):
    """What to ask for: exactly one of both is set (`thinkingConfig` of a request)."""

    budget: int | None = None
    level: Level | None = None


class Price(_Frozen):
    """List price in US dollars for a million tokens."""

    input: float
    output: float
    cached_input: float | None = None
    audio_input: float | None = None


class Shutdown(_Frozen):
    """The earliest day on which Google may turn a model off, and the one it recommends instead."""

    on: date
    successor: str


class Model(_Frozen):
    """One model. `id` is the name to ask with; the service echoes the exact version in its answer."""

    id: str
    label: str
    stage: Stage
    inputs: frozenset[Family]
    outputs: frozenset[Output]
    input_tokens: int
    output_tokens: int
    capabilities: frozenset[Capability]
    thinking: Thinking | None = None
    """How thinking is set; None where it cannot be."""
    updated: str | None = None
    """Year and month."""
    knowledge_cutoff: str | None = None
    previous: bool = False
    """Of an older generation, which the guide lists apart."""
    price: Price | None = None
    shutdown: Shutdown | None = None
    api_version: Literal["v1", "v1beta"] = "v1"
    """The oldest stable API version that knows the name: names that end in -latest are on v1beta only."""
    basis: str | None = None
    """The catalogued model whose data this one borrows, when the name is only known by its pattern."""
    ignores: frozenset[Parameter] = frozenset()
    """It answers as if these were not set."""
    refuses: frozenset[Parameter] = frozenset()
    """It answers with an error where these are set."""

    def takes(self, family: Family) -> bool:
        return family in self.inputs

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities

    def notice(self, today: date) -> str | None:
        """A warning when a shutdown is near or past: Google may answer with an error then, or with another model."""
        if self.shutdown is None or today < self.shutdown.on - _NEAR:
            return None
        came = "was to be" if today >= self.shutdown.on else "will be"
        return (
            f"Model {self.id} {came} shut down on {self.shutdown.on.isoformat()} at the earliest; "
            f"use {self.shutdown.successor}."
        )

    def thinking_for(self, effort: Effort) -> ThinkingSetting | None:
        """The setting that an OpenAI effort maps to (guide "OpenAI compatibility"); None when the model cannot."""
        thinking = self.thinking
        if thinking is None:
            return None
        if effort == "none":
            return ThinkingSetting(budget=0) if thinking.can_be_off else None
        match thinking:
            case ThinkingByBudget():
                tokens = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}[effort]
                return ThinkingSetting(budget=min(max(tokens, thinking.least), thinking.most))
            case ThinkingByLevel():
                efforts: tuple[Level, ...] = get_args(Level)
                enough = efforts[efforts.index(effort) :]
                return ThinkingSetting(level=next((each for each in enough if each in thinking.levels), "high"))
            case _:
                assert_never(thinking)


class Retired(_Frozen):
    """A model that no longer answers, and the one to use instead."""

    id: str
    successor: str


class UnknownName(_Frozen):
    """No model of this name is known. `well_formed` names may be newer than the catalogue: the service will say."""

    name: str
    well_formed: bool
    suggestions: tuple[str, ...]
    """Known names, the closest first; at least one."""

    @property
    def suggestion(self) -> str:
        return self.suggestions[0]


class Catalogue(_Frozen):
    """All models."""

    source: str
    default: str
    latest: dict[str, str]
    """Aliases that Google moves to each new release, and the model whose data we take for them."""
    models: tuple[Model, ...]
    retired: tuple[Retired, ...]

    def resolve(self, name: str) -> Model | Retired | UnknownName:
        """What `name` means: exactly, or by the documented patterns. "models/" in front is accepted."""
        wanted = name.strip().removeprefix("models/")
        by_id = {model.id: model for model in self.models}
        if wanted in self.latest:
            return _as_named(by_id[self.latest[wanted]], wanted, "latest")
        gone = {retired.id: retired.successor for retired in self.retired}
        for known, stage in _readings(wanted):
            if known in by_id:
                return by_id[known] if known == wanted else _as_named(by_id[known], wanted, stage)
            if known in gone:
                return Retired(id=wanted, successor=gone[known])
        good = [
            model.id
            for model in self.models
            if "text" in model.outputs and not model.can("live") and not model.previous
        ]
        close = get_close_matches(wanted, [*good, *self.latest], n=_SUGGESTIONS, cutoff=0.5)
        return UnknownName(
            name=wanted,
            well_formed=_ITS_OWN.fullmatch(wanted) is not None,
            suggestions=tuple(close) or (self.default,),
        )

    def default_model(self, families: Sequence[Family] = ()) -> Model:
        """The default if it takes all of `families`, else the first stable model that does and answers with text."""
        needed = set(families)
        first = self.resolve(self.default)
        candidates = [*([first] if isinstance(first, Model) else []), *self.models]
        return next(
            model
            for model in candidates
            if needed <= model.inputs and "text" in model.outputs and model.stage == "stable"
        )


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with the code."""
    text = resources.files("shared.domain").joinpath("catalogue.json").read_text(encoding="utf-8")
    return Catalogue.model_validate_json(text)


def resolve(name: str) -> Model | Retired | UnknownName:
    """`Catalogue.resolve` of the catalogue that ships with the code."""
    return catalogue().resolve(name)


def default_model(families: Sequence[Family] = ()) -> Model:
    """`Catalogue.default_model` of the catalogue that ships with the code."""
    return catalogue().default_model(families)


_FAMILY_WORDS: dict[Family, str] = {
    "audio": "audio",
    "image": "images",
    "pdf": "PDF documents",
    "text": "text",
    "video": "video",
}


def check_input(model: Model, family: Family, known: Catalogue | None = None) -> Refusal | None:
    """Why `model` cannot be asked about a file of `family`, or None."""
    if model.takes(family):
        return None
    taken = ", ".join(_FAMILY_WORDS[each] for each in sorted(model.inputs))
    other = (known or catalogue()).default_model([family]).id
    return Refusal(
        code="unsupported_content_type",
        message=f"Model {model.id} does not take {_FAMILY_WORDS[family]}, only {taken}. Use {other}, for example.",
    )


def refused_parameters(model: Model, asked: Parameters) -> str | None:
    """Why `model` would answer a request with these parameters with an error, or None. A penalty of 0 is none."""
    refused = sorted(name for name in model.refuses if getattr(asked, name))
    if not refused:
        return None
    return f"Model {model.id} does not take {' or '.join(refused)}. Leave that out, or choose another model."


def ignored_parameters(model: Model, asked: Parameters) -> str | None:
    """What to tell those who set parameters that `model` takes no notice of, or None."""
    ignored = sorted(name for name in model.ignores if getattr(asked, name) is not None)
    return f"Model {model.id} takes no notice of {', '.join(ignored)}." if ignored else None


_ITS_OWN = re.compile(r"(?:gemini|gemma|learnlm)-[a-z0-9.-]*[a-z0-9]")
"""Names of models that the Gemini API serves all begin so."""
_NAME = r"gemini-(?P<generation>\d+(?:\.\d+)?)-(?P<variation>[a-z]+(?:-[a-z0-9]+)*?)"
_DATED = r"(?P<date>-\d{2}-\d{2,4}|-\d{3,4})"
# Names that callers write: only of a short one is it tried where its parts divide.
_PATTERN = re.compile(
    rf"(?=.{{1,128}}\Z){_NAME}(?P<suffix>-\d{{3}}|-preview{_DATED}?(?P<kind>-[a-z-]+)?|-latest|-exp(?:-[a-z0-9-]+)?)?"
)
_STAGES: tuple[tuple[str, Stage], ...] = (
    ("-latest", "latest"),
    ("-preview", "preview"),
    ("-exp", "experimental"),
    ("-", "stable"),
)


class Release(NamedTuple):
    """What a model's name tells by the documented patterns."""

    generation: float
    variation: str
    stage: Stage


def release(name: str) -> Release:
    """Of a name that follows no pattern: the generation is 0, the variation empty."""
    found = _PATTERN.fullmatch(name)
    if found is None:
        return Release(0.0, "", "stable")
    stage = next(stage for start, stage in _STAGES if (found["suffix"] or "-").startswith(start))
    return Release(float(found["generation"]), found["variation"] + (found["kind"] or ""), stage)


def _readings(name: str) -> list[tuple[str, Stage]]:
    """The names of known models that `name` may be a version of, the closest first."""
    found = _PATTERN.fullmatch(name)
    if found is None or found["suffix"] is None:
        return [(name, "stable")]
    suffix, stage = found["suffix"], release(name).stage
    base = name.removesuffix(suffix)
    undated = [f"{base}-preview"] if stage == "preview" else [f"{base}-exp"] if stage == "experimental" else []
    return [(each, stage) for each in (name, *undated, base)]


def _as_named(model: Model, name: str, stage: Stage) -> Model:
    version: Literal["v1", "v1beta"] = "v1beta" if stage == "latest" else model.api_version
    return model.model_copy(update={"id": name, "stage": stage, "api_version": version, "basis": model.id})
