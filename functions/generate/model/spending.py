"""Keep a call within the budgets: estimate what it costs at most, and reserve that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import cast, get_args

from functions.generate.lease import Lease
from shared.cloud.telemetry import log_failure
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.media import Facts
from shared.domain.media.kinds import Family
from shared.domain.models import tokens
from shared.domain.models.catalogue import Model, default_model
from shared.domain.models.prices import InputKind, Tier
from shared.domain.models.tokens import Resolution
from shared.domain.money.budgets import MAX_OUTPUT, estimated_cost, highest_call_cost, output_ceiling
from shared.domain.money.calls import in_pico
from shared.domain.money.ledger import Ledger
from shared.domain.money.storage import most_storage_cost
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import Task

_KINDS: dict[Family, InputKind] = {"audio": "audio", "image": "image", "pdf": "image", "text": "text", "video": "video"}


def media_tokens(
    files: Sequence[Facts], model: Model | None, resolution: Resolution | None = None
) -> dict[InputKind, int]:
    """Return how many tokens the files have at most, by the documented rules.

    A file for a model that is not known counts as for the default.
    """
    counts: dict[InputKind, int] = {}
    rules = model or default_model()
    for facts in files:
        kind = _KINDS[facts.media_type.family]
        counts[kind] = counts.get(kind, 0) + tokens.most(facts, rules, resolution)
    return {kind: min(count, rules.input_tokens) for kind, count in counts.items()}


def with_ceiling(deps: GenerateDeps, question: Question) -> Question:
    """Return the question with the most tokens that a transcript of its length may have, unless the request says so."""
    ceiling = _ceiling(deps, question)
    config = cast(Json, question.body.get("generationConfig") or {})
    if not question.about.transcript or question.about.duration is None or "maxOutputTokens" in config:
        return question
    if ceiling >= MAX_OUTPUT or "audioTranscriptionConfig" in config:
        return question
    return question.model_copy(
        update={"body": {**question.body, "generationConfig": {**config, "maxOutputTokens": ceiling}}}
    )


async def reserve_cost(deps: GenerateDeps, lease: Lease, question: Question) -> None:
    """Reserve what the call may cost, and those for the request's answers after this one.

    Raises `BudgetSpent` or `PermanentFailure` if a budget is against it.
    """
    today = deps.clock.now().date()
    ceiling = _ceiling(deps, question)
    tier = requested_tier(question)
    estimate = estimated_cost(
        question.body,
        question.media,
        question.model,
        tier,
        today,
        ceiling=ceiling,
        makes=question.makes,
        cached=question.cached_tokens,
    )
    await _note_estimate(lease, in_pico(estimate))
    # All at once: a request is stopped before anything is paid for it.
    estimate *= question.choices - question.choice
    if question.cacheable and (cache := lease.cache) is not None and cache.paid_from is not None:
        kept = (cache.expires_at - cache.paid_from).total_seconds()
        estimate += most_storage_cost(cache.tokens, max(0.0, kept), question.model, today)
    reserved = await deps.budgets.reserve(lease.task, estimate, lease.spent, lost=lease.assumed_of_lost)
    lease.reserved = reserved or lease.reserved


async def _note_estimate(lease: Lease, estimate: int) -> None:
    """Note what the coming call may cost at most, and that a lost claim may have made it.

    That is stored before the call, whose instance may die as well.
    """
    before = lease.ledger.lost
    lost = before.after_takeovers(lease.task.takeovers, max(estimate, before.estimate or 0))
    lease.ledger = lease.ledger.with_lost(lost.model_copy(update={"estimate": estimate}))
    if lost != before:
        await lease.renew()


def ledger_with_lost_call(deps: GenerateDeps, task: Task, ledger: Ledger) -> Ledger:
    """Return the ledger of a task that ends before another call: with the call that a lost claim may have made."""
    most = ledger.lost.estimate
    if most is None:
        highest = highest_call_cost(task.model, deps.clock.now().date())
        most = in_pico(min(highest, deps.settings.task_budget))
    return ledger.with_lost(ledger.lost.after_takeovers(task.takeovers, most))


def _ceiling(deps: GenerateDeps, question: Question) -> int:
    seconds = question.about.duration if question.about.transcript else None
    return output_ceiling(question.body, question.model, deps.clock.now().date(), transcript_seconds=seconds)


def requested_tier(question: Question) -> Tier:
    named = question.body.get("serviceTier")
    return cast(Tier, named) if named in get_args(Tier) else "standard"


async def reserved_day(deps: GenerateDeps, lease: Lease) -> date | None:
    """Return the day of the task's reservation, which an earlier claim may have made, or None."""
    if lease.reserved is not None or lease.token == 1:
        return lease.reserved
    return await earlier_reservation(deps, lease.task)


async def earlier_reservation(deps: GenerateDeps, task: Task) -> date | None:
    """Return the day of a reservation that some claim of the task has left behind, or None."""
    try:
        return await deps.budgets.reserved_day(task)
    except Exception as error:  # It ends with the day; the task's own end does not wait for it.
        log_failure("reservation_not_read", error, service="Firestore", task=task.id)
        return None


async def end_reservation(deps: GenerateDeps, task: Task, day: date) -> None:
    """End the task's reservation of this day."""
    batch = deps.tasks.client.batch()
    deps.reservations.settle(batch, day, task.key)
    await batch.commit()


async def end_earlier_reservation(deps: GenerateDeps, task: Task) -> None:
    """End a reservation that some try of the task has left behind, of which no more is to be spent."""
    reserved = await earlier_reservation(deps, task)
    if reserved is None:
        return
    try:
        await end_reservation(deps, task, reserved)
    except Exception as error:  # It ends with the day; the import's own error matters more.
        log_failure("reservation_not_ended", error, service="Firestore", task=task.id)
