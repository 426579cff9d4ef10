"""The service tier of a call: flex waits for capacity at half the price, until the task's patience is over.

flex ──▶ refused (503, 429): put off, reason `flex` ──▶ … ──▶ `flex_patience` after the first refusal: standard
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime, timedelta
from typing import cast, get_args

from functions.generate.lease import Lease
from functions.generate.model.spending import requested_tier
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.errors import ConnectionBroken, FlexRefused, Throttled, Unavailable, Unreachable
from shared.domain.models.catalogue import find_model
from shared.domain.models.prices import Tier
from shared.domain.recipe.question import Question
from shared.domain.tasks.postponement import end_of_flex
from shared.domain.tasks.task import Task

_PAUSE = 60.0
"""Seconds after which a refused call is tried again at first; later the longer it has waited."""


def with_service_tier(deps: GenerateDeps, lease: Lease, question: Question) -> Question:
    """Return the question with the tier to ask in; the standard tier is left out, as the service has it."""
    named = question.ran.snapshot.get("service_tier") or lease.task.service_tier
    tier = cast(Tier, named) if named in get_args(Tier) else "standard"
    now = deps.clock.now()
    if tier == "flex" and (not _has_flex(question.model, now) or _is_patience_over(deps, lease.task, now)):
        tier = "standard"
    if tier == "standard":
        return question
    return question.model_copy(update={"body": {**question.body, "serviceTier": tier}})


async def flex_refusals_named(pieces: AsyncIterator[Json], question: Question) -> AsyncGenerator[Json]:
    """Yield the pieces of an answer. Raises `FlexRefused` if the flex tier is refused before the first one."""
    begun = False
    try:
        async for piece in pieces:
            begun = True
            yield piece
    except (Throttled, Unavailable) as refusal:
        if begun or isinstance(refusal, ConnectionBroken | Unreachable) or requested_tier(question) != "flex":
            raise
        delay = refusal.delay if isinstance(refusal, Throttled) else None
        words = "No capacity for the flex tier: "
        refused = FlexRefused(f"{words}{refusal.message}", delay=delay or _PAUSE)
        raise refused.with_summary(f"{words}{refusal.summary}") from refusal


def _is_patience_over(deps: GenerateDeps, task: Task, now: datetime) -> bool:
    ends = end_of_flex(task, timedelta(hours=deps.settings.flex_patience_hours))
    if ends is None or now < ends:
        return False
    log("INFO", "flex_promoted", "no capacity for flex for long enough: asked at the standard price", task=task.id)
    return True


def _has_flex(name: str, now: datetime) -> bool:
    """Return whether the model has the tier; one whose prices are not known is taken to have it."""
    model = find_model(name, now.date())
    return model is None or not model.prices or model.price("flex", now.date()) is not None
