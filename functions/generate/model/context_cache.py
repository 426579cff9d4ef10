"""Put a large input that several questions share into a context cache, which each question then names.

    questions of one recipe    create ─▶ recorded on the task ─▶ prolonged where it is used long ─▶ deleted at its end
    a rerun within the hour    find, or create ─▶ … ─▶ left for the next rerun, which finds it by name, until it expires

A takeover finds the cache on the task and uses it. Nothing depends on the cache: if it cannot be created or the service
refuses it, the questions are asked with the file. A cache that is left behind expires within minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from functions.generate.lease import Lease
from functions.generate.model.service_tier import with_service_tier
from functions.generate.model.spending import reserve_cost
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.errors import PermanentFailure, TaskFailure
from shared.domain.media import Facts
from shared.domain.models import tokens
from shared.domain.models.catalogue import Model
from shared.domain.models.tokens import Resolution
from shared.domain.money.storage import storage_of
from shared.domain.recipe.cached_content import digest_of_shared_content, shared_content
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import GeminiCache, Task

_KEPT = timedelta(minutes=10)
_LEFT = timedelta(minutes=5)
"""Lifetime for another rerun: five minutes of storage cost less than half of sending the input again."""
_MARGIN = timedelta(seconds=30)
"""Remaining lifetime that a cache of an earlier rerun must have to be used."""
_PROLONGED_WITHIN = 0.4
"""A question prolongs the cache first if less than this share of its lifetime is left."""


def cacheable(model: Model | None, files: Sequence[Facts], resolution: Resolution | None) -> bool:
    """Return whether these files can be put into a context cache. `model` is None if the catalogue does not know it.

    A media resolution is a setting of each question; how media in a cache would heed it is not documented.
    """
    if model is None or not model.can("caching") or resolution is not None:
        return False
    return sum(tokens.estimate(facts, model) for facts in files) >= tokens.least_cached(model)


async def share_in_cache(deps: GenerateDeps, lease: Lease, questions: Sequence[Question]) -> None:
    """Set `lease.cache` to a cache that the open `questions` share, if that saves money.

    Raises what `reserve_cost` raises: a task that waits for its budget pays for no storage.
    """
    if not questions or not questions[0].cacheable:
        await retire_cache(deps, lease)
        return
    question, now = questions[0], deps.clock.now()
    holds = digest_of_shared_content(question)
    recorded = lease.cache
    if recorded is not None and recorded.holds == holds and recorded.expires_at > now:
        return
    await retire_cache(deps, lease)
    if len(questions) < 2 and not lease.task.asked_lately:
        return
    await reserve_cost(deps, lease, with_service_tier(deps, lease, question))
    try:
        if lease.task.asked_lately:
            lease.cache = await _found_or_made(deps, question, holds)
        else:
            lease.cache = await _made(deps, question, holds, f"{lease.task.key}-{lease.token}", _KEPT)
    except TaskFailure as failure:
        log("INFO", "cache_not_made", failure.summary, task=lease.task.id)
        return
    await lease.renew()


async def _found_or_made(deps: GenerateDeps, question: Question, holds: str) -> GeminiCache:
    """Return the cache that an earlier rerun left, or create one that the next rerun can find."""
    name = f"{deps.settings.environment}-{holds[:40]}"
    cache = await deps.gemini.find_cache(name)
    if cache is not None and cache.expires_at > deps.clock.now() + _MARGIN:
        log("INFO", "cache_found", f"{cache.name} holds {', '.join(question.sources)}")
        # Its storage until then is paid by the task that made it.
        return GeminiCache(
            name=cache.name,
            holds=holds,
            model=question.model,
            expires_at=cache.expires_at,
            tokens=cache.tokens,
            paid_from=cache.expires_at,
            left=True,
        )
    made = await _made(deps, question, holds, name, _LEFT)
    return made.model_copy(update={"left": True})


async def _made(
    deps: GenerateDeps, question: Question, holds: str, display_name: str, seconds_kept: timedelta
) -> GeminiCache:
    name, tokens = await deps.gemini.create_cache(
        question.model, shared_content(question.body), lifetime=seconds_kept, display_name=display_name
    )
    log("INFO", "cache_made", f"{name}: {tokens:,} tokens of {', '.join(question.sources)}")
    now = deps.clock.now()
    return GeminiCache(
        name=name, holds=holds, model=question.model, expires_at=now + seconds_kept, tokens=tokens, paid_from=now
    )


async def retire_cache(deps: GenerateDeps, lease: Lease) -> None:
    """Ask without the cache from now on: enter what it has cost in the ledger, and delete it unless it is left."""
    cache, lease.cache = lease.cache, None
    if cache is None:
        return
    is_deleted = not cache.left and (
        cache.expires_at <= deps.clock.now() or await delete_cache(deps, lease.task, cache.name)
    )
    storage = storage_of(cache, lease.model, deps.clock.now(), is_deleted=is_deleted)
    lease.ledger = lease.ledger.with_storage(storage)


async def delete_cache(deps: GenerateDeps, task: Task, name: str) -> bool:
    """Delete the context cache; return whether it is gone. Failures are logged only: it expires soon."""
    try:
        await deps.gemini.delete_cache(name)
    except TaskFailure as failure:
        log("INFO", "cache_not_deleted", failure.summary, task=task.id)
        return isinstance(failure, PermanentFailure) and failure.code in ("source_gone", "model_not_found")
    return True


async def prolong(deps: GenerateDeps, lease: Lease) -> None:
    """Extend the cache's lifetime if it might end before the next question starts."""
    cache = lease.cache
    if cache is None:
        return
    extension = _LEFT if cache.left else _KEPT
    if cache.expires_at - deps.clock.now() > extension * _PROLONGED_WITHIN:
        return
    try:
        await deps.gemini.prolong_cache(cache.name, lifetime=extension)
    except TaskFailure as failure:
        log("INFO", "cache_not_prolonged", failure.summary, task=lease.task.id)
        await retire_cache(deps, lease)
    else:
        lease.cache = cache.model_copy(update={"expires_at": deps.clock.now() + extension})
