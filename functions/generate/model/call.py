"""Asking the model, once: the answer is stored before anything else is done with it, and used again by a takeover."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

from pydantic import JsonValue

from functions.generate.lease import Lease
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
from shared.wiring import GenerateDeps

_TIME_TO_ASK = 0.5
"""Of a dispatch's time: with less left, and something gained that lasts, the next dispatch asks and is not cut off."""


async def refuse_if_throttled(deps: GenerateDeps, model: str) -> None:
    """Raise the refusal that stands for `model`, rather than call into it."""
    note = await deps.throttle.standing(model)
    if note is not None:
        delay = (note.until - deps.clock.now()).total_seconds()
        refusal = {"daily_quota": DailyQuotaSpent, "blocked": Blocked}.get(note.reason, Throttled)
        raise refusal(note.detail, delay=delay)


async def require_model(deps: GenerateDeps, model: str) -> None:
    """Ask the service about a name that the catalogue does not know; it may be newer. Raises where it is no use."""
    known = resolve(model)
    if not isinstance(known, UnknownName):
        return
    methods = await deps.gemini.methods(known.name)
    better = " or ".join(known.suggestions)
    if methods is None:
        raise PermanentFailure("model_not_found", f"Gemini has no model {known.name!r}. Do you mean {better}?")
    if "generateContent" not in methods:
        raise PermanentFailure(
            "model_not_support_capability", f"Model {known.name} cannot be asked about files. Use {better}."
        )


def notices(deps: GenerateDeps, model: str) -> tuple[str, ...]:
    """What a user of this model is to be told."""
    today = deps.clock.now().date()
    known = resolve(model, today)
    notice = known.notice(today) if isinstance(known, Model) else None
    return () if notice is None else (notice,)


async def ask(
    deps: GenerateDeps, lease: Lease, question: Question, *, number: int = 0, asked: tuple[str, ...] = ("",)
) -> Json:
    """One billed call, the task's round `number`. Returns the stored record: what was asked, and the whole response.

    `asked` names all questions of the task.
    """
    if lease.gained and lease.seconds_left < deps.settings.time_limit_seconds * _TIME_TO_ASK:
        raise TimeIsUp(f"too little time is left to ask {question.model}")
    await lease.confirm()
    async with telling(deps, lease, reasoning=question.reasoning) as readers:
        pieces: list[Json] = []
        lease.answering = True
        try:
            async for piece in _answer(deps, lease, question):
                pieces.append(piece)
                readers.heard(piece)
        except PermanentFailure as failure:
            raise _with_successor(deps, question.model, failure) from failure
        except Unavailable as away:
            # A refusal costs nothing; what broke off may have been an answer.
            lease.answering = bool(pieces) or isinstance(away, ConnectionBroken)
            raise
        except Postponement as refusal:
            await warn_others(deps, question.model, refusal)
            raise
        record: Json = {
            "task": lease.task.id,
            "claim": lease.token,
            "round": number,
            "asked": list(asked),
            "question": cast(JsonValue, question.model_dump(mode="json", exclude={"body"})),
            "response": await off_loop(answer.join, pieces),
        }
        lease.answering = False
        await keep(deps, lease, number, record)
    return record


async def _answer(deps: GenerateDeps, lease: Lease, question: Question) -> AsyncIterator[Json]:
    """The model's answer in pieces. A refusal that may be of the context cache leads to the question with the file."""
    await prolong(deps, lease)
    cache = lease.cache if question.cacheable else None
    if cache is not None:
        begun = False
        try:
            async for piece in _streamed(deps, lease, question.model, naming(cache, question.body)):
                begun = True
                yield piece
        except (PermanentFailure, Blocked, HandleGone) as refusal:
            if begun:
                raise
            log("WARNING", "cache_not_taken", refusal.message, task=lease.task.id)
            lease.cache = None
        else:
            return
    async for piece in _streamed(deps, lease, question.model, question.body):
        yield piece


def _streamed(deps: GenerateDeps, lease: Lease, model: str, body: Json) -> AsyncIterator[Json]:
    return deps.gemini.stream(model, body, timeout=max(1.0, lease.seconds_left))


def _with_successor(deps: GenerateDeps, model: str, failure: PermanentFailure) -> PermanentFailure:
    """Of a model that was shut down, which one to use."""
    if failure.code != "model_not_found":
        return failure
    return PermanentFailure(failure.code, " ".join((failure.message, *notices(deps, model))))
