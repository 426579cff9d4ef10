"""The catalogue of models: their inputs, limits and capabilities, and what a model's name refers to.

The data is catalogue.json next to this file; `served_models` brings it up to date from the service's own list.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Annotated, Literal, Protocol, assert_never, get_args

from pydantic import Field

from shared.domain.media.kinds import Family
from shared.domain.models.prices import CatalogueEntry, Dollars, Price, Tier, price_on
from shared.domain.models.releases import GOOGLE_NAME, Stage, readings

Capability = Literal[
    "audio_generation", "batch", "caching", "code_execution", "file_search", "function_calling", "image_generation",
    "live", "maps_grounding", "media_resolution_per_part", "search_grounding", "segmentation", "structured_output",
    "thinking", "transcription", "url_context",
]  # fmt: skip
Output = Literal["audio", "embedding", "image", "text"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
"""`reasoning_effort` of the OpenAI API."""
Level = Literal["minimal", "low", "medium", "high", "xhigh"]
Parameter = Literal["temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty"]
"""Generation parameters that not every model supports."""


class Parameters(Protocol):
    """Anything that has these parameters: a request, or a recipe's table."""

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
"""How long before a model's shutdown its users are warned."""
_SUGGESTIONS = 3
_LONGEST_NAME = 128
"""Characters. The longest model name is half as long."""


class ThinkingByBudget(CatalogueEntry):
    """Gemini 2.5: a number of tokens, -1 for the model's own choice, and 0 for none where that is possible."""

    by: Literal["budget"]
    least: int
    most: int
    can_be_off: bool
    default: Literal["dynamic", "off"]


class ThinkingByLevel(CatalogueEntry):
    """Gemini 3 and 4: one of several levels; thinking cannot be turned off."""

    by: Literal["level"]
    levels: tuple[Level, ...]
    can_be_off: Literal[False]
    default: Level | None
    """None if the guides do not say."""


Thinking = Annotated[ThinkingByBudget | ThinkingByLevel, Field(discriminator="by")]


class ThinkingSetting(CatalogueEntry):
    """A request's `thinkingConfig`: exactly one of both is set."""

    budget: int | None = None
    level: Level | None = None


class Shutdown(CatalogueEntry):
    """The first day on which a model no longer answers itself, and the model that answers instead."""

    on: date
    successor: str


class Model(CatalogueEntry):
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
    """How thinking is configured; None if the model cannot think."""
    updated: str | None = None
    """Year and month."""
    knowledge_cutoff: str | None = None
    previous: bool = False
    """Whether it is of an older generation, which the guide lists separately."""
    prices: tuple[Price, ...] = ()
    """Empty if they are not known."""
    price_source: Literal["google", "third_party"] | None = None
    """google: quoted from Google's own page of prices, if by someone else; third_party: no such quotation was found."""
    cache_storage: Dollars | None = None
    """US dollars for keeping a million tokens in a context cache for an hour; None if that is not known."""
    shutdown: Shutdown | None = None
    api_version: Literal["v1", "v1beta"] = "v1"
    """The oldest stable API version that knows the name: names that end in -latest are on v1beta only."""
    basis: str | None = None
    """The catalogued model whose data this one uses, if its name is only known by its pattern."""
    ignores: frozenset[Parameter] = frozenset()
    """Parameters that the model ignores."""
    refuses: frozenset[Parameter] = frozenset()
    """Parameters that the model refuses with an error."""
    cache_minimum: int | None = None
    """Minimum tokens of a context cache; None if caches are not supported, or the guides do not say."""
    shared_window: bool = False
    """Whether input, thoughts and answer share `input_tokens`; otherwise the answer has a limit of its own."""
    closed_to_new: bool = False
    """Whether only projects that have used it before may call it."""
    answered_by: str | None = None
    """The successor that answers requests for this name and whose data this is, once the model has ended."""
    source: str | None = None
    """Where the data was read, and when."""

    def takes(self, family: Family) -> bool:
        return family in self.inputs

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities

    def price(self, tier: Tier, day: date) -> Price | None:
        """Return what the model costs in a tier on a day; None if that is not known."""
        return price_on(self.prices, tier, day)

    def notice(self, today: date) -> str | None:
        """Return a warning for users of a model whose end is near or past, or None."""
        if self.shutdown is None or today < self.shutdown.on - _NEAR:
            return None
        day, successor = self.shutdown.on.isoformat(), self.shutdown.successor
        if today < self.shutdown.on:
            return f"Model {self.id} ends on {day}. From then on {successor} answers in its place; use {successor}."
        return f"Model {self.id} ended on {day}. {self.answered_by or successor} answers in its place; use {successor}."

    def room_for_input(self, answer_tokens: int | None) -> int:
        """Return how many tokens of input fit beside an answer of `answer_tokens` at most (None: no limit is set)."""
        return self.input_tokens - (answer_tokens or 0) if self.shared_window else self.input_tokens

    def thinking_for(self, effort: Effort) -> ThinkingSetting | None:
        """Return the setting for an OpenAI effort (guide "OpenAI compatibility"); None if the model has none."""
        thinking = self.thinking
        if thinking is None:
            return None
        if effort == "none":
            return ThinkingSetting(budget=0) if thinking.can_be_off else None
        match thinking:
            case ThinkingByBudget():
                tokens = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": thinking.most}[effort]
                return ThinkingSetting(budget=min(max(tokens, thinking.least), thinking.most))
            case ThinkingByLevel():
                efforts: tuple[Level, ...] = get_args(Level)
                enough = efforts[efforts.index(effort) :]
                return ThinkingSetting(level=next((level for level in enough if level in thinking.levels), "high"))
            case _:
                assert_never(thinking)


class Retired(CatalogueEntry):
    """A model that no longer answers, and the one to use instead."""

    id: str
    successor: str
    on: date | None = None
    """Its last day, if known."""


class UnknownName(CatalogueEntry):
    """No known model has this name. If it is `well_formed`, it may be newer than the catalogue: ask the service."""

    name: str
    well_formed: bool
    suggestions: tuple[str, ...]
    """Known names, the closest first; at least one."""

    @property
    def suggestion(self) -> str:
        return self.suggestions[0]


class Catalogue(CatalogueEntry):
    """All models."""

    source: str
    prices_read: date
    """The day on which the list of prices was read."""
    default: str
    latest: dict[str, str]
    """Aliases that Google moves to each new release, and the model whose data is used for them."""
    models: tuple[Model, ...]
    retired: tuple[Retired, ...]

    def resolve(self, name: str, today: date | None = None) -> Model | Retired | UnknownName:
        """Return what `name` means: exactly, or by the documented patterns. "models/" in front is accepted.

        From the day of its end, a model has its successor's data (limits, thinking, parameters) under its own name,
        because the service has the successor answer. Without `today`, no model is regarded as ended.
        """
        short_name = name.strip().removeprefix("models/")
        if len(short_name) > _LONGEST_NAME:
            return UnknownName(name=short_name[:_LONGEST_NAME], well_formed=False, suggestions=(self.default,))
        by_id = {model.id: model for model in self.models}
        if short_name in self.latest:
            return self._on(today, _as_named(by_id[self.latest[short_name]], short_name, "latest"))
        retired_by_id = {model.id: model for model in self.retired}
        for candidate, stage in readings(short_name):
            if candidate in by_id:
                model = by_id[candidate]
                return self._on(today, model if candidate == short_name else _as_named(model, short_name, stage))
            if candidate in retired_by_id:
                return retired_by_id[candidate].model_copy(update={"id": short_name})
        current_ids = [
            model.id
            for model in self.models
            if "text" in model.outputs and not model.can("live") and not model.previous and model.shutdown is None
        ]
        close = get_close_matches(short_name, [*current_ids, *self.latest], n=_SUGGESTIONS, cutoff=0.5)
        return UnknownName(
            name=short_name,
            well_formed=GOOGLE_NAME.fullmatch(short_name) is not None,
            suggestions=tuple(close) or (self.default,),
        )

    def _on(self, today: date | None, model: Model) -> Model:
        """Return `model` as it is on a day: with its own data, or from its end on with those of its successor."""
        by_id = {entry.id: entry for entry in self.models}
        answering, visited = model, set[str]()
        while today is not None and answering.shutdown is not None and today >= answering.shutdown.on:
            successor = answering.shutdown.successor
            if successor in visited or successor not in by_id:
                break
            visited.add(successor)
            answering = by_id[successor]
        if answering is model:
            return model
        own: dict[str, object] = {
            "id": model.id,
            "label": model.label,
            "stage": model.stage,
            "api_version": model.api_version,
            "basis": answering.id,
            "answered_by": answering.id,
            "shutdown": model.shutdown,
            "closed_to_new": model.closed_to_new,
        }
        return answering.model_copy(update=own)

    def default_model(self, families: Sequence[Family] = ()) -> Model:
        """Return the default model if it takes all `families`, else the first stable text model that does."""
        needed = set(families)
        first = self.resolve(self.default)
        candidates = [*([first] if isinstance(first, Model) else []), *self.models]
        return next(
            model
            for model in candidates
            if needed <= model.inputs and "text" in model.outputs and model.stage == "stable" and model.shutdown is None
        )


@cache
def catalogue() -> Catalogue:
    """Return the catalogue that ships with the code."""
    text = resources.files("shared.domain.models").joinpath("catalogue.json").read_text(encoding="utf-8")
    return Catalogue.model_validate_json(text)


def resolve(name: str, today: date | None = None) -> Model | Retired | UnknownName:
    """`Catalogue.resolve` of the catalogue that ships with the code."""
    return catalogue().resolve(name, today)


def find_model(name: str, today: date | None = None) -> Model | None:
    """Return the model that `name` means, or None if it is retired or not in the catalogue."""
    model = resolve(name, today)
    return model if isinstance(model, Model) else None


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


def check_input(model: Model, family: Family) -> str | None:
    """Return why `model` cannot take a file of `family`, or None."""
    if model.takes(family):
        return None
    accepted = ", ".join(_FAMILY_WORDS[accepted_family] for accepted_family in sorted(model.inputs))
    other = catalogue().default_model([family]).id
    return f"Model {model.id} does not take {_FAMILY_WORDS[family]}, only {accepted}. Use {other}, for example."


def refused_parameters(model: Model, parameters: Parameters) -> str | None:
    """Return why `model` would refuse these parameters, or None. A penalty of 0 does not count."""
    refused = sorted(name for name in model.refuses if getattr(parameters, name))
    if not refused:
        return None
    return f"Model {model.id} does not take {' or '.join(refused)}. Leave that out, or choose another model."


def ignored_parameters(model: Model, parameters: Parameters) -> str | None:
    """Return a warning about parameters that `model` ignores, or None."""
    ignored = sorted(name for name in model.ignores if getattr(parameters, name) is not None)
    return f"Model {model.id} takes no notice of {', '.join(ignored)}." if ignored else None


def _as_named(model: Model, name: str, stage: Stage) -> Model:
    version: Literal["v1", "v1beta"] = "v1beta" if stage == "latest" else model.api_version
    return model.model_copy(update={"id": name, "stage": stage, "api_version": version, "basis": model.id})
