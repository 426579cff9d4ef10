"""What to ask about which files."""

from __future__ import annotations

import hashlib
import json

from pydantic import Field, JsonValue

from shared.domain.task import Frozen, Ran

DEFAULT_MODEL = "gemini-2.5-flash"
TRANSCRIBE_PROMPT = "Please transcribe this audio file"


class Parameters(Frozen):
    """Generation parameters, by the names of the public API."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Recipe(Frozen):
    """One way to ask. `outputs` are the endings of the published files."""

    name: str
    families: tuple[str, ...]
    model: str = DEFAULT_MODEL
    prompt: str
    system: str | None = None
    parameters: Parameters = Parameters()
    outputs: tuple[str, ...] = ("md",)
    response_schema: dict[str, JsonValue] | None = None

    def ran(self, origin: str = "built in") -> Ran:
        """The snapshot that stands on a task, with its hash."""
        snapshot = self.model_dump(mode="json", exclude_defaults=True)
        digest = hashlib.sha256(json.dumps(snapshot, sort_keys=True).encode()).hexdigest()
        return Ran(recipe=self.name, sha256=digest, snapshot=snapshot, origin=origin)


BUILT_IN: tuple[Recipe, ...] = (
    Recipe(name="transcribe", families=("audio",), prompt=TRANSCRIBE_PROMPT, outputs=("txt",)),
    Recipe(
        name="describe-image",
        families=("image",),
        prompt="Describe this image: what it shows, any text in it, and its mood.",
    ),
    Recipe(
        name="summarise",
        families=("pdf", "text"),
        prompt="Summarise this document: its purpose, its main points, and any figures and dates that matter.",
    ),
    Recipe(
        name="describe-video",
        families=("video",),
        prompt="Describe this video: what happens, in order, with timestamps (MM:SS), and what is said.",
    ),
)
"""One default for each media family."""


def choose(recipes: tuple[Recipe, ...], family: str) -> Recipe:
    """The first recipe for a media family."""
    for recipe in recipes:
        if family in recipe.families:
            return recipe
    raise LookupError(f"no recipe takes {family}")
