"""Asking the model, once: the answer is stored before anything else is done with it, and used again by a takeover."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

from pydantic import JsonValue

from functions.generate.lease import Holding
from functions.generate.model.answer_store import keep
from functions.generate.model.context_cache import naming, prolong
from functions.generate.model.stream_chunks import telling
from functions.generate.postponement import warn_others
from shared.cloud.telemetry import log
from shared.domain.answer import response as answer
from shared.domain.answer.response import Json
from shared.domain.errors import (
    Blocked,
    ConnectionBroken,
    DailyQuotaSpent,
    PermanentFailure,
    Postponement,
    Throttled,
    TimeIsUp,
    Unavailable,
)
from shared.domain.models.catalogue import Model, UnknownName, resolve
from shared.domain.recipe.question import Question
from shared.domain.service_errors import HandleGone
from shared.off_loop import off_loop
from shared.wiring import Generate

_TIME_TO_ASK = 0.5
"""Of a dispatch's time: with less left, and something gained that lasts, the next dispatch asks and is not cut off."""


async def stand_by(road: Generate, model: str) -> None:
    """Raise the refusal that stands for `model`, rather than call into it."""
    note = await road.throttle.standing(model)
    if note is not None:
        delay = (note.until - road.clock.now()).total_seconds()
        refusal = {"daily_quota": DailyQuotaSpent, "blocked": Blocked}.get(note.reason, Throttled)
        raise refusal(note.detail, delay=delay)


async def make_sure_of(road: Generate, model: str) -> None:
    """Ask the service about a name that the catalogue does not know; it may be newer. Raises where it is no use."""
    known = resolve(model)
    if not isinstance(known, UnknownName):
        return
    methods = await road.gemini.methods(known.name)
    better = " or ".join(known.suggestions)
    if methods is None:
        raise PermanentFailure("model_not_found", f"Gemini has no model {known.name!r}. Do you mean {better}?")
    if "generateContent" not in methods:
        raise PermanentFailure(
            "model_not_support_capability", f"Model {known.name} cannot be asked about files. Use {better}."
        )


def notices(road: Generate, model: str) -> tuple[str, ...]:
    """What a user of this model is to be told."""
    today = road.clock.now().date()
    known = resolve(model, today)
    notice = known.notice(today) if isinstance(known, Model) else None
    return () if notice is None else (notice,)


async def ask(
    road: Generate, held: Holding, question: Question, *, number: int = 0, asked: tuple[str, ...] = ("",)
) -> Json:
    """One billed call, the task's round `number`. Returns the stored record: what was asked, and the whole response.

    `asked` names all questions of the task.
    """
    if held.gained and held.seconds_left < road.settings.time_limit_seconds * _TIME_TO_ASK:
        raise TimeIsUp(f"too little time is left to ask {question.model}")
    await held.confirm()
    async with telling(road, held, reasoning=question.reasoning) as readers:
        pieces: list[Json] = []
        held.answering = True
        try:
            async for piece in _answer(road, held, question):
                pieces.append(piece)
                readers.heard(piece)
        except PermanentFailure as failure:
            raise _with_successor(road, question.model, failure) from failure
        except Unavailable as away:
            # A refusal costs nothing; what broke off may have been an answer.
            held.answering = bool(pieces) or isinstance(away, ConnectionBroken)
            raise
        except Postponement as refusal:
            await warn_others(road, question.model, refusal)
            raise
        record: Json = {
            "task": held.task.id,
            "claim": held.token,
            "round": number,
            "asked": list(asked),
            "question": cast(JsonValue, question.model_dump(mode="json", exclude={"body"})),
            "response": await off_loop(answer.join, pieces),
        }
        held.answering = False
        await keep(road, held, number, record)
    return record


async def _answer(road: Generate, held: Holding, question: Question) -> AsyncIterator[Json]:
    """The model's answer in pieces. A refusal that may be of the context cache leads to the question with the file."""
    await prolong(road, held)
    cache = held.cache if question.cacheable else None
    if cache is not None:
        begun = False
        try:
            async for piece in _streamed(road, held, question.model, naming(cache, question.body)):
                begun = True
                yield piece
        except (PermanentFailure, Blocked, HandleGone) as refusal:
            if begun:
                raise
            log("WARNING", "cache_not_taken", refusal.message, task=held.task.id)
            held.cache = None
        else:
            return
    async for piece in _streamed(road, held, question.model, question.body):
        yield piece


def _streamed(road: Generate, held: Holding, model: str, body: Json) -> AsyncIterator[Json]:
    return road.gemini.stream(model, body, timeout=max(1.0, held.seconds_left))


def _with_successor(road: Generate, model: str, failure: PermanentFailure) -> PermanentFailure:
    """Of a model that was shut down, which one to use."""
    if failure.code != "model_not_found":
        return failure
    return PermanentFailure(failure.code, " ".join((failure.message, *notices(road, model))))
