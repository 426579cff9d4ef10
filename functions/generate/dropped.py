"""What a dropped object asks: the recipe that fits what it truly is, about the files handed over to Gemini.

Everything that can be told without the model is told before anything is uploaded.
"""

from __future__ import annotations

from typing import NamedTuple

from functions.generate.asking import stand_by
from functions.generate.holding import Holding
from functions.generate.inputs import examine, hand_over, live_object
from shared.cloud.object_stream import SourceVanished
from shared.cloud.storage import StoredObject
from shared.domain import media, tokens
from shared.domain.catalogue import Model
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.media import Facts
from shared.domain.question import About, Question
from shared.domain.recipe import (
    Dropped,
    Input,
    Missing,
    Recipe,
    WishRefused,
    choose,
    fill,
    grant,
    model_for,
    request,
    unfit,
)
from shared.domain.task import GeminiFile, Ran, Task
from shared.wiring import Generate

_NEARLY_FULL = 0.9
"""Share of the model's window from which the service is asked to count: our estimate is not good enough there."""


class _Part(NamedTuple):
    found: StoredObject
    facts: Facts


async def questions_of_object(road: Generate, held: Holding, ran: Ran | None = None) -> tuple[Question, ...]:
    """One question for each that the recipe asks. `ran` is what an earlier claim began with, to be gone on with."""
    source = held.task.source
    try:
        found = await live_object(road, source)
        first = _Part(found, await examine(road, found))
        about = _dropped(first)
        recipe, ran, warnings = await _recipe(road, held.task, about) if ran is None else (_of(ran), ran, ())
        prompts = [_filled(asked.prompt, about, recipe) for asked in recipe.asked]
        parts = [first, *[await _companion(road, held.task, name) for name in recipe.companions]]
        _refuse_misfits(recipe, [part.facts for part in parts])
        held.model = recipe.model
        await stand_by(road, recipe.model)
        files = [await hand_over(road, held, part.found, part.facts, index=index) for index, part in enumerate(parts)]
        held.progress = 50
        await live_object(road, source)
    except SourceVanished as error:
        await live_object(road, source)
        raise TransientFailure("the object could not be read") from error
    questions = tuple(_questions(recipe, ran, prompts, parts, files, warnings))
    await _count_where_nearly_full(road, recipe, questions[0], [part.facts for part in parts])
    return questions


async def _recipe(road: Generate, task: Task, about: Dropped) -> tuple[Recipe, Ran, tuple[str, ...]]:
    """The recipe that is for the object, with the wishes of its metadata."""
    book = await road.recipes.book(road.settings.inboxes[task.source.bucket].recipes)
    try:
        chosen = choose(book.recipes, about)
        granted = grant(book.recipes, chosen, about)
    except (LookupError, WishRefused) as error:
        raise PermanentFailure("invalid_param", str(error)) from error
    return granted.recipe, granted.recipe.ran(book.origin(granted.recipe)), granted.warnings


def _of(ran: Ran) -> Recipe:
    return Recipe.model_validate(ran.snapshot)


def _filled(prompt: str, about: Dropped, recipe: Recipe) -> str:
    try:
        return fill(prompt, about, recipe.range)
    except Missing as error:
        raise PermanentFailure("invalid_param", f"Recipe {recipe.name}: {error}.") from error


async def _companion(road: Generate, task: Task, name: str) -> _Part:
    """Another object of the same inbox."""
    bucket = task.source.bucket
    found = await road.storage.stat(bucket, name)
    if found is None or not name.startswith(road.settings.inboxes[bucket].prefixes):
        raise PermanentFailure("source_gone", f"gs://{bucket}/{name}, which is to be sent along, is not there.")
    try:
        return _Part(found, await examine(road, found))
    except PermanentFailure as failure:
        raise PermanentFailure(failure.code, f"gs://{bucket}/{name}: {failure.message}") from failure


def _refuse_misfits(recipe: Recipe, files: list[Facts]) -> None:
    """What the model cannot take or do, and what surely does not fit into its window."""
    for misfit in unfit(recipe, [facts.media_type.family for facts in files]):
        raise PermanentFailure(misfit.code, misfit.message)
    if refusal := media.check_prompt(files):
        raise PermanentFailure(refusal.code, refusal.message)
    model = model_for(recipe)
    if isinstance(model, Model) and (
        refusal := tokens.check_context([_seen(recipe, facts) for facts in files], model, recipe.media_resolution)
    ):
        raise PermanentFailure(refusal.code, refusal.message)


def _questions(
    recipe: Recipe, ran: Ran, prompts: list[str], parts: list[_Part], files: list[GeminiFile], noticed: tuple[str, ...]
) -> list[Question]:
    handed = [
        Input(file.uri, file.mime_type, part.facts.media_type.family) for file, part in zip(files, parts, strict=True)
    ]
    about = About(
        transcript=recipe.transcript,
        duration=parts[0].facts.duration,
        range=recipe.range,
        warnings=(*noticed, *(warning for part in parts for warning in _warnings(part.facts))),
    )
    return [
        Question(
            model=recipe.model,
            body=request(recipe, asked, prompt, handed),
            ran=ran,
            reasoning=recipe.thinking is not None and recipe.thinking.include,
            name=asked.name,
            response_schema=asked.response_schema,
            continuations=recipe.most_continuations,
            repairs=1,
            about=about,
        )
        for asked, prompt in zip(recipe.asked, prompts, strict=True)
    ]


async def _count_where_nearly_full(road: Generate, recipe: Recipe, question: Question, files: list[Facts]) -> None:
    model = model_for(recipe)
    if not isinstance(model, Model):
        return
    estimate = sum(tokens.estimate(_seen(recipe, facts), model, recipe.media_resolution) for facts in files)
    if estimate < _NEARLY_FULL * model.input_tokens:
        return
    counted = await road.gemini.count_tokens(recipe.model, question.body)
    if counted > model.input_tokens:
        raise PermanentFailure(
            "context_length_exceeded",
            f"These are {counted:,} tokens; model {model.id} takes at most {model.input_tokens:,}. Cut the file into "
            "parts, or choose a model with a larger window.",
        )


def _seen(recipe: Recipe, facts: Facts) -> Facts:
    """Of a video the model sees the range only."""
    if recipe.range is None or facts.media_type.family != "video" or facts.duration is None:
        return facts
    end = facts.duration if recipe.range.end is None else min(recipe.range.end, facts.duration)
    return facts.model_copy(update={"duration": max(0.0, end - recipe.range.start)})


def _dropped(part: _Part) -> Dropped:
    found, kind = part.found, part.facts.media_type
    return Dropped(
        bucket=found.bucket,
        name=found.name,
        size=found.size,
        family=kind.family,
        mime=kind.mime,
        created_at=found.created_at,
        metadata=found.metadata,
    )


def _warnings(facts: Facts) -> list[str]:
    return [*([facts.media_type.mismatch] if facts.media_type.mismatch else []), *facts.warnings]
