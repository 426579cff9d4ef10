"""A question: what one call asks a model, for dropped objects and submitted requests alike."""

from __future__ import annotations

from typing import cast

from pydantic import Field, JsonValue

from shared.domain.answer.response import Json
from shared.domain.models.prices import InputKind
from shared.domain.recipe.definition import Range
from shared.domain.recipe.making import Makes
from shared.domain.splitting.plan import Part
from shared.domain.tasks.task import Frozen, Ran


class About(Frozen):
    """What checking an answer needs to know about its source; stored with the answer."""

    transcript: bool = False
    """Whether the answer renders the whole recording."""
    duration: float | None = None
    """Seconds."""
    range: Range | None = None
    warnings: tuple[str, ...] = ()
    """Warnings from before the question was asked."""
    evidence: bool = False
    """Whether the answer comes with quotes of its source."""
    searched: tuple[str, ...] = ()
    """If it is answered from an index: the places whose files the caller may read."""


class Window(Frozen):
    """What a vector is made of: a piece of a text, or a page without text. `start` and `end` count characters."""

    start: int = 0
    end: int = 0
    text: str = ""
    page: int | None = None
    """Of a page or a picture, counted from 1."""


class Question(Frozen):
    """`body` is generateContent's, in camelCase, with every input uploaded."""

    model: str
    body: dict[str, JsonValue]
    ran: Ran
    """The recipe snapshot that the task stores."""
    reasoning: bool = False
    """Whether the thoughts come with the answer."""
    name: str = ""
    """The question's name; empty if it is the only one."""
    choice: int = 0
    """The number of this answer, counted from 0, if the request wants several."""
    choices: int = 1
    """How many answers its request wants."""
    response_schema: dict[str, JsonValue] | None = None
    """The schema that the answer must fit."""
    continuations: int = 0
    """How often an answer that was cut off may be continued; each is a call."""
    max_tokens: int | None = None
    """The most tokens that the recipe or the request allows the whole answer."""
    repairs: int = 0
    """How often an answer that does not fit may be asked for again; each is a call."""
    cacheable: bool = False
    """Whether its files are large enough for a context cache, where several questions share them."""
    cached_tokens: int = 0
    """The tokens of the context cache that its request names."""
    sources: tuple[str, ...] = ()
    """Its files as `gs://bucket/name#generation`, which stay the same when the files are uploaded again."""
    part: Part | None = None
    """The part of the file that it asks about, if the file was split."""
    about: About = About()
    makes: Makes | None = None
    """What the answer has instead of words: speech, vectors or a picture."""
    windows: tuple[Window, ...] = ()
    """The texts and pages to make vectors of."""
    media: dict[InputKind, int] = Field(default_factory=dict)
    """The tokens of its files, as estimated before the call."""

    @property
    def is_timed_by_model(self) -> bool:
        """Whether the answer is made of timed words, or of what each speaker says."""
        settings = self.ran.snapshot.get("transcription")
        return isinstance(settings, dict) and bool(settings.get("words") or settings.get("speakers"))


def questions_for_answers(question: Question, count: int) -> tuple[Question, ...]:
    """Return the question `count` times, once for each answer that is wanted. A seed is another one for each."""
    if count == 1:
        return (question,)
    return tuple(
        question.model_copy(
            update={
                "name": f"answer {choice + 1}",
                "choice": choice,
                "choices": count,
                "body": _with_seed(question.body, choice),
            }
        )
        for choice in range(count)
    )


def _with_seed(body: Json, choice: int) -> Json:
    config = cast(Json, body.get("generationConfig") or {})
    if not isinstance(seed := config.get("seed"), int):
        return body
    # Seeds are 32-bit integers with a sign.
    return {**body, "generationConfig": {**config, "seed": (seed + choice + 2**31) % 2**32 - 2**31}}
