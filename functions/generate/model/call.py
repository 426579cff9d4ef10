"""Call the model once per round. The answer is stored before anything else is done with it; a takeover reuses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

from pydantic import JsonValue

from functions.generate.lease import Lease
from functions.generate.model.answer_store import store_answer
from functions.generate.model.context_cache import naming, prolong
from functions.generate.model.stream_chunks import telling
from functions.generate.postponement import leave_throttle_note
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
"""Share of a dispatch's time. With less left, and progress made, the call is left to the next dispatch."""


async def refuse_if_throttled(deps: GenerateDeps, model: str) -> None:
    """Raise the postponement that other dispatches recorded for `model`, if there is one."""
    note = await deps.throttle.current_note(model)
    if note is not None:
        delay = (note.until - deps.clock.now()).total_seconds()
        refusal = {"daily_quota": DailyQuotaSpent, "blocked": Blocked}.get(note.reason, Throttled)
        raise refusal(note.detail, delay=delay)


async def require_model(deps: GenerateDeps, model: str) -> None:
    """Ask the service about a model that the catalogue lacks. Raises `PermanentFailure` if it cannot be used."""
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


def model_notices(deps: GenerateDeps, model: str) -> tuple[str, ...]:
    """Return warnings for users of this model, such as its shutdown date."""
    today = deps.clock.now().date()
    known = resolve(model, today)
    notice = known.notice(today) if isinstance(known, Model) else None
    return () if notice is None else (notice,)


async def call_model(
    deps: GenerateDeps, lease: Lease, question: Question, *, number: int = 0, asked: tuple[str, ...] = ("",)
) -> Json:
    """Make one billed call, the task's round `number`. Return the stored record: the question and the whole response.

    `asked` names all questions of the task.
    """
    if lease.gained and lease.seconds_left < deps.settings.time_limit_seconds * _TIME_TO_ASK:
        raise TimeIsUp(f"too little time is left to ask {question.model}")
    await lease.confirm()
    silent = question.part is not None
    async with telling(deps, lease, reasoning=question.reasoning, silent=silent) as readers:
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
            await leave_throttle_note(deps, question.model, refusal)
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
        await store_answer(deps, lease, number, record)
    return record


async def _answer(deps: GenerateDeps, lease: Lease, question: Question) -> AsyncIterator[Json]:
    """Yield the model's answer in pieces. If the context cache may have caused a refusal, ask without it."""
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
    """Add to the failure which model replaces one that was shut down."""
    if failure.code != "model_not_found":
        return failure
    return PermanentFailure(failure.code, " ".join((failure.message, *model_notices(deps, model))))
