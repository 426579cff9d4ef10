"""Call the model once per round. The answer is stored before anything else is done with it; a takeover reuses it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import NamedTuple, cast

from pydantic import JsonValue

from functions.generate.lease import Lease
from functions.generate.model.answer_store import store_answer, store_closed_answer
from functions.generate.model.context_cache import prolong, retire_cache
from functions.generate.model.loop_cut import cut_at_loops
from functions.generate.model.segments import Segments
from functions.generate.model.service_tier import flex_refusals_named
from functions.generate.model.stream_chunks import ChunkWriter, writing_chunks
from functions.generate.postponement import leave_throttle_note
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.answer.continuation import (
    Origin,
    broken_off,
    closed_early,
    is_broken,
    is_closed,
    is_resumable,
    joined_call,
)
from shared.domain.answer.response import Json
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
from shared.domain.money.budgets import prompt_characters
from shared.domain.money.calls import call_of
from shared.domain.recipe.cached_content import body_naming_cache
from shared.domain.recipe.question import Question
from shared.domain.service_errors import HandleGone, TokenRefused
from shared.off_loop import off_loop

_TIME_TO_ASK = 0.5
"""Share of a dispatch's time. If less is left after progress or a wait for a slot, the next dispatch makes the call."""


async def refuse_if_throttled(deps: GenerateDeps, model: str) -> None:
    """Raise the postponement that other dispatches recorded for `model`, if there is one."""
    note = await deps.throttle.current_note(model)
    if note is not None:
        delay = (note.until - deps.clock.now()).total_seconds()
        refusal = {"daily_quota": DailyQuotaSpent, "blocked": Blocked}.get(note.reason, Throttled)
        raise refusal(note.detail, delay=delay)
    await deps.breaker.refuse_if_open(model)


async def require_model(deps: GenerateDeps, model: str, *, method: str = "generateContent") -> None:
    """Ask the service about a model that the catalogue lacks. Raises `PermanentFailure` if it cannot be used."""
    resolved = resolve(model)
    if not isinstance(resolved, UnknownName):
        return
    methods = await deps.gemini.methods(resolved.name)
    better = " or ".join(resolved.suggestions)
    if methods is None:
        raise PermanentFailure("model_not_found", f"Gemini has no model {resolved.name!r}. Do you mean {better}?")
    if method not in methods:
        able = "be asked about files" if method == "generateContent" else "make vectors"
        raise PermanentFailure("model_not_support_capability", f"Model {resolved.name} cannot {able}. Use {better}.")


def model_notices(deps: GenerateDeps, model: str) -> tuple[str, ...]:
    """Return warnings for users of this model, such as its shutdown date."""
    today = deps.clock.now().date()
    resolved = resolve(model, today)
    notice = resolved.notice(today) if isinstance(resolved, Model) else None
    return () if notice is None else (notice,)


async def call_model(
    deps: GenerateDeps,
    lease: Lease,
    question: Question,
    *,
    number: int = 0,
    question_names: tuple[str, ...] = ("",),
    going_on: GoingOn | None = None,
    silent: bool = False,
) -> Json:
    """Make one billed call, the task's round `number`. Return the stored record: the question and the whole response.

    `question_names`: the names of all questions of the task. `going_on`: the answer that the call continues by token.
    If a stream breaks after a token, the record ends at the token. A `silent` call is not streamed to readers.
    """
    silent = silent or question.part is not None
    so_far = going_on.so_far if going_on is not None else None
    stream = writing_chunks(
        deps, lease, reasoning=question.reasoning, silent=silent, so_far=so_far, choice=question.choice
    )
    async with _permitted(deps, lease, question), stream as readers:
        call = _Call(deps, lease, question, number, question_names, going_on)
        lease.answering, lease.resumable = True, going_on is not None
        try:
            await _listen(deps, lease, call, readers)
        except PermanentFailure as failure:
            if going_on is not None and failure.code == "upstream_error" and not call.segments.pieces:
                # Without the token, the service took the same request.
                raise TokenRefused(failure.message).with_summary(failure.summary) from failure
            if not isinstance(failure, TokenRefused):
                await call.store_what_came()
            raise _with_successor(deps, question.model, failure) from failure
        except TransientFailure as failure:
            return await _record_of_broken(deps, lease, call, failure)
        except FlexRefused:
            lease.answering = False
            raise
        except Postponement as refusal:
            await call.store_what_came()
            await leave_throttle_note(deps, question.model, refusal)
            raise
        record = await call.store_whole()
        call.refuse_second_break(record, "Gemini's answer ended early")
    await deps.breaker.note_success(question.model)
    return record


async def _listen(deps: GenerateDeps, lease: Lease, call: _Call, readers: ChunkWriter) -> None:
    """Collect the answer's pieces as they arrive. If the call is stopped, store the pieces so far: they are billed."""
    question = call.question
    try:
        with lease.timed("model"):
            async with aclosing(cut_at_loops(flex_refusals_named(_answer(deps, lease, question), question))) as pieces:
                async for piece in pieces:
                    await call.segments.add({**piece, **call.origin})
                    readers.add(piece)
                    await readers.mark_resumable()
    except asyncio.CancelledError:
        await call.store_closed()
        raise


@contextlib.asynccontextmanager
async def _permitted(deps: GenerateDeps, lease: Lease, question: Question) -> AsyncIterator[None]:
    """Hold a slot if the call needs one; then raise if a billed call must not be made any more."""
    had_time = _has_time(deps, lease)
    # Speech and pictures, some 60 MiB, stay in memory until they are stored: slots limit how many there are.
    place = deps.transfers.slot() if question.makes is not None else contextlib.nullcontext()
    async with place:
        # The wait for the slot may have taken minutes.
        if (lease.gained or had_time) and not _has_time(deps, lease):
            raise TimeIsUp(f"too little time is left to ask {question.model}")
        if question.makes is not None:
            await refuse_if_throttled(deps, question.model)
        await lease.confirm()
        await deps.breaker.enter(question.model)
        yield


def _has_time(deps: GenerateDeps, lease: Lease) -> bool:
    return lease.seconds_left >= deps.settings.time_limit_seconds * _TIME_TO_ASK


async def _record_of_broken(deps: GenerateDeps, lease: Lease, call: _Call, failure: TransientFailure) -> Json:
    """Return the stored record of a stream that broke after a token. Raises the failure if there is no record.

    A call that was refused costs nothing. An answer that had begun, or whose connection broke, is billed.
    """
    if isinstance(failure, Unavailable):
        # A broken stream may have been an answer.
        lease.answering = bool(call.segments.pieces) or isinstance(failure, ConnectionBroken)
    await deps.breaker.note_failure(call.question.model, failure)
    record = await call.store_what_came()
    if record is None:
        if isinstance(failure, ConnectionBroken) and not call.segments.pieces:
            await call.store_closed()
        raise failure
    if not isinstance(failure, ConnectionBroken):
        # What came is kept: this is no attempt that failed.
        raise Unavailable(failure.message).with_summary(failure.summary) from failure
    call.refuse_second_break(record, failure.summary)
    return record


class GoingOn(NamedTuple):
    """The answer that a call continues."""

    origin: Origin
    so_far: Json
    """The response up to the token."""
    after_break: bool
    """Whether that response broke off."""


class _Call:
    """One call while it runs, and how its record is stored."""

    def __init__(
        self,
        deps: GenerateDeps,
        lease: Lease,
        question: Question,
        number: int,
        names: tuple[str, ...],
        going_on: GoingOn | None,
    ) -> None:
        self.question = question
        self._deps, self._lease, self._number, self._began = deps, lease, number, deps.clock.now()
        self._after_break = going_on is not None and going_on.after_break
        self.origin: Json = {"resumedFrom": going_on.origin._asdict()} if going_on is not None else {}
        self._head: Json = {
            "task": lease.task.id,
            "claim": lease.token,
            "round": number,
            "asked": list(names),
            "question": cast(JsonValue, question.model_dump(mode="json", exclude={"body"})),
            "at": self._began.isoformat(),
            "tier": question.body.get("serviceTier"),
            "characters": prompt_characters(question.body),
        }
        self.segments = Segments(deps, lease, number, self._head)

    async def store_broken(self) -> Json | None:
        """Store a broken stream up to its last token; return the record, or None without a token."""
        response = await off_loop(broken_off, self.segments.pieces)
        return None if response is None else await self._store(response)

    async def store_what_came(self) -> Json | None:
        """Store an answer that ended in an error: up to its last token, whose record is returned, or for its cost."""
        record = await self.store_broken()
        if record is None and self.segments.pieces:
            await self.store_closed()
        return record

    async def store_whole(self) -> Json:
        return await self._store({**await off_loop(joined_call, self.segments.pieces), **self.origin})

    async def store_closed(self) -> None:
        """Store the pieces of a call that was stopped or broke off, in one try, and enter the call in the ledger.

        Without a piece, all that is known is what the call may have cost at most.
        """
        response = await off_loop(closed_early, self.segments.pieces)
        if response is None:
            lost = self._lease.ledger.lost
            self._lease.ledger = self._lease.ledger.with_lost(lost.with_call(lost.estimate or 0))
            return
        record, progress = self._enter(response), not is_closed(response)
        await store_closed_answer(self._deps, self._lease, self._number, record, progress=progress)

    def refuse_second_break(self, record: Json, message: str) -> None:
        """Raise `Unavailable` if this call broke off like the one before it, so that the next call follows a pause."""
        if self._after_break and is_broken(cast(Json, record["response"])):
            raise Unavailable(message)

    async def _store(self, response: Json) -> Json:
        """Store the record of the call, and enter the call in the task's ledger; return the record."""
        deps, lease = self._deps, self._lease
        record = self._enter(response)
        with lease.timed("store"):
            if self.question.makes is not None:
                # Loaded where it is used: most instances never make anything but words.
                from functions.generate.model.made_store import store_pieces

                record["response"] = response = await store_pieces(deps, lease, self._number, response)
            lease.answering = False
            await store_answer(deps, lease, self._number, record)
        if is_resumable(response):
            lease.note_resumable()
        return record

    def _enter(self, response: Json) -> Json:
        """Enter the call in the task's ledger, and return its record. It is billed even if storing it is cut off."""
        seconds = round((self._deps.clock.now() - self._began).total_seconds(), 3)
        record: Json = {**self._head, "response": response, "seconds": seconds}
        self._lease.calls = [*(self._lease.calls or ()), call_of(record)]
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
            if begun or isinstance(refusal, TokenRefused):
                raise
            log("WARNING", "cache_not_taken", refusal.summary, task=lease.task.id)
            await retire_cache(deps, lease)
        else:
            return
    async for piece in _streamed(deps, lease, question.model, question.body):
        yield piece


def _streamed(deps: GenerateDeps, lease: Lease, model: str, body: Json) -> AsyncIterator[Json]:
    timeout, config = max(1.0, lease.seconds_left), body.get("generationConfig")
    if "embedding" in body:
        return _whole(partial(deps.gemini.embed, model, body, timeout=timeout))
    if isinstance(config, dict) and "responseModalities" in config:
        # The SDK breaks off at lines of a stream over 4 MiB, and a picture is one line.
        return _whole(partial(deps.gemini.answer, model, body, timeout=timeout))
    return deps.gemini.stream(model, body, timeout=timeout)


async def _whole(ask: Callable[[], Awaitable[Json]]) -> AsyncIterator[Json]:
    """Yield an answer that is not streamed, as one piece."""
    yield await ask()


def _with_successor(deps: GenerateDeps, model: str, failure: PermanentFailure) -> PermanentFailure:
    """Add to the failure the name of the model that replaces one that was shut down."""
    if failure.code != "model_not_found":
        return failure
    return PermanentFailure(failure.code, " ".join((failure.message, *model_notices(deps, model))))
