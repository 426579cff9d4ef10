"""What one call asks a model: what a dropped object with its recipe, and what a submitted request, both come to."""

from __future__ import annotations

from pydantic import JsonValue

from shared.domain.recipe import Range
from shared.domain.tasks.task import Frozen, Ran


class About(Frozen):
    """What judging an answer needs to know of its source; stored with the answer, so that nobody reads it twice."""

    transcript: bool = False
    """Whether the answer renders the whole recording."""
    duration: float | None = None
    """Seconds."""
    range: Range | None = None
    warnings: tuple[str, ...] = ()
    """What was noticed before anything was asked."""


class Question(Frozen):
    """`body` is generateContent's, under the API's own (camelCase) names, with every input handed over."""

    model: str
    body: dict[str, JsonValue]
    ran: Ran
    """What stands on the task of what was asked."""
    reasoning: bool = False
    """Whether the thoughts come with the answer."""
    name: str = ""
    """Of one among several questions."""
    response_schema: dict[str, JsonValue] | None = None
    """What the answer must fit."""
    continuations: int = 0
    """How often an answer that was cut off at the model's limit is continued; each is a call."""
    repairs: int = 0
    """How often an answer that does not fit is asked for again; each is a call."""
    cacheable: bool = False
    """Whether its files are large enough for a context cache, where several questions share them."""
    sources: tuple[str, ...] = ()
    """Where its files come from, each as `gs://bucket/name#generation`: handed over anew they have other names."""
    about: About = About()
