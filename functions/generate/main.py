"""generate: a dispatch arrived; carry its task one step along the road, to its end or to its next dispatch.

Answers 200 whenever the next step is safe, on the queue or done; anything else lets Cloud Tasks try again. It never
answers 429 or 503 on purpose: those would slow the whole queue down.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import functions_framework.aio
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from functions.generate.lease import Holding
from functions.generate.model.rounds import ask_all, earlier_rounds, ran_before, settled
from functions.generate.model.stream_chunks import tell_the_rest
from functions.generate.postponement import come_again, keep_waiting, try_later
from functions.generate.question.from_object import questions_of_object
from functions.generate.question.from_request import question_of_request
from functions.generate.result.after_work import finish_up
from functions.generate.result.outcome import outcome_of
from shared import wiring
from shared.cloud.firestore import Stored
from shared.cloud.queue import lease_end
from shared.cloud.telemetry import log, log_bug
from shared.domain.errors import (
    LeaseLost,
    PermanentFailure,
    TaskFailure,
    TimeIsUp,
    TransientFailure,
)
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import Task, TaskError
from shared.settings import GenerateSettings, refuse_misconfiguration

_MOST_TAKEOVERS = 3
"""A crash is nobody's fault at first; a file or an answer on which every instance dies must not take down others."""
_EARLY = timedelta(hours=1)
"""A dispatch that comes this long before its task's time was cut short by the queue's horizon."""


class Dispatch(BaseModel):
    task: str
    epoch: int


refuse_misconfiguration(GenerateSettings)


@functions_framework.aio.http
async def generate(request: Request) -> Response:
    try:
        dispatch = Dispatch.model_validate_json(await request.body())
    except ValidationError as error:
        log("ERROR", "dispatch_malformed", f"not a dispatch: {error.error_count()} errors")
        return PlainTextResponse("malformed dispatch: dropped")
    try:
        done = await carry(wiring.generate(), dispatch)
    except Exception as error:
        log_bug("dispatch_failed", error, task=dispatch.task)
        return PlainTextResponse("failed: to be tried again", status_code=500)
    return PlainTextResponse("done" if done else "after-work left", status_code=200 if done else 500)


async def carry(road: wiring.Generate, dispatch: Dispatch) -> bool:
    """True where nothing is left for another delivery of this dispatch."""
    stored = await road.tasks.get(dispatch.task)
    if stored is None:
        log("WARNING", "task_missing", "a dispatch names a task that is not there", task=dispatch.task)
        return True
    task, now = stored.task, road.clock.now()
    if task.terminal:
        return await finish_up(road, stored) if task.after else True
    if claims.leased(task, now):
        return await come_back_at_lease_end(road, stored)
    if dispatch.epoch < task.epoch and task.dispatch_at is not None and task.dispatch_at > now:
        return True
    if task.waiting is not None and task.waiting.until - now > _EARLY:
        await come_again(road, stored)
        return True
    if refused(task) and not too_old(road, task) and (note := await road.throttle.standing(task.model)):
        await keep_waiting(road, stored, note)
        return True
    try:
        claimed = await road.tasks.change(
            stored, lambda current: claims.claim(current, now=road.clock.now(), lease=_lease(road))
        )
    except LeaseLost:
        return await carry(road, dispatch)
    if claimed is None:
        return True
    return await work(road, claimed)


async def work(road: wiring.Generate, claimed: Stored) -> bool:
    """Understand the claimed task's source, and end the task or put it off."""
    until = road.clock.time() + road.settings.time_limit_seconds
    held = Holding(road.tasks, road.clock, claimed, lease=_lease(road), until=until)
    try:
        try:
            async with held:
                outcome = await understand(road, held)
        except PermanentFailure as failure:
            outcome = _failed(failure)
        ended = await end(road, held, outcome)
    except LeaseLost as lost:
        log("INFO", "lease_lost", str(lost), task=held.task.id)
        return True
    except (TaskFailure, TimeIsUp) as failure:
        return await later_or_never(road, held, failure)
    except Exception as error:
        log_bug("generate_failed", error, task=held.task.id, object=held.task.source.uri)
        return await later_or_never(road, held, TransientFailure(f"an internal error: {type(error).__name__}"))
    return await finish_up(road, ended)


async def later_or_never(road: wiring.Generate, held: Holding, failure: TaskFailure | TimeIsUp) -> bool:
    """Put the task off; past its last attempt it fails."""
    if await try_later(road, held, failure):
        return True
    times = held.task.attempts + held.task.outages + 1
    message = f"Given up after {times} attempts; the last one: {failure}"
    try:
        ended = await end(road, held, _failed(PermanentFailure("upstream_error", message)))
    except LeaseLost as lost:
        log("INFO", "lease_lost", str(lost), task=held.task.id)
        return True
    return await finish_up(road, ended)


async def understand(road: wiring.Generate, held: Holding) -> Outcome:
    """From what was dropped or submitted to what the model says of it."""
    task = held.task
    # First of all: whatever kills the worker may lie in what was stored, which is read and judged below.
    refuse_a_killer(task)
    rounds = await earlier_rounds(road, task)
    if not await settled(road, rounds):
        refuse_one_too_old(road, task)
        if task.source.kind == "object":
            questions = await questions_of_object(road, held, ran_before(rounds) or task.ran)
        else:
            questions = (await question_of_request(road, held),)
        rounds = await ask_all(road, held, questions, rounds)
    outcome = await outcome_of(road, task, rounds)
    if task.stream and not held.stored_chunks and outcome.error is None:
        last = rounds[-1]
        await tell_the_rest(road, held, last.response, claim=last.claim, reasoning=last.question.reasoning)
    return outcome


def refuse_a_killer(task: Task) -> None:
    """Give up a task where whoever works on it is killed again and again."""
    if task.takeovers > _MOST_TAKEOVERS:
        message = (
            f"Given up: {task.takeovers} times the function was killed, or its lease ran out, while it worked on this "
            f"task. {_MOST_TAKEOVERS} times it is taken over."
        )
        raise PermanentFailure("upstream_error", message)


def refuse_one_too_old(road: wiring.Generate, task: Task) -> None:
    if too_old(road, task):
        raise PermanentFailure("deadline_exceeded", _waited_in_vain(task))


async def end(road: wiring.Generate, held: Holding, outcome: Outcome) -> Stored:
    """Commit the outcome, if the claim still holds."""

    whole = replace(outcome, ran=outcome.ran or held.ran, model=outcome.model or held.model)

    def finished(task: Task) -> Task:
        told = task.model_copy(update={"stored_chunks": held.stored_chunks})
        return claims.finish(told, held.token, whole, now=road.clock.now(), files=held.files, cache=held.cache)

    ended = await held.change(finished)
    task = ended.task
    if task.error is not None:
        log("WARNING", "task_failed", task.error.message, task=task.id, object=task.source.uri, code=task.error.code)
    else:
        log("INFO", "task_completed", f"{task.source.uri} is understood", task=task.id, object=task.source.uri)
    return ended


async def come_back_at_lease_end(road: wiring.Generate, stored: Stored) -> bool:
    """Another dispatch holds the task: look again when its lease ends, in case it does not live to finish."""
    task = stored.task
    assert task.lease_until is not None
    await road.dispatches.put(task, suffix=lease_end(task), at=task.lease_until + timedelta(seconds=1))
    return True


def _failed(failure: PermanentFailure) -> Outcome:
    return Outcome(error=TaskError(code=failure.code, message=failure.message))


def refused(task: Task) -> bool:
    """Whether it waits for the model; the note of a model says nothing to those that wait for something else."""
    return task.waiting is not None and task.waiting.reason in ("rate_limited", "daily_quota", "blocked")


def too_old(road: wiring.Generate, task: Task) -> bool:
    return road.clock.now() - task.accepted_at > timedelta(hours=road.settings.task_max_age_hours)


def _waited_in_vain(task: Task) -> str:
    waited = task.waited
    why = f" It last waited for: {waited.detail or waited.reason}." if waited else ""
    return f"The task was not done within its age limit.{why}"


def _lease(road: wiring.Generate) -> timedelta:
    return timedelta(seconds=road.settings.lease_seconds)
