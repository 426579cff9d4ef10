"""Call the model once per round. The answer is stored before anything else is done with it; a takeover reuses it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import cast

from pydantic import JsonValue

from functions.generate.lease import Lease
from functions.generate.model.answer_store import store_answer
from functions.generate.model.context_cache import prolong
from functions.generate.model.service_tier import flex_refusals_named
from functions.generate.model.stream_chunks import telling
from functions.generate.postponement import leave_throttle_note
from shared.cloud.telemetry import log
from shared.domain.answer import response as answer
from shared.domain.answer.response import Json
from shared.domain.checks.loop_watch import LoopWatch
from shared.domain.checks.rounds import cut_in_loop
from shared.domain.errors import (
    Blocked,
    ConnectionBroken,
    DailyQuotaSpent,
    FlexRefused,
    PermanentFailure,
    Postponement,
    Throttled,
    TimeIsUp,
    TransientFailure,
    Unavailable,
)
from shared.domain.models.catalogue import Model, UnknownName, resolve
from shared.domain.models.tokens import CHARACTERS_PER_TOKEN
from shared.domain.money.calls import call_of
from shared.domain.recipe.cached_content import body_naming_cache
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
    await deps.breaker.refuse_if_open(model)


async def require_model(deps: GenerateDeps, model: str) -> None:
    """Ask the service about a model that the catalogue lacks. Raises `PermanentFailure` if it cannot be used."""
    resolved = resolve(model)
    if not isinstance(resolved, UnknownName):
        return
    methods = await deps.gemini.methods(resolved.name)
    better = " or ".join(resolved.suggestions)
    if methods is None:
        raise PermanentFailure("model_not_found", f"Gemini has no model {resolved.name!r}. Do you mean {better}?")
    if "generateContent" not in methods:
        raise PermanentFailure(
            "model_not_support_capability", f"Model {resolved.name} cannot be asked about files. Use {better}."
        )


def model_notices(deps: GenerateDeps, model: str) -> tuple[str, ...]:
    """Return warnings for users of this model, such as its shutdown date."""
    today = deps.clock.now().date()
    resolved = resolve(model, today)
    notice = resolved.notice(today) if isinstance(resolved, Model) else None
    return () if notice is None else (notice,)


async def call_model(
    deps: GenerateDeps, lease: Lease, question: Question, *, number: int = 0, question_names: tuple[str, ...] = ("",)
) -> Json:
    """Make one billed call, the task's round `number`. Return the stored record: the question and the whole response.

    `question_names` has the names of all questions of the task.
    """
    if lease.gained and lease.seconds_left < deps.settings.time_limit_seconds * _TIME_TO_ASK:
        raise TimeIsUp(f"too little time is left to ask {question.model}")
    await lease.confirm()
    await deps.breaker.enter(question.model)
    silent = question.part is not None
    async with telling(deps, lease, reasoning=question.reasoning, silent=silent) as readers:
        pieces: list[Json] = []
        lease.answering = True
        began = deps.clock.now()
        try:
            with lease.timed("model"):
                async for piece in cut_at_loops(flex_refusals_named(_answer(deps, lease, question), question)):
                    pieces.append(piece)
                    readers.heard(piece)
        except PermanentFailure as failure:
            raise _with_successor(deps, question.model, failure) from failure
        except TransientFailure as failure:
            if isinstance(failure, Unavailable):
                # A refusal costs nothing; what broke off may have been an answer.
                lease.answering = bool(pieces) or isinstance(failure, ConnectionBroken)
            await deps.breaker.note_failure(question.model, failure)
            raise
        except FlexRefused:
            lease.answering = False
            raise
        except Postponement as refusal:
            await leave_throttle_note(deps, question.model, refusal)
            raise
        record = await _store(deps, lease, question, pieces, began=began, number=number, names=question_names)
    await deps.breaker.note_success(question.model)
    return record


async def _store(
    deps: GenerateDeps,
    lease: Lease,
    question: Question,
    pieces: list[Json],
    *,
    began: datetime,
    number: int,
    names: tuple[str, ...],
) -> Json:
    """Store the record of a call, and enter the call in the task's ledger; return the record."""
    record: Json = {
        "task": lease.task.id,
        "claim": lease.token,
        "round": number,
        "asked": list(names),
        "question": cast(JsonValue, question.model_dump(mode="json", exclude={"body"})),
        "response": await off_loop(answer.join, pieces),
        "at": began.isoformat(),
        "seconds": round((deps.clock.now() - began).total_seconds(), 3),
        "tier": question.body.get("serviceTier"),
    }
    lease.answering = False
    with lease.timed("store"):
        await store_answer(deps, lease, number, record)
    lease.calls = [*(lease.calls or ()), call_of(record)]
    return record


async def _answer(deps: GenerateDeps, lease: Lease, question: Question) -> AsyncIterator[Json]:
    """Yield the model's answer in pieces. If the context cache may have caused a refusal, ask without it."""
    await prolong(deps, lease)
    cache = lease.cache if question.cacheable else None
    if cache is not None:
        begun = False
        try:
            async for piece in _streamed(deps, lease, question.model, body_naming_cache(cache.name, question.body)):
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


async def cut_at_loops(pieces: AsyncGenerator[Json]) -> AsyncIterator[Json]:
    """Yield an answer's pieces; close the stream once it is caught in a loop, with a last piece that says so."""
    watch, characters = LoopWatch(), 0
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece
            text = "".join(answer.text(candidate) for candidate in answer.candidates(piece)[:1])
            characters += len(text)
            if (phrase := watch.add(text)) is not None:
                log("WARNING", "loop_cut", "the answer repeats itself over and over: its stream was closed")
                yield cut_in_loop(phrase, characters // CHARACTERS_PER_TOKEN)
                return


def _streamed(deps: GenerateDeps, lease: Lease, model: str, body: Json) -> AsyncIterator[Json]:
    return deps.gemini.stream(model, body, timeout=max(1.0, lease.seconds_left))


def _with_successor(deps: GenerateDeps, model: str, failure: PermanentFailure) -> PermanentFailure:
    """Add to the failure which model replaces one that was shut down."""
    if failure.code != "model_not_found":
        return failure
    return PermanentFailure(failure.code, " ".join((failure.message, *model_notices(deps, model))))
