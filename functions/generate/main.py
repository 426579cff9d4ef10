"""generate: work on the task of a dispatch until it ends or has to be put off.

Answers 200 whenever the next step is safe, on the queue or done; anything else lets Cloud Tasks try again. It never
answers 429 or 503 on purpose: those would slow the whole queue down.
"""

from __future__ import annotations

from shared import collector  # isort: split

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import functions_framework.aio
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from functions.generate.lease import Lease
from functions.generate.model.answer_store import has_progressed
from functions.generate.model.cancelled import end_lost_claim
from functions.generate.model.parts import ask_parts
from functions.generate.model.rounds import answers_for_readers, ask_questions, is_settled, load_rounds
from functions.generate.model.spending import ledger_with_lost_call, reserved_day
from functions.generate.model.stream_chunks import store_remaining_chunks
from functions.generate.postponement import closed_gate, keep_waiting, put_off, schedule_next
from functions.generate.question.from_object import questions_of_object
from functions.generate.question.from_request import questions_of_request
from functions.generate.result.after_work import run_after_work
from functions.generate.result.indexing import remove_deleted_object
from functions.generate.result.outcome import outcome_of, with_ledger
from shared import wiring
from shared.cloud.firestore import Stored
from shared.cloud.queue import lease_end
from shared.cloud.telemetry import log, log_failure
from shared.cloud.tracing import annotate, span
from shared.dependencies import GenerateDeps
from shared.domain.errors import (
    LeaseLost,
    PermanentFailure,
    TaskFailure,
    TimeIsUp,
    TransientFailure,
)
from shared.domain.money.totals import rows_of
from shared.domain.stored_rounds import recipe_of_rounds
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import Task, TaskError
from shared.settings import GenerateSettings, refuse_misconfiguration

if TYPE_CHECKING:
    from google.cloud import firestore

_MAX_TAKEOVERS = 3
"""A file or an answer on which every instance dies must not go on taking other tasks down with it."""
_EARLY = timedelta(hours=1)
"""A dispatch that arrives this long before its task is due was scheduled at the queue's 30-day limit."""


class Dispatch(BaseModel):
    task: str
    epoch: int
    trace: str = ""
    """The W3C `traceparent` of what enqueued it."""


class EntryDispatch(BaseModel):
    """Asks to take the entry of this key out of its index if its object is gone."""

    entry: str
    trace: str = ""


_BODY = TypeAdapter[Dispatch | EntryDispatch](Dispatch | EntryDispatch)

collector.resume()
refuse_misconfiguration(GenerateSettings)


@functions_framework.aio.http
async def generate(request: Request) -> Response:
    try:
        dispatch = _BODY.validate_json(await request.body())
    except ValidationError as error:
        log("ERROR", "dispatch_malformed", f"not a dispatch: {error.error_count()} errors")
        return PlainTextResponse("malformed dispatch: dropped")
    try:
        deps = wiring.generate()
        if isinstance(dispatch, EntryDispatch):
            with span("remove_entry", parent=dispatch.trace, kind="consumer"):
                done = await remove_deleted_object(deps, dispatch.entry)
        else:
            with span("generate", parent=dispatch.trace, kind="consumer", task=dispatch.task):
                done = await handle_dispatch(deps, dispatch)
    except Exception as error:
        log_failure("dispatch_failed", error, **dispatch.model_dump(include={"task", "entry"}))
        return PlainTextResponse("failed: to be tried again", status_code=500)
    return PlainTextResponse("done" if done else "work is left", status_code=200 if done else 500)


async def handle_dispatch(deps: GenerateDeps, dispatch: Dispatch) -> bool:
    """Claim the dispatched task and work on it. Return False if Cloud Tasks should deliver the dispatch again."""
    stored = await deps.tasks.get(dispatch.task)
    if stored is None:
        log("WARNING", "task_missing", "a dispatch names a task that is not there", task=dispatch.task)
        return True
    task, now = stored.task, deps.clock.now()
    if task.terminal and not task.after:
        return True
    if claims.leased(task, now):
        return await dispatch_at_lease_end(deps, stored)
    if dispatch.epoch < task.epoch and task.dispatch_at is not None and task.dispatch_at > now:
        return True
    if task.terminal:
        return await run_after_work(deps, stored)
    if task.waiting is not None and task.waiting.until - now > _EARLY:
        await schedule_next(deps, stored)
        return True
    if not is_past_age_limit(deps, task):
        note = await deps.throttle.current_note(task.model) if waits_for_model(task) else None
        if (note := note or await closed_gate(deps, task)) is not None:
            await keep_waiting(deps, stored, note)
            return True
    try:
        claimed = await deps.tasks.change(
            stored, lambda current: claims.claim(current, now=deps.clock.now(), lease=_lease(deps))
        )
    except LeaseLost:
        return await handle_dispatch(deps, dispatch)
    if claimed is None:
        return True
    return await work_on_task(deps, claimed)


async def work_on_task(deps: GenerateDeps, claimed: Stored) -> bool:
    """Answer the claimed task, then commit its outcome or put it off. Return False if after-work is left."""
    until = deps.clock.time() + deps.settings.time_limit_seconds
    lease = Lease(deps.tasks, deps.clock, claimed, lease=_lease(deps), until=until)
    try:
        try:
            async with lease:
                outcome = await answer_task(deps, lease)
        except PermanentFailure as failure:
            outcome = _failed(deps, lease, failure)
        ended = await commit_outcome(deps, lease, outcome)
    except LeaseLost as lost:
        await end_lost_claim(deps, lease, lost)
        return True
    except (TaskFailure, TimeIsUp) as failure:
        return await put_off_or_fail(deps, lease, failure)
    except Exception as error:
        log_failure("generate_failed", error, task=lease.task.id, object=lease.task.source.uri)
        return await put_off_or_fail(deps, lease, TransientFailure(f"an internal error: {type(error).__name__}"))
    finally:
        deps.budgets.settle(lease.task, lease.spent)
    return await run_after_work(deps, ended)


async def put_off_or_fail(deps: GenerateDeps, lease: Lease, failure: TaskFailure | TimeIsUp) -> bool:
    """Put the task off, or fail it if it has no attempts left."""
    if await put_off(deps, lease, failure):
        return True
    times = lease.task.attempts + lease.task.outages + 1
    message = f"Given up after {times} attempts; the last one: {failure}"
    try:
        ended = await commit_outcome(deps, lease, _failed(deps, lease, PermanentFailure("upstream_error", message)))
    except LeaseLost as lost:
        await end_lost_claim(deps, lease, lost)
        return True
    return await run_after_work(deps, ended)


async def answer_task(deps: GenerateDeps, lease: Lease) -> Outcome:
    """Ask every question that has no stored answer yet, and return the outcome of all of them."""
    task = lease.task
    # Before anything is read: what crashes the worker may be a stored answer.
    await refuse_deadly_task(deps, task)
    rounds = await load_rounds(deps, lease)
    if not await is_settled(deps, rounds):
        refuse_expired_task(deps, task)
        async with deps.transfers.slot() as slot:
            lease.slot = slot
            if task.source.kind == "object":
                was_split = rounds[0].question.part is not None if rounds else None
                ran = recipe_of_rounds(rounds) or task.ran
                questions = await questions_of_object(deps, lease, ran, was_split=was_split)
            else:
                questions = await questions_of_request(deps, lease)
            if not isinstance(questions, tuple):
                rounds = await ask_parts(deps, lease, questions, rounds)
            else:
                rounds = await ask_questions(deps, lease, questions, rounds)
    outcome = await outcome_of(deps, task, rounds)
    if task.stream and not lease.stored_chunks and outcome.error is None:
        answers = await answers_for_readers(deps, rounds)
        await store_remaining_chunks(deps, lease, answers, reasoning=rounds[-1].question.reasoning)
    return outcome


async def refuse_deadly_task(deps: GenerateDeps, task: Task) -> None:
    """Fail a task whose workers keep dying, and store nothing before they do."""
    if task.takeovers <= _MAX_TAKEOVERS or await has_progressed(deps, task, claims=_MAX_TAKEOVERS):
        return
    message = (
        f"Given up: {task.takeovers} times the function was killed, or its lease ran out, while it worked on this "
        f"task. {_MAX_TAKEOVERS} times it is taken over."
    )
    raise PermanentFailure("upstream_error", message)


def refuse_expired_task(deps: GenerateDeps, task: Task) -> None:
    if is_past_age_limit(deps, task):
        why = f" It last waited for: {task.waited.detail or task.waited.reason}." if task.waited else ""
        raise PermanentFailure("deadline_exceeded", f"The task was not done within its age limit.{why}")


async def commit_outcome(deps: GenerateDeps, lease: Lease, outcome: Outcome) -> Stored:
    """Commit the outcome, if the claim still holds."""

    named = replace(outcome, ran=outcome.ran or lease.ran, model=outcome.model or lease.model)
    whole = with_ledger(lease, named, deps.clock.now())
    reserved = await reserved_day(deps, lease)

    def finished(task: Task) -> Task:
        updated = task.model_copy(update={"stored_chunks": lease.stored_chunks})
        return claims.finish(
            updated,
            lease.token,
            whole,
            now=deps.clock.now(),
            files=lease.files,
            cache=lease.cache,
            event=deps.events is not None,
        )

    def counted(batch: firestore.AsyncWriteBatch, task: Task) -> None:
        deps.totals.add(batch, deps.clock.now(), rows_of(task, lease.calls or ()))
        if reserved is not None:
            deps.reservations.settle(batch, reserved, task.key)

    ended = await lease.change(finished, counted)
    task = ended.task
    annotate(status=task.status, model=task.model, calls=len(lease.calls or ()), claim=lease.token)
    if task.error is not None:
        annotate(code=task.error.code)
        # Without the error's message, which may quote the answer or what was asked.
        message = f"{task.source.uri} failed: {task.error.code}"
        log("WARNING", "task_failed", message, task=task.id, object=task.source.uri, code=task.error.code)
    else:
        log("INFO", "task_completed", f"{task.source.uri} is understood", task=task.id, object=task.source.uri)
    return ended


async def dispatch_at_lease_end(deps: GenerateDeps, stored: Stored) -> bool:
    """Enqueue a dispatch for when the current holder's lease ends, in case the holder dies."""
    task = stored.task
    assert task.lease_until is not None
    await deps.dispatches.enqueue(task, suffix=lease_end(task), at=task.lease_until + timedelta(seconds=1))
    return True


def _failed(deps: GenerateDeps, lease: Lease, failure: PermanentFailure) -> Outcome:
    lease.ledger = ledger_with_lost_call(deps, lease.task, lease.ledger)
    return Outcome(error=TaskError(code=failure.code, message=failure.message))


def waits_for_model(task: Task) -> bool:
    """Return whether the task waits for its model, to which a throttle note applies."""
    return task.waiting is not None and task.waiting.reason in ("rate_limited", "daily_quota", "blocked")


def is_past_age_limit(deps: GenerateDeps, task: Task) -> bool:
    return deps.clock.now() - task.accepted_at > timedelta(hours=deps.settings.task_max_age_hours)


def _lease(deps: GenerateDeps) -> timedelta:
    return timedelta(seconds=deps.settings.lease_seconds)
