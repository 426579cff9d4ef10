"""The models of the Gemini Developer API that the stand-in answers for; models.json holds the list."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from local.standins.gemini.errors import ApiError

Version = Literal["v1", "v1beta"]
Thinking = Literal["no", "budget", "budget_always", "level"]


class Model(BaseModel):
    """A model and what it can do; `id` is its name without `models/`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    display_name: str
    description: str
    version: str
    inputs: frozenset[Literal["text", "image", "video", "audio", "document"]]
    outputs: frozenset[Literal["text", "image", "audio", "embedding"]] = frozenset({"text"})
    input_token_limit: int
    output_token_limit: int
    methods: tuple[str, ...] = ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent")
    thinking: Thinking = "no"
    """budget: a thinking budget, 0 turns it off; budget_always: one that cannot be 0; level: a thinking level."""
    thinking_budgets: tuple[int, int] = (0, 24_576)
    thinking_levels: tuple[str, ...] = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
    prefill: bool = True
    """Whether a request may end with a turn of the model, which the answer then goes on with."""
    penalties: bool = True
    """Whether it takes presence and frequency penalties."""
    ends: date | None = None
    """From this day on, `successor` answers requests for it."""
    successor: str | None = None
    functions: bool = True
    code_execution: bool = True
    search: bool = True
    url_context: bool = True
    structured: bool = True
    transcription: bool = False
    """Whether it gives times of words and speakers, by an `audioTranscriptionConfig`."""
    continuation: bool = False
    """Whether it gives continuation tokens."""
    cache_minimum: int = 1024
    """The fewest tokens that a context cache may hold."""
    temperature: float = 1.0
    top_p: float = 0.95
    top_k: int = 64
    alias_of: str | None = None
    """A `-latest` name: listed and served on v1beta only."""

    @property
    def third_generation(self) -> bool:
        """Whether it is of the third generation or a later one."""
        return (self.alias_of or self.id).startswith(("gemini-3", "gemini-4"))

    @property
    def fourth_generation(self) -> bool:
        return (self.alias_of or self.id).startswith("gemini-4")

    def resource(self) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "name": f"models/{self.id}",
            "version": self.version,
            "displayName": self.display_name,
            "description": self.description,
            "inputTokenLimit": self.input_token_limit,
            "outputTokenLimit": self.output_token_limit,
            "supportedGenerationMethods": list(self.methods),
        }
        if "generateContent" in self.methods:
            answer |= {"temperature": self.temperature, "topP": self.top_p, "topK": self.top_k, "maxTemperature": 2}
            answer["thinking"] = self.thinking != "no"
        return answer


@cache
def catalogue() -> dict[str, Model]:
    listed = json.loads(Path(__file__).with_name("models.json").read_text())
    models = {entry["id"]: Model.model_validate(entry) for entry in listed["models"]}
    for alias, target in listed["latest"].items():
        changes = {"id": alias, "display_name": alias.replace("-", " ").title(), "alias_of": target}
        models[alias] = models[target].model_copy(update=changes)
    return models


def listed(version: Version) -> list[Model]:
    return [model for model in catalogue().values() if version == "v1beta" or model.alias_of is None]


def find(name: str, version: Version, method: str | None = None, today: date | None = None) -> Model:
    """Return the model named `models/ID` or `ID`; with a day, the one that answers on it.

    Raises ApiError (404) if there is none, or it does not support `method`.
    """
    model = catalogue().get(name.removeprefix("models/"))
    if model is not None and model.ends is not None and today is not None and today >= model.ends:
        successor = catalogue()[model.successor or model.id]
        model = successor.model_copy(update={"id": model.id, "alias_of": successor.id})
        version = "v1beta"
    available = model is not None and (version == "v1beta" or model.alias_of is None)
    if model is None or not available or (method is not None and method not in model.methods):
        raise _not_found(name, version, method)
    return model


def _not_found(name: str, version: Version, method: str | None) -> ApiError:
    full = name if name.startswith("models/") else f"models/{name}"
    if method is None:
        return ApiError(404, f"Model is not found: {full} for api version {version}")
    return ApiError(
        404,
        f"{full} is not found for API version {version}, or is not supported for {method}. Call ListModels to see the "
        "list of available models and their supported methods.",
    )
